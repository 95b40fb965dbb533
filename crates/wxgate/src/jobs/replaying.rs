//! A replay at work: what was selected goes into the queue once more, so many a second; then what comes of it is watched.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::Jobs;
use super::lease::{Held, Standing};
use super::selection::{Selection, has_route};
use crate::clock::Instant;
use crate::feed::Feed;
use crate::parts::Parts;
use crate::store::{EndedDelivery, ItemState, Job, StoreError, event_of};
use crate::wake::Sleeper;

/// Deliveries that are looked at in one step.
const LOOKED: u32 = 500;
/// Begun rounds that are looked at in one step.
const FOLDED: u32 = 500;
/// So often rounds are looked at while more are begun, and when nothing came of them for long.
const SOON: Duration = Duration::from_millis(500);
const LATE: Duration = Duration::from_secs(15);
/// Steps a second.
const STEPS: u32 = 4;

/// One replay.
struct Replaying<'a> {
    parts: &'a Parts,
    job: &'a Job,
    selection: Selection,
    lease: Held,
    changed: Sleeper,
    next_at: Instant,
    /// From where begun rounds are looked at, and when next.
    folded: i64,
    fold_at: Instant,
    feed: &'a Feed,
    /// Nothing was sent once more yet.
    is_first: bool,
}

/// How a step left it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Goes,
    /// Somebody stopped it, has it, or the process ends.
    Ends(End),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped,
    Lost,
    Left,
}

pub(super) async fn work(
    jobs: &Jobs,
    job: &Job,
    lease: Held,
    room: OwnedSemaphorePermit,
) -> Result<(), StoreError> {
    let parts = &jobs.0.parts;
    let broken = |_| StoreError::Corrupt(format!("jobs {}", job.id).into());
    let selection = serde_json::from_slice(&job.value).map_err(broken)?;
    let (now, changed) = (parts.clock.instant(), jobs.0.changed.sleeper());
    let mut this = Replaying {
        parts,
        job,
        selection,
        lease,
        changed,
        next_at: now,
        folded: i64::MIN,
        fold_at: now + SOON,
        feed: &jobs.0.feed,
        is_first: true,
    };
    this.lease.look();
    let mut step = this.begin_rounds().await?;
    drop(room);
    jobs.look();
    if step == Step::Goes {
        step = this.watch().await?;
    }
    let now = parts.clock.now();
    match step {
        Step::Ends(End::Lost) => Ok(()),
        Step::Ends(End::Left) => parts.store.leave_job(job.id).await,
        Step::Goes | Step::Ends(End::Stopped) => {
            this.fold_all().await?;
            let is_stopped = step != Step::Goes;
            parts.store.end_job(job.id, is_stopped, now, jobs.forgotten_at(now)).await
        }
    }
}

impl Replaying<'_> {
    /// Everything that was selected.
    async fn begin_rounds(&mut self) -> Result<Step, StoreError> {
        let Self { job, parts, .. } = *self;
        let mut place = job.place;
        while place < i64::MAX {
            if let Step::Ends(end) = self.goes_on().await? {
                return Ok(Step::Ends(end));
            }
            let ids = self.selection.ids.clone();
            let (found, next) = parts.store.ended(self.selection.ended(), ids, place, LOOKED).await?;
            let live = parts.registry.live().clone();
            let is_wanted =
                |one: &&EndedDelivery| self.selection.takes(one, job.made_at) && has_route(&live, one);
            let wanted: Vec<i64> = found.iter().filter(is_wanted).map(|one| one.id).collect();
            let routes: HashSet<&str> = found.iter().map(|one| one.route.as_str()).collect();
            let routes: Vec<_> = routes.iter().filter_map(|name| live.routes.by_name(name)).collect();
            for some in wanted.chunks((job.rate / STEPS).max(1) as usize) {
                if let Step::Ends(end) = self.begin(some, some.last().copied()).await? {
                    return Ok(Step::Ends(end));
                }
                match std::mem::take(&mut self.is_first) {
                    true => routes.iter().for_each(|route| route.lane.try_now(parts.clock.ticks())),
                    false => routes.iter().for_each(|route| route.lane.wake.all()),
                }
            }
            if let Step::Ends(end) = self.begin(&[], next).await? {
                return Ok(Step::Ends(end));
            }
            place = next.unwrap_or(i64::MAX);
        }
        Ok(Step::Goes)
    }

    /// The next rounds, in their time.
    async fn begin(&mut self, ids: &[i64], place: Option<i64>) -> Result<Step, StoreError> {
        let Self { job, parts, .. } = *self;
        let clock = &parts.clock;
        if !ids.is_empty() {
            tokio::select! {
                () = parts.tasks.draining.cancelled() => return Ok(Step::Ends(End::Left)),
                () = clock.until(self.next_at) => {}
            }
            let length = Duration::from_secs(1).mul_f64(ids.len() as f64 / f64::from(job.rate.max(1)));
            self.next_at = self.next_at.max(clock.instant()) + length;
            if let Step::Ends(end) = self.goes_on().await? {
                return Ok(Step::Ends(end));
            }
        }
        // Before, so that a kill between them leaves no stream without one.
        let events: BTreeSet<i64> = ids.iter().map(|id| event_of(*id)).collect();
        if !events.is_empty() {
            self.feed.replayed(events.into_iter().collect()).await?;
        }
        let is_ours =
            parts.store.replay_step(job.id, ids.to_vec(), self.selection.ended(), place, clock.now()).await?;
        if !is_ours {
            self.lease.look();
            return self.goes_on().await;
        }
        if clock.instant() >= self.fold_at {
            self.folded = parts.store.fold_job(job.id, self.folded, FOLDED).await?.unwrap_or(i64::MIN);
            self.fold_at = clock.instant() + SOON;
        }
        Ok(Step::Goes)
    }

    async fn goes_on(&mut self) -> Result<Step, StoreError> {
        if self.parts.tasks.draining.is_cancelled() {
            return Ok(Step::Ends(End::Left));
        }
        Ok(match self.lease.keep(self.parts).await? {
            Standing::Ours => Step::Goes,
            Standing::Stops => Step::Ends(End::Stopped),
            Standing::Lost => Step::Ends(End::Lost),
        })
    }

    /// Until every round has ended.
    async fn watch(&mut self) -> Result<Step, StoreError> {
        let Self { job, parts, .. } = *self;
        let mut pause = SOON;
        loop {
            self.changed.mark_seen();
            self.lease.look();
            if let Step::Ends(end) = self.goes_on().await? {
                return Ok(Step::Ends(end));
            }
            self.fold_all().await?;
            if parts.store.open_items(job.id, ItemState::Begun, i64::MIN, 1).await?.is_empty() {
                return Ok(Step::Goes);
            }
            let until = parts.clock.instant() + pause;
            tokio::select! {
                () = parts.tasks.draining.cancelled() => return Ok(Step::Ends(End::Left)),
                () = self.changed.woken() => {}
                () = parts.clock.until(until) => pause = (pause * 2).min(LATE),
            }
        }
    }

    async fn fold_all(&self) -> Result<(), StoreError> {
        let mut place = Some(i64::MIN);
        while let Some(after) = place {
            place = self.parts.store.fold_job(self.job.id, after, FOLDED).await?;
        }
        Ok(())
    }
}
