//! What is amiss, as each node sees it, and whether people were told. A condition is known by its id; on several nodes it has a row
//! for each.

use super::{Store, StoreError};

/// A condition as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// The condition.
    pub id: String,
    /// Who sees it.
    pub node: i32,
    /// Since when. Times are Unix milliseconds.
    pub since: i64,
    /// When it was seen last.
    pub seen_at: i64,
    /// When it wasn't any more.
    pub ended_at: Option<i64>,
    /// Until then nobody is told.
    pub muted_until: i64,
    /// When people were told.
    pub told_at: Option<i64>,
    /// When it was over for good: what comes then is another.
    pub closed_at: Option<i64>,
    /// What it is, as JSON.
    pub value: String,
}

/// What a node sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenAlert {
    /// The condition.
    pub id: String,
    /// Since when, if it is new.
    pub since: i64,
    /// What it is, as JSON.
    pub value: String,
}

/// Dead letters that a route has more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deaths {
    /// The route.
    pub route: String,
    /// How many.
    pub count: i64,
}

impl Store {
    /// What this node sees at `now`, and nothing else.
    pub async fn see_alerts(&self, seen: Vec<SeenAlert>, now: i64) -> Result<(), StoreError> {
        self.backend.see_alerts(self.owner, seen, now).await
    }

    /// All that isn't closed, by whichever node, by id.
    pub async fn open_alerts(&self) -> Result<Vec<AlertRow>, StoreError> {
        self.backend.open_alerts().await
    }

    /// People were told of these at `now`.
    pub async fn told_alerts(&self, ids: Vec<String>, now: i64) -> Result<(), StoreError> {
        self.backend.told_alerts(ids, now).await
    }

    /// These are over for good, as far as no node sees them; what was closed before `before` is forgotten.
    pub async fn close_alerts(&self, ids: Vec<String>, now: i64, before: i64) -> Result<(), StoreError> {
        self.backend.close_alerts(ids, now, before).await
    }

    /// What other nodes than `alive` saw last before `before` is over at `now`.
    pub async fn end_alerts(&self, alive: Vec<i32>, before: i64, now: i64) -> Result<(), StoreError> {
        self.backend.end_alerts(alive, before, now).await
    }

    /// Nobody is told of `id` until then; `false`: there is none open.
    pub async fn mute_alert(&self, id: &str, until: i64) -> Result<bool, StoreError> {
        self.backend.mute_alert(id, until).await
    }

    /// What ended, latest first, before `before` (when it ended, by which node, which).
    pub async fn past_alerts(
        &self,
        before: Option<(i64, i32, String)>,
        limit: u32,
    ) -> Result<Vec<AlertRow>, StoreError> {
        self.backend.past_alerts(before, limit).await
    }

    /// The dead letters since `since`, by route, as far as they are counted.
    pub async fn deaths(&self, since: i64) -> Result<Vec<Deaths>, StoreError> {
        self.backend.deaths(since).await
    }
}
