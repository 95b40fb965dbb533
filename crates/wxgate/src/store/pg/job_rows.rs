//! What is kept of jobs.

use super::wakes::Topic;
use super::{Pg, jobs, replays};
use crate::store::job_rows::{AddedRow, EndedRow, ItemRow, JobRow, Jobs, ReplayStep};
use crate::store::records::Pending;
use crate::store::{Ended, EndedDelivery, ItemEnd, Lease};

impl Jobs for Pg {
    fn add_job(&self, mut row: JobRow, again: Option<[u8; 32]>, now: i64) -> Pending<'_, AddedRow> {
        row.made_at = self.time.theirs(row.made_at);
        row.expires_at = row.expires_at.map(|at| self.time.theirs(at));
        let now = self.time.theirs(now);
        Box::pin(async move { jobs::add(&self.work, &row, again, now).await })
    }

    fn add_items(&self, job: i64, items: Vec<ItemRow>, now: i64, until: i64) -> Pending<'_, bool> {
        let (now, until) = (self.time.theirs(now), self.time.theirs(until));
        Box::pin(async move { jobs::add_items(&self.work, job, &items, now, until).await })
    }

    fn begin_job(&self, job: i64, total: i64, value: Vec<u8>, now: i64) -> Pending<'_, bool> {
        let now = self.time.theirs(now);
        Box::pin(async move { jobs::begin(&self.work, job, total, &value, now).await })
    }

    fn drop_job(&self, job: i64, now: i64) -> Pending<'_, ()> {
        Box::pin(jobs::give_up(&self.work, job, self.time.theirs(now)))
    }

    fn claim_job(
        &self,
        kind: &'static str,
        (except, of_one): (Vec<i64>, i64),
        lease: Lease,
        now: i64,
    ) -> Pending<'_, Option<JobRow>> {
        let (lease, now) = (self.time.lease(lease), self.time.theirs(now));
        Box::pin(async move {
            let row = jobs::claim(&self.work, kind, (&except, of_one), lease, now).await?;
            Ok(row.map(|row| self.job_in_our_time(row)))
        })
    }

    fn keep_job(&self, job: i64, lease: Lease) -> Pending<'_, Option<bool>> {
        Box::pin(jobs::keep(&self.work, job, self.time.lease(lease)))
    }

    fn leave_job(&self, job: i64, owner: i32) -> Pending<'_, ()> {
        Box::pin(jobs::leave(&self.work, job, owner))
    }

    fn end_job(&self, job: i64, owner: i32, is_stopped: bool, now: i64, expires_at: i64) -> Pending<'_, ()> {
        let times = (self.time.theirs(now), self.time.theirs(expires_at));
        Box::pin(jobs::end(&self.work, job, owner, is_stopped, times))
    }

    fn stop_job(&self, job: i64, now: i64, expires_at: i64) -> Pending<'_, bool> {
        Box::pin(jobs::stop(&self.work, job, self.time.theirs(now), self.time.theirs(expires_at)))
    }

    fn job(&self, id: i64) -> Pending<'_, Option<JobRow>> {
        Box::pin(async move {
            let row = self.list(jobs::one(&self.lists, id)).await?;
            Ok(row.map(|row| self.job_in_our_time(row)))
        })
    }

    fn jobs(&self, before: Option<i64>, limit: u32) -> Pending<'_, Vec<JobRow>> {
        Box::pin(async move {
            let rows = self.list(jobs::list(&self.lists, before, limit)).await?;
            Ok(rows.into_iter().map(|row| self.job_in_our_time(row)).collect())
        })
    }

    fn open_items(&self, job: i64, state: i32, after: i64, limit: u32) -> Pending<'_, Vec<ItemRow>> {
        Box::pin(async move {
            let rows = jobs::open_items(&self.work, job, state, after, limit).await?;
            Ok(self.items_in_our_time(rows))
        })
    }

    fn items(&self, job: i64, after: i64, limit: u32) -> Pending<'_, Vec<ItemRow>> {
        Box::pin(async move {
            let rows = self.list(jobs::items(&self.lists, job, after, limit)).await?;
            Ok(self.items_in_our_time(rows))
        })
    }

    fn begin_items(&self, job: i64, owner: i32, items: Vec<i64>, now: i64) -> Pending<'_, bool> {
        let now = self.time.theirs(now);
        Box::pin(async move { jobs::begin_items(&self.work, job, owner, &items, now).await })
    }

    fn end_items(&self, job: i64, owner: i32, ends: Vec<ItemEnd>) -> Pending<'_, ()> {
        Box::pin(async move { jobs::end_items(&self.work, job, owner, &ends).await })
    }

    fn ended(
        &self,
        ended: Ended,
        ids: Option<Vec<i64>>,
        after: i64,
        limit: u32,
    ) -> Pending<'_, Vec<EndedRow>> {
        Box::pin(async move {
            let list = replays::ended(&self.lists, ended, ids.as_deref(), after, limit);
            let mut rows = self.list(list).await?;
            for EndedDelivery { done_at, received_at, .. } in
                rows.iter_mut().filter_map(|row| row.found.as_mut())
            {
                (*done_at, *received_at) = (self.time.ours(*done_at), self.time.ours(*received_at));
            }
            Ok(rows)
        })
    }

    fn replay_step(&self, job: i64, owner: i32, step: ReplayStep, now: i64) -> Pending<'_, bool> {
        let now = self.time.theirs(now);
        Box::pin(async move {
            let is_ours = replays::step(&self.work, job, owner, &step, now).await?;
            self.teller.tell(Topic::Due);
            Ok(is_ours)
        })
    }

    fn fold_job(&self, job: i64, after: i64, limit: u32) -> Pending<'_, Option<i64>> {
        Box::pin(replays::fold(&self.work, job, after, limit))
    }
}

impl Pg {
    fn job_in_our_time(&self, row: JobRow) -> JobRow {
        let ours = |at| self.time.ours(at);
        JobRow {
            made_at: ours(row.made_at),
            ended_at: row.ended_at.map(ours),
            expires_at: row.expires_at.map(ours),
            ..row
        }
    }

    fn items_in_our_time(&self, mut rows: Vec<ItemRow>) -> Vec<ItemRow> {
        rows.iter_mut().for_each(|row| row.begun_at = row.begun_at.map(|at| self.time.ours(at)));
        rows
    }
}
