//! A batch at work: its messages go out at its rate, several at once.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinError, JoinHandle};
use wechat::catalog::TEMPLATE_SEND;

use super::fate::{self, Fate};
use super::lease::{Held, Standing};
use super::{BATCH, Jobs, PAUSE, answer_of, parts_of};
use crate::clock::Instant;
use crate::lang::say;
use crate::parts::Parts;
use crate::registry::callers::Caller;
use crate::store::{ItemEnd, ItemState, Job, JobItem, StoreError};
use crate::upstream::CallError;
use crate::wake::Sleeper;

/// A message is tried again within this time of its first try, milliseconds: WeChat knows it for ten minutes.
const KNOWN: i64 = 9 * 60_000;
/// A first try that is later than now by more than this was written by another clock.
const SKEW: i64 = 60_000;
/// Messages at once.
const AT_ONCE: usize = 64;
/// Messages that are begun in one commit.
const BEGUN: u32 = 100;
/// Messages of which nobody knows yet; with more none is begun.
const UNCLEAR: usize = 200;
/// Pauses before a message is asked about again; the last one repeats.
const PAUSES: [u64; 6] = [1, 2, 5, 10, 20, 40];
/// What is known is written down so often.
const WRITTEN: Duration = Duration::from_millis(200);
/// The longest rest of a batch whose messages don't go out.
const REST: Duration = Duration::from_secs(30);
/// No batch works for longer, milliseconds.
const LONGEST: i64 = 7 * 24 * 3_600_000;
/// What a message counts as.
const SINGLE: &str = "/v1/service/wx/sendwxtemplatemsg";

/// A message that was begun.
#[derive(Debug)]
struct Trial {
    item: JobItem,
    /// Calls that may have sent it.
    unclear: usize,
    /// What the last of them said.
    code: i64,
}

/// Why a batch doesn't go on here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// It was stopped, or its caller may not any more.
    Stopped,
    /// The process ends.
    Left,
    /// Another has it.
    Lost,
}

/// What a call gives; `None`: it was cut.
type Answered = Option<(Trial, Fate)>;

struct Sending<'a> {
    jobs: &'a Jobs,
    parts: &'a Parts,
    job: &'a Job,
    lease: Held,
    changed: Sleeper,
    /// Begun, and not tried.
    fresh: VecDeque<Trial>,
    /// Tried, to be asked about then.
    again: Vec<(Instant, Trial)>,
    /// In tasks of their own, so that none waits for the store.
    calls: FuturesUnordered<JoinHandle<Answered>>,
    /// To be written down.
    known: Vec<ItemEnd>,
    written_at: Instant,
    next_at: Instant,
    /// Nothing goes out before, and for how long that was.
    rests_until: Instant,
    rest: Duration,
    /// Nothing more waits.
    is_empty: bool,
    ends: Option<Ends>,
}

pub(super) async fn work(
    jobs: &Jobs,
    job: &Job,
    lease: Held,
    _room: OwnedSemaphorePermit,
) -> Result<(), StoreError> {
    let parts = &jobs.0.parts;
    let now = parts.clock.instant();
    let mut this = Sending {
        jobs,
        parts,
        job,
        lease,
        changed: jobs.0.changed.sleeper(),
        fresh: VecDeque::new(),
        again: Vec::new(),
        calls: FuturesUnordered::new(),
        known: Vec::new(),
        written_at: now,
        next_at: now,
        rests_until: now,
        rest: Duration::ZERO,
        is_empty: false,
        ends: None,
    };
    this.lease.look();
    this.take_over().await?;
    while !this.is_over() {
        this.look().await;
        this.load().await;
        this.start();
        this.wait().await;
        this.write(false).await;
    }
    this.write(true).await;
    let now = parts.clock.now();
    match this.ends {
        Some(Ends::Lost) => Ok(()),
        Some(Ends::Left) => parts.store.leave_job(job.id).await,
        _ if !this.known.is_empty() => parts.store.leave_job(job.id).await,
        ends => parts.store.end_job(job.id, ends.is_some(), now, jobs.forgotten_at(now)).await,
    }
}

impl Sending<'_> {
    /// What was begun when somebody was killed may have been sent.
    async fn take_over(&mut self) -> Result<(), StoreError> {
        let (mut after, now) = (0, self.parts.clock.instant());
        loop {
            let begun = self.parts.store.open_items(self.job.id, ItemState::Begun, after, BEGUN).await?;
            let Some(last) = begun.last() else { return Ok(()) };
            after = last.n;
            let trials = begun.into_iter().map(|item| (now, Trial { item, unclear: 1, code: 0 }));
            self.again.extend(trials);
        }
    }

    fn is_over(&self) -> bool {
        let nothing_left = self.is_empty && self.fresh.is_empty() && self.again.is_empty();
        self.calls.is_empty() && (self.ends.is_some() || (nothing_left && self.known.is_empty()))
    }

    /// Is it still ours, and does it go on?
    async fn look(&mut self) {
        let Self { job, parts, .. } = *self;
        if self.ends.is_some() {
            return;
        }
        if parts.tasks.draining.is_cancelled() {
            return self.end(Ends::Left);
        }
        if parts.clock.now() - job.made_at > LONGEST {
            return self.end(Ends::Stopped);
        }
        match self.lease.keep(parts).await {
            Ok(Standing::Ours) => {}
            Ok(Standing::Stops) => self.end(Ends::Stopped),
            Ok(Standing::Lost) => self.end(Ends::Lost),
            Err(error) => self.stumbles(&error),
        }
    }

    /// Begins nothing more. What wasn't tried waits again, if the batch is still ours to say so; of what was, nobody knows once the
    /// batch is stopped.
    fn end(&mut self, ends: Ends) {
        self.ends = Some(ends);
        self.put_back();
        let again = std::mem::take(&mut self.again);
        if ends == Ends::Stopped {
            again.into_iter().for_each(|(_, trial)| self.lost(&trial));
        }
    }

    fn put_back(&mut self) {
        let back = self.fresh.drain(..).map(|trial| ended(&trial, ItemState::Waits, 0));
        self.known.extend(back);
        self.is_empty = false;
    }

    fn lost(&mut self, trial: &Trial) {
        self.known.push(ended(trial, ItemState::Lost, trial.code));
    }

    fn stumbles(&mut self, error: &StoreError) {
        tracing::warn!(job = self.job.id, %error, "{}", say("任务读写数据库失败，稍后再试", "a job can't read or write the database: later"));
        self.rests_until = self.parts.clock.instant() + PAUSE;
    }

    fn rests(&self) -> bool {
        self.parts.clock.instant() < self.rests_until
    }

    /// Begins the next messages.
    async fn load(&mut self) {
        let Self { job, parts, .. } = *self;
        let some = (job.rate / 4).clamp(1, BEGUN);
        let has_room = self.fresh.len() < some.div_ceil(2) as usize && self.again.len() < UNCLEAR;
        if self.ends.is_some() || self.is_empty || !has_room || self.rests() {
            return;
        }
        let (store, now) = (&parts.store, parts.clock.now());
        let mut items = match store.open_items(job.id, ItemState::Waits, 0, some).await {
            Ok(items) => items,
            Err(error) => return self.stumbles(&error),
        };
        self.is_empty = items.is_empty();
        if items.is_empty() {
            return;
        }
        match store.begin_items(job.id, items.iter().map(|item| item.n).collect(), now).await {
            Ok(true) => {
                items.iter_mut().for_each(|item| item.begun_at = Some(now));
                self.fresh.extend(items.into_iter().map(|item| Trial { item, unclear: 0, code: 0 }));
            }
            Ok(false) => self.lease.look(),
            // Whether they are begun is looked at by whoever takes the batch on next.
            Err(error) => {
                self.stumbles(&error);
                self.end(Ends::Left);
            }
        }
    }

    /// Sends what it is time for.
    fn start(&mut self) {
        let now = self.parts.clock.instant();
        let most = (self.job.rate as usize / 10 + 4).min(AT_ONCE);
        while self.ends.is_none() && self.calls.len() < most && self.next_at <= now && !self.rests() {
            if !self.lease.covers_a_call(self.parts) {
                return self.lease.look();
            }
            let due = self.again.iter().position(|(at, _)| *at <= now);
            let trial = match due {
                Some(at) => self.again.swap_remove(at).1,
                None => match self.fresh.pop_front() {
                    Some(trial) => trial,
                    None => return,
                },
            };
            self.call(trial);
        }
    }

    fn call(&mut self, trial: Trial) {
        let age = trial.item.begun_at.map_or(i64::MAX, |at| self.parts.clock.now().saturating_sub(at));
        if !(-SKEW..KNOWN).contains(&age) {
            // One that nobody tried isn't too old.
            let back = ended(&trial, ItemState::Waits, 0);
            return if trial.unclear == 0 { self.known.push(back) } else { self.lost(&trial) };
        }
        let live = self.parts.registry.live().clone();
        let caller = live.callers.by_name(&self.job.caller).filter(|caller| self.may(caller)).cloned();
        let Some(caller) = caller else {
            match trial.unclear {
                0 => self.fresh.push_front(trial),
                _ => self.lost(&trial),
            }
            return self.end(Ends::Stopped);
        };
        let Some((appid, body)) = parts_of(&trial.item.value) else {
            return self.known.push(ended(&trial, ItemState::Bad, 0));
        };
        let app = live.app(appid).cloned();
        let tags = app.as_ref().map_or(&[][..], |app| &app.entry.tags);
        let may = caller.apps.matches(appid, tags);
        let app = match app {
            Some(app) if may => app,
            // As WeChat says it of an account that isn't there, or that may not.
            _ => return self.known.push(ended(&trial, ItemState::Bad, if may { 40013 } else { 48001 })),
        };
        let (body, interval) = (Bytes::copy_from_slice(body), 1.0 / f64::from(self.job.rate.max(1)));
        let now = self.parts.clock.instant();
        self.next_at = self.next_at.max(now - WRITTEN) + Duration::from_secs_f64(interval);
        let jobs = self.jobs.clone();
        let call = async move {
            let inner = &jobs.0;
            caller.usage.count(SINGLE, false, inner.parts.clock.now());
            let fate = match inner.door.allow(&caller, TEMPLATE_SEND.path).await {
                Ok(allowed) => {
                    let answer = inner.upstream.json(&caller.name, &app, &TEMPLATE_SEND, &[], Some(body));
                    let answer = allowed.spent_on(answer, CallError::is_unsent).await;
                    fate::of(answer, trial.unclear > 0)
                }
                // Its caller's quota is spent.
                Err(_) => Fate::NotSent,
            };
            (trial, fate)
        };
        self.calls.push(self.parts.tasks.spawn(call));
    }

    /// Whether the caller is who made the batch, and still may.
    fn may(&self, caller: &Caller) -> bool {
        !caller.has_ended(self.parts.clock.now())
            && caller.apis.allows(BATCH)
            && answer_of(self.job, &caller.line).is_some()
    }

    /// Until something comes or it is time for something.
    async fn wait(&mut self) {
        let clock = &self.parts.clock;
        let now = clock.instant();
        let mut until = now + PAUSE;
        if !self.known.is_empty() {
            until = until.min(self.written_at + WRITTEN);
        }
        let most = (self.job.rate as usize / 10 + 4).min(AT_ONCE);
        if self.ends.is_none() && self.calls.len() < most {
            let first = self.again.iter().map(|(at, _)| *at).min();
            let has_more = !self.fresh.is_empty() || (!self.is_empty && self.again.len() < UNCLEAR);
            let due = if has_more { Some(now) } else { first };
            let due = due.map(|due| due.max(self.next_at).max(self.rests_until));
            until = due.map_or(until, |due| until.min(due));
        }
        tokio::select! {
            Some(called) = self.calls.next() => self.called(called),
            () = self.changed.woken() => self.lease.look(),
            () = self.parts.tasks.draining.cancelled(), if self.ends.is_none() => {}
            () = clock.until(until) => {}
        }
        while let Some(Some(called)) = self.calls.next().now_or_never() {
            self.called(called);
        }
    }

    /// Of one that was cut nobody knows: whoever takes the batch on asks.
    fn called(&mut self, called: Result<Answered, JoinError>) {
        match called {
            Ok(Some((trial, fate))) => self.answered(trial, fate),
            _ if self.ends.is_none() => self.end(Ends::Left),
            _ => {}
        }
    }

    fn answered(&mut self, mut trial: Trial, fate: Fate) {
        let now = self.parts.clock.instant();
        match fate {
            Fate::Sent(msgid) => {
                self.rest = Duration::ZERO;
                self.known.push(ItemEnd { msgid, ..ended(&trial, ItemState::Good, 0) });
            }
            Fate::Refused(code) => {
                self.rest = Duration::ZERO;
                self.known.push(ended(&trial, ItemState::Bad, code));
            }
            Fate::Unclear(code) => {
                let pause = PAUSES.get(trial.unclear).or(PAUSES.last()).copied().unwrap_or(1);
                (trial.unclear, trial.code) = (trial.unclear + 1, code);
                self.ask_again(now + Duration::from_secs(pause), trial);
            }
            Fate::NotSent => {
                if now >= self.rests_until {
                    self.rest = (self.rest * 2).clamp(PAUSE, REST);
                    self.rests_until = now + self.rest;
                }
                if trial.unclear > 0 {
                    self.ask_again(self.rests_until, trial);
                } else {
                    self.fresh.push_front(trial);
                }
                self.put_back();
            }
        }
    }

    /// Unless it ends here: whoever goes on with it asks.
    fn ask_again(&mut self, at: Instant, trial: Trial) {
        match self.ends {
            None => self.again.push((at, trial)),
            Some(Ends::Stopped) => self.lost(&trial),
            Some(Ends::Left | Ends::Lost) => {}
        }
    }

    /// Writes down what is known, if it is time to.
    async fn write(&mut self, is_last: bool) {
        let Self { job, parts, .. } = *self;
        let now = parts.clock.instant();
        if self.known.is_empty() || (!is_last && now < self.written_at + WRITTEN) {
            return;
        }
        self.written_at = now;
        let mut tries = if is_last { 5 } else { 1 };
        while let Err(error) = parts.store.end_items(job.id, self.known.clone()).await {
            self.stumbles(&error);
            tries -= 1;
            if tries == 0 {
                return;
            }
            parts.clock.pause(PAUSE).await;
        }
        self.known.clear();
        // What waits again is there once more.
        self.is_empty = false;
    }
}

fn ended(trial: &Trial, state: ItemState, code: i64) -> ItemEnd {
    ItemEnd { n: trial.item.n, state, msgid: String::new(), code }
}
