//! What is kept of the gateway's own work.

use super::{Pg, quotas};
use crate::store::QuotaRow;
use crate::store::backend::Pending;
use crate::store::records::Records;

impl Records for Pg {
    // Windows begin by the database's time already.
    fn reserve_quota(&self, wanted: QuotaRow, limit: i64) -> Pending<'_, i64> {
        Box::pin(async move { quotas::reserve(&self.work, &wanted, limit).await })
    }

    fn return_quota(&self, unspent: QuotaRow) -> Pending<'_, ()> {
        Box::pin(async move { quotas::give_back(&self.work, &unspent).await })
    }

    fn quotas(&self, now: i64) -> Pending<'_, Vec<QuotaRow>> {
        Box::pin(quotas::current(&self.rows, now))
    }

    fn forget_quotas(&self, now: i64) -> Pending<'_, ()> {
        Box::pin(quotas::forget(&self.work, now))
    }
}
