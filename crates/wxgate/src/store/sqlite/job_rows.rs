//! What is kept of jobs.

use super::{Sqlite, jobs, replays};
use crate::store::job_rows::{AddedRow, EndedRow, ItemRow, JobRow, Jobs, ReplayStep};
use crate::store::records::Pending;
use crate::store::{Ended, ItemEnd, Lease};

impl Jobs for Sqlite {
    fn add_job(&self, row: JobRow, again: Option<[u8; 32]>, now: i64) -> Pending<'_, AddedRow> {
        Box::pin(self.writer.write(move |tx| jobs::add(tx, &row, again, now)))
    }

    fn add_items(&self, job: i64, items: Vec<ItemRow>, now: i64, until: i64) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |tx| jobs::add_items(tx, job, &items, now, until)))
    }

    fn begin_job(&self, job: i64, total: i64, value: Vec<u8>, now: i64) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |tx| jobs::begin(tx, job, total, &value, now)))
    }

    fn drop_job(&self, job: i64, now: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| jobs::give_up(tx, job, now)))
    }

    fn claim_job(
        &self,
        kind: &'static str,
        (except, of_one): (Vec<i64>, i64),
        lease: Lease,
        now: i64,
    ) -> Pending<'_, Option<JobRow>> {
        Box::pin(self.writer.write(move |tx| jobs::claim(tx, kind, (&except, of_one), lease, now)))
    }

    fn keep_job(&self, job: i64, lease: Lease) -> Pending<'_, Option<bool>> {
        Box::pin(self.writer.write(move |tx| jobs::keep(tx, job, lease)))
    }

    fn leave_job(&self, job: i64, owner: i32) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| jobs::leave(tx, job, owner)))
    }

    fn end_job(&self, job: i64, owner: i32, is_stopped: bool, now: i64, expires_at: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| jobs::end(tx, job, owner, is_stopped, (now, expires_at))))
    }

    fn stop_job(&self, job: i64, now: i64, expires_at: i64) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |tx| jobs::stop(tx, job, now, expires_at)))
    }

    fn job(&self, id: i64) -> Pending<'_, Option<JobRow>> {
        Box::pin(self.lists.read(move |db| jobs::one(db, id)))
    }

    fn jobs(&self, before: Option<i64>, limit: u32) -> Pending<'_, Vec<JobRow>> {
        Box::pin(self.lists.read(move |db| jobs::list(db, before, limit)))
    }

    fn open_items(&self, job: i64, state: i32, after: i64, limit: u32) -> Pending<'_, Vec<ItemRow>> {
        Box::pin(self.rows.read(move |db| jobs::open_items(db, job, state, after, limit)))
    }

    fn items(&self, job: i64, after: i64, limit: u32) -> Pending<'_, Vec<ItemRow>> {
        Box::pin(self.lists.read(move |db| jobs::items(db, job, after, limit)))
    }

    fn begin_items(&self, job: i64, owner: i32, items: Vec<i64>, now: i64) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |tx| jobs::begin_items(tx, job, owner, &items, now)))
    }

    fn end_items(&self, job: i64, owner: i32, ends: Vec<ItemEnd>) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| jobs::end_items(tx, job, owner, &ends)))
    }

    fn ended(
        &self,
        ended: Ended,
        ids: Option<Vec<i64>>,
        after: i64,
        limit: u32,
    ) -> Pending<'_, Vec<EndedRow>> {
        Box::pin(self.lists.read(move |db| replays::ended(db, ended, ids.as_deref(), after, limit)))
    }

    fn replay_step(&self, job: i64, owner: i32, step: ReplayStep, now: i64) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |tx| replays::step(tx, job, owner, &step, now)))
    }

    fn fold_job(&self, job: i64, after: i64, limit: u32) -> Pending<'_, Option<i64>> {
        Box::pin(self.writer.write(move |tx| replays::fold(tx, job, after, limit)))
    }
}
