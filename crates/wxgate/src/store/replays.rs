//! Sending many deliveries once more: which, and how far that has come.

use super::job_rows::ReplayStep;
use super::{Store, StoreError};

/// How a delivery ended that is to be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Either way.
    Any = 0,
    /// It arrived.
    Delivered = 1,
    /// It was given up.
    Dead = 2,
}

/// A delivery that has ended, and what a selection goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedDelivery {
    /// Its number.
    pub id: i64,
    /// Name of its route.
    pub route: String,
    /// When it was given up or arrived, Unix milliseconds.
    pub done_at: i64,
    /// Status of its last attempt; 0: none came.
    pub status: u16,
    /// Why that failed.
    pub error: String,
    /// Its message's app.
    pub appid: String,
    /// Its message's user.
    pub openid: String,
    /// Its message's event or type, in lower case.
    pub kind: String,
    /// When its message came, Unix milliseconds.
    pub received_at: i64,
}

impl Store {
    /// Deliveries that have ended so, after `after`, in their order; of `ids`, if they are given. And from where to go on, if there may
    /// be more.
    pub async fn ended(
        &self,
        ended: Ended,
        ids: Option<Vec<i64>>,
        after: i64,
        limit: u32,
    ) -> Result<(Vec<EndedDelivery>, Option<i64>), StoreError> {
        let rows = self.backend.ended(ended, ids, after, limit).await?;
        let next = rows.last().filter(|_| rows.len() >= limit as usize).map(|row| row.id);
        Ok((rows.into_iter().filter_map(|row| row.found).collect(), next))
    }

    /// Sends deliveries once more, as items of a job of this process which has looked as far as `place`; `None`: to the end. `false`:
    /// the job isn't its any more, or was stopped.
    pub async fn replay_step(
        &self,
        job: i64,
        ids: Vec<i64>,
        ended: Ended,
        place: Option<i64>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (place, is_last) = (place.unwrap_or(i64::MAX), place.is_none());
        let step = ReplayStep { ids, ended, place, is_last };
        self.backend.replay_step(job, self.owner, step, now).await
    }

    /// Looks at what a replay has sent once more, after `after`: what has ended counts. Gives where it got; `None`: to the end.
    pub async fn fold_job(&self, job: i64, after: i64, limit: u32) -> Result<Option<i64>, StoreError> {
        self.backend.fold_job(job, after, limit).await
    }
}
