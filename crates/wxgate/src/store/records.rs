//! What a database keeps of the gateway's own work, for people to look at: figures, what was refused or failed, what is amiss, and
//! what is left of quotas.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use super::alerts::{AlertRow, Deaths, SeenAlert};
use super::rings::{Ring, RingQuery, RingRow};
use super::wx_quotas::WxQuota;
use super::{QuotaRow, SeriesQuery, SeriesRow, Stock, StoreError, Tier};

/// What a method of a backend gives.
pub(crate) type Pending<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The part of a [`super::Backend`] that keeps them. Times are Unix milliseconds; each method that writes is one transaction.
pub(crate) trait Records: Send + Sync + Debug {
    /// Adds rows to their rings, and takes away what a ring has too much of.
    fn keep_rings(&self, rows: Vec<RingRow>) -> Pending<'_, ()>;
    /// Rows of a ring, newest first.
    fn ring(&self, query: RingQuery) -> Pending<'_, Vec<RingRow>>;
    /// How often each code occurs in a ring since then.
    fn ring_codes(&self, ring: Ring, since: i64) -> Pending<'_, Vec<(i64, i64)>>;

    /// What `node` sees at `now`: known conditions go on, new ones begin, what isn't among them has ended.
    fn see_alerts(&self, node: i32, seen: Vec<SeenAlert>, now: i64) -> Pending<'_, ()>;
    /// Conditions that aren't closed, by id.
    fn open_alerts(&self) -> Pending<'_, Vec<AlertRow>>;
    /// People were told.
    fn told_alerts(&self, ids: Vec<String>, now: i64) -> Pending<'_, ()>;
    /// Closes conditions that no node sees; forgets what was closed before then.
    fn close_alerts(&self, ids: Vec<String>, now: i64, before: i64) -> Pending<'_, ()>;
    /// Ends what nodes that don't live saw last before then.
    fn end_alerts(&self, alive: Vec<i32>, before: i64, now: i64) -> Pending<'_, ()>;
    /// `false`: no such condition is open.
    fn mute_alert(&self, id: &str, until: i64) -> Pending<'_, bool>;
    /// What ended, latest first.
    fn past_alerts(&self, before: Option<(i64, i32, String)>, limit: u32) -> Pending<'_, Vec<AlertRow>>;
    /// Dead letters since then, by route.
    fn deaths(&self, since: i64) -> Pending<'_, Vec<Deaths>>;

    /// Keeps what WeChat said of a quota.
    fn keep_wx_quota(&self, quota: WxQuota) -> Pending<'_, ()>;
    /// All of that.
    fn wx_quotas(&self) -> Pending<'_, Vec<WxQuota>>;

    /// Reserves as many of `wanted`'s calls as `limit` leaves, and gives how many that are.
    fn reserve_quota(&self, wanted: QuotaRow, limit: i64) -> Pending<'_, i64>;
    /// Gives back calls that were reserved.
    fn return_quota(&self, unspent: QuotaRow) -> Pending<'_, ()>;
    /// The windows that aren't over at `now`.
    fn quotas(&self, now: i64) -> Pending<'_, Vec<QuotaRow>>;
    /// Forgets windows that have been over for as long as they lasted, and an hour.
    fn forget_quotas(&self, now: i64) -> Pending<'_, ()>;
    /// Keeps figures; those of the same key, bucket and node are replaced.
    fn keep_series(&self, rows: Vec<SeriesRow>) -> Pending<'_, ()>;
    /// What the queries ask for, one after the other.
    fn series(&self, queries: Vec<SeriesQuery>) -> Pending<'_, Vec<SeriesRow>>;
    /// The newest bucket of a key.
    fn last_bucket(&self, tier: Tier, key: &str) -> Pending<'_, Option<i64>>;
    /// The oldest bucket of a key from `from` on.
    fn next_bucket(&self, tier: Tier, key: &str, from: i64) -> Pending<'_, Option<i64>>;
    /// Forgets at most `limit` rows before a bucket; how many.
    fn forget_series(&self, tier: Tier, before: i64, limit: u32) -> Pending<'_, usize>;
    /// How many deliveries of each route wait, and how many were given up, each counted up to `most`.
    fn stock(&self, routes: Vec<String>, most: u32) -> Pending<'_, Vec<Stock>>;
}
