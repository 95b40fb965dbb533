//! What is kept of the gateway's own work.

use super::{Sqlite, quotas};
use crate::store::QuotaRow;
use crate::store::backend::Pending;
use crate::store::records::Records;

impl Records for Sqlite {
    fn reserve_quota(&self, wanted: QuotaRow, limit: i64) -> Pending<'_, i64> {
        Box::pin(self.writer.write(move |tx| quotas::reserve(tx, &wanted, limit)))
    }

    fn return_quota(&self, unspent: QuotaRow) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| quotas::give_back(tx, &unspent)))
    }

    fn quotas(&self, now: i64) -> Pending<'_, Vec<QuotaRow>> {
        Box::pin(self.rows.read(move |db| quotas::current(db, now)))
    }

    fn forget_quotas(&self, now: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| quotas::forget(tx, now)))
    }
}
