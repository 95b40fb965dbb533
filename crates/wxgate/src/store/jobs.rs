//! Work that goes on by itself, whoever hangs up and whatever is killed: template messages in bulk, and replays. A job is worked on by
//! one process at a time, which has it on lease; what it is made of says what was begun and what became of it.

use super::job_rows::{AddedRow, ItemRow, JobRow};
use super::{Store, StoreError};
use crate::keys::Cell;
use crate::random::Random;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Sends messages.
    Send,
    /// Sends once more what was delivered, or given up.
    Replay,
}

impl JobKind {
    /// As it is kept and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Replay => "replay",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Send, Self::Replay].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It comes in: nobody works on it yet.
    Comes,
    /// Somebody works on it, or will.
    AtWork,
    /// It was stopped; what had begun is brought to an end.
    Stopping,
    /// It was stopped.
    Stopped,
    /// All of it is done.
    Done,
}

impl JobState {
    /// As shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comes | Self::AtWork => "running",
            Self::Stopping | Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// What it does.
    pub kind: JobKind,
    /// Whose it is: the caller, or who asked for it.
    pub caller: String,
    /// Where it stands.
    pub state: JobState,
    /// Times are Unix milliseconds.
    pub made_at: i64,
    /// When it ended, or was stopped.
    pub ended_at: Option<i64>,
    /// Items a second.
    pub rate: u32,
    /// How many items it has.
    pub total: i64,
    /// How far a replay has looked.
    pub place: i64,
    /// Items that went well, badly, and of which nobody knows.
    pub good: i64,
    /// See `good`.
    pub bad: i64,
    /// See `good`.
    pub lost: i64,
    /// What is to be done.
    pub value: Vec<u8>,
}

/// A job to come.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What it does.
    pub kind: JobKind,
    /// Whose it is.
    pub caller: String,
    /// Its caller's own name for it: the same name is the same job.
    pub again: Option<String>,
    /// Items a second.
    pub rate: u32,
    /// How many items; `None`: they come in.
    pub total: Option<i64>,
    /// What is to be done.
    pub value: Vec<u8>,
    /// Until then its items have to come in, unless more come.
    pub until: i64,
}

/// What became of a [`NewJob`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is there, under this number.
    New(i64),
    /// It was there already.
    Known(i64),
}

/// What a job is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobItem {
    /// Its place in the job.
    pub n: i64,
    /// Where it stands.
    pub state: ItemState,
    /// When it was tried first, Unix milliseconds.
    pub begun_at: Option<i64>,
    /// For whom it is.
    pub openid: String,
    /// WeChat's name for what was sent.
    pub msgid: String,
    /// Why it went badly, or why nobody knows.
    pub code: i64,
    /// What is to be sent, for as long as it isn't known what became of it.
    pub value: Vec<u8>,
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemState {
    /// Nobody has tried it.
    Waits = 0,
    /// Somebody tries it, or did and was killed.
    Begun = 1,
    /// It went well.
    Good = 2,
    /// It went badly.
    Bad = 3,
    /// Nobody knows.
    Lost = 4,
}

impl ItemState {
    pub(super) fn of(number: i32) -> Self {
        let all = [Self::Waits, Self::Begun, Self::Good, Self::Bad];
        all.into_iter().find(|state| *state as i32 == number).unwrap_or(Self::Lost)
    }
}

/// What became of an item; one that waits again wasn't tried after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemEnd {
    /// Its place in the job.
    pub n: i64,
    /// Where it stands now.
    pub state: ItemState,
    /// WeChat's name for what was sent.
    pub msgid: String,
    /// Why it went badly, or why nobody knows.
    pub code: i64,
}

/// Numbers that are drawn for a job before nothing is left of it.
const DRAWS: usize = 8;
/// Below a millisecond, so that jobs stand in the order of time and no two of them meet: for 280 years a number that JSON keeps.
const DRAWN: i64 = 1 << 10;

impl Store {
    /// Keeps a job at `now`, unless its caller's name for it is known. One that comes in under that name is given up.
    pub async fn add_job(&self, new: NewJob, random: &Random, now: i64) -> Result<Added, StoreError> {
        let again = new.again.as_ref().map(|name| {
            let parts = [b"job", new.kind.as_str().as_bytes(), new.caller.as_bytes(), name.as_bytes()];
            self.keys.mac(&parts)
        });
        for _ in 0..DRAWS {
            let id = now.saturating_mul(DRAWN) + random.between(0, DRAWN - 1);
            let row = JobRow {
                id,
                kind: new.kind.as_str().to_owned(),
                caller: new.caller.clone(),
                state: i32::from(new.total.is_some()),
                made_at: now,
                ended_at: None,
                rate: new.rate,
                total: new.total.unwrap_or_default(),
                place: 0,
                good: 0,
                bad: 0,
                lost: 0,
                value: self.seal_job(id, &new.value),
                expires_at: new.total.is_none().then_some(new.until),
            };
            match self.backend.add_job(row, again, now).await? {
                AddedRow::New => return Ok(Added::New(id)),
                AddedRow::Known(id) => return Ok(Added::Known(id)),
                AddedRow::Taken => {}
            }
        }
        Err(StoreError::Unavailable("no number is free for a job".into()))
    }

    /// Adds items to a job that comes in, which has to go on until then; `false`: it was given up.
    pub async fn add_items(
        &self,
        job: i64,
        items: &[(i64, String, Vec<u8>)],
        now: i64,
        until: i64,
    ) -> Result<bool, StoreError> {
        let row = |(n, openid, value): &(i64, String, Vec<u8>)| {
            let value = self.keys.seal(item_cell(&item_row(job, *n)), value);
            ItemRow { n: *n, openid: openid.clone(), value: Some(value), ..ItemRow::default() }
        };
        self.backend.add_items(job, items.iter().map(row).collect(), now, until).await
    }

    /// All of a job's items are there: it is to be worked on. `false`: it was given up.
    pub async fn begin_job(&self, job: i64, total: i64, value: &[u8], now: i64) -> Result<bool, StoreError> {
        let value = self.seal_job(job, value);
        self.backend.begin_job(job, total, value, now).await
    }

    /// Gives up a job that comes in.
    pub async fn drop_job(&self, job: i64, now: i64) -> Result<(), StoreError> {
        self.backend.drop_job(job, now).await
    }

    /// Takes on a job until `leased_until`, unless somebody else has it, it is one of `except`, or so many of its caller's are
    /// at work.
    pub async fn claim_job(
        &self,
        kind: JobKind,
        (except, of_one): (Vec<i64>, i64),
        now: i64,
        leased_until: i64,
    ) -> Result<Option<Job>, StoreError> {
        let lease = self.lease(leased_until);
        let row = self.backend.claim_job(kind.as_str(), (except, of_one), lease, now).await?;
        row.map(|row| self.open_job(row)).transpose()
    }

    /// Goes on with a job until `leased_until`. `None`: it is another's by now; `Some(true)`: it is to be stopped.
    pub async fn keep_job(&self, job: i64, leased_until: i64) -> Result<Option<bool>, StoreError> {
        self.backend.keep_job(job, self.lease(leased_until)).await
    }

    /// Leaves a job to others.
    pub async fn leave_job(&self, job: i64) -> Result<(), StoreError> {
        self.backend.leave_job(job, self.owner).await
    }

    /// A job of this process has ended, and is forgotten at `expires_at`.
    pub async fn end_job(
        &self,
        job: i64,
        is_stopped: bool,
        now: i64,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        self.backend.end_job(job, self.owner, is_stopped, now, expires_at).await
    }

    /// Stops a job: nothing more of it is begun. `false`: it isn't at work.
    pub async fn stop_job(&self, job: i64, now: i64, expires_at: i64) -> Result<bool, StoreError> {
        self.backend.stop_job(job, now, expires_at).await
    }

    /// A job that has come in.
    pub async fn job(&self, id: i64) -> Result<Option<Job>, StoreError> {
        self.backend.job(id).await?.map(|row| self.open_job(row)).transpose()
    }

    /// Jobs that have come in, newest first, from before the one with this number.
    pub async fn jobs(&self, before: Option<i64>, limit: u32) -> Result<Vec<Job>, StoreError> {
        let rows = self.backend.jobs(before, limit).await?;
        rows.into_iter().map(|row| self.open_job(row)).collect()
    }

    /// Items that wait, or that were begun, after `after`, in their order.
    pub async fn open_items(
        &self,
        job: i64,
        state: ItemState,
        after: i64,
        limit: u32,
    ) -> Result<Vec<JobItem>, StoreError> {
        let rows = self.backend.open_items(job, state as i32, after, limit).await?;
        rows.into_iter().map(|row| self.open_item(job, row)).collect()
    }

    /// All items after `after`, in their order, without what is sent.
    pub async fn items(&self, job: i64, after: i64, limit: u32) -> Result<Vec<JobItem>, StoreError> {
        let rows = self.backend.items(job, after, limit).await?;
        rows.into_iter().map(|row| self.open_item(job, row)).collect()
    }

    /// Items of a job of this process are tried from now on; `false`: it isn't its any more, or was stopped.
    pub async fn begin_items(&self, job: i64, items: Vec<i64>, now: i64) -> Result<bool, StoreError> {
        self.backend.begin_items(job, self.owner, items, now).await
    }

    /// Writes down what became of items, whoever has their job; that they wait again only if this process has it. What is known
    /// already stays.
    pub async fn end_items(&self, job: i64, ends: Vec<ItemEnd>) -> Result<(), StoreError> {
        self.backend.end_items(job, self.owner, ends).await
    }

    fn seal_job(&self, id: i64, value: &[u8]) -> Vec<u8> {
        self.keys.seal(job_cell(&id.to_string()), value)
    }

    fn open_job(&self, row: JobRow) -> Result<Job, StoreError> {
        let broken = || StoreError::Corrupt(format!("jobs {}", row.id).into());
        let state = match (row.state, row.expires_at) {
            (0, _) => JobState::Comes,
            (1, None) => JobState::AtWork,
            (1, Some(_)) => JobState::Stopping,
            (2, _) => JobState::Stopped,
            _ => JobState::Done,
        };
        Ok(Job {
            id: row.id,
            kind: JobKind::parse(&row.kind).ok_or_else(broken)?,
            state,
            made_at: row.made_at,
            ended_at: row.ended_at,
            rate: row.rate,
            total: row.total,
            place: row.place,
            good: row.good,
            bad: row.bad,
            lost: row.lost,
            value: self.keys.open(job_cell(&row.id.to_string()), &row.value).map_err(|_| broken())?,
            caller: row.caller,
        })
    }

    fn open_item(&self, job: i64, row: ItemRow) -> Result<JobItem, StoreError> {
        let name = item_row(job, row.n);
        let value = row.value.map(|sealed| self.keys.open(item_cell(&name), &sealed)).transpose();
        let value = value.map_err(|_| StoreError::Corrupt(format!("job_items {name}").into()))?;
        Ok(JobItem {
            n: row.n,
            state: ItemState::of(row.state),
            begun_at: row.begun_at,
            openid: row.openid,
            msgid: row.msgid,
            code: row.code,
            value: value.unwrap_or_default(),
        })
    }
}

fn job_cell(row: &str) -> Cell<'_> {
    Cell { table: "jobs", row, column: "value" }
}

fn item_row(job: i64, n: i64) -> String {
    format!("{job}/{n}")
}

fn item_cell(row: &str) -> Cell<'_> {
    Cell { table: "job_items", row, column: "value" }
}
