//! One managed value (an app's access_token, or one of its tickets): reading it costs an atomic
//! load; replacing it is done by one task at a time, whoever asks.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OwnedMutexGuard;

use super::TokenError;
use super::findings::{Belief, Findings};
use super::policy::{self, Ageing, History, Rest};
use crate::clock::Clock;
use crate::random::Random;
use crate::store::{Credential, Turn};

/// A classic value that a later fetch outlived lives five minutes: within so many milliseconds it is replaced.
const SUPERSEDED: i64 = 60_000;
/// What was fetched later than so many milliseconds from now was fetched by another clock.
const TOLERANCE: i64 = 60_000;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// The app's access_token.
    AccessToken,
    /// The JS-SDK's ticket.
    Jsapi,
    /// The card coupon ticket.
    WxCard,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::AccessToken, Self::Jsapi, Self::WxCard];

    /// As stored, and as WeChat's `type` parameter for tickets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::Jsapi => "jsapi",
            Self::WxCard => "wx_card",
        }
    }
}

/// A token or ticket as WeChat gave it. Times are ticks of [`Clock`].
#[derive(Debug)]
pub struct Token {
    value: SecretString,
    /// Counts up with every new value of the slot.
    pub version: i64,
    /// When it was fetched.
    pub fetched_at: i64,
    /// When WeChat ends it.
    pub expires_at: i64,
    refresh_at: i64,
    /// The store says that it was fetched in the future: nobody knows how long it lives.
    pub(crate) is_unsure: bool,
    /// Whether its early death was reported; shared by every edition of one value.
    reported: Arc<AtomicBool>,
}

impl Token {
    /// The value, for the wire.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// How long it lives in all, seconds.
    pub(crate) fn life(&self) -> i64 {
        (self.expires_at - self.fetched_at) / 1000
    }

    /// True for the first who reports its early death.
    pub(crate) fn report_once(&self) -> bool {
        !self.reported.swap(true, Ordering::Relaxed)
    }
}

/// Why there is no value, and until when nobody asks WeChat again.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What WeChat said last.
    pub error: TokenError,
    /// When it began, in ticks.
    pub since: i64,
    /// When it may be tried again, in ticks.
    pub retry_at: i64,
    failures: u32,
}

#[derive(Debug, Default)]
struct Notes {
    history: History,
    findings: Findings,
    /// The last question about a refused token: which version, and what came of it.
    answer: Option<(i64, Found)>,
    trouble: Option<Trouble>,
    superseded_at: Option<i64>,
    /// Of the kept value that couldn't be opened, or 0: the next one counts on from it, so that the store takes it.
    lost_version: i64,
}

/// What came of asking why a token was refused.
#[derive(Clone, Debug)]
pub enum Found {
    /// It was replaced before anybody was asked; of the new one nothing is known but that it is newer.
    Newer(Arc<Token>),
    /// It was dead; here is another.
    Fresh(Arc<Token>),
    /// Likewise; WeChat had held the refused one for current, and was made to give another.
    Forced(Arc<Token>),
    /// It lives: whoever refused it refuses everybody.
    Alive,
    /// It is dead, and may not be replaced just now.
    Spent,
    /// Nobody knows.
    Unknown,
}

/// See the module.
#[derive(Debug)]
pub struct Slot {
    /// Whose.
    pub appid: Arc<str>,
    /// What.
    pub kind: CredentialKind,
    current: ArcSwapOption<Token>,
    gate: Arc<tokio::sync::Mutex<()>>,
    /// A background refresh waits for its turn.
    queued: AtomicBool,
    /// Questions about refused tokens that were answered.
    questions: AtomicU64,
    /// It is noted which paths take the token.
    watches_paths: AtomicBool,
    /// Of the store's row, as far as it is known here; 0: there is none.
    revision: AtomicI64,
    notes: Mutex<Notes>,
    clock: Clock,
    random: Random,
}

/// Held by the one task that may fetch; and, once [`Gate::turn`] is there, by the one node.
#[derive(Debug)]
pub(crate) struct Gate {
    _task: OwnedMutexGuard<()>,
    /// This node's turn; `None`: the store couldn't say whose it is.
    pub(crate) turn: Option<Turn>,
}

impl Slot {
    pub(crate) fn new(appid: Arc<str>, kind: CredentialKind, clock: Clock, random: Random) -> Self {
        Self {
            appid,
            kind,
            current: ArcSwapOption::empty(),
            gate: Arc::default(),
            queued: AtomicBool::new(false),
            questions: AtomicU64::new(0),
            watches_paths: AtomicBool::new(false),
            revision: AtomicI64::new(0),
            notes: Mutex::default(),
            clock,
            random,
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what the store kept, whose times are the wall's: at start, and what other nodes fetched. An older value than is
    /// here changes nothing.
    pub(crate) fn restore(&self, row: Credential, ageing: Ageing) {
        let now = self.clock.ticks();
        let before = self.newest();
        if before.as_ref().is_some_and(|before| before.version > row.version) {
            self.is_kept(row.revision);
            return;
        }
        let same = before.as_ref().filter(|before| before.expose() == row.value.expose_secret());
        self.take_history(&row.history);
        let fetched_at = self.clock.ticks_at(row.fetched_at);
        // The clock was set back since: it may be as old as anything, and is looked at first.
        let is_unsure = fetched_at > now + TOLERANCE;
        let fetched_at = fetched_at.min(now);
        let expires_at = fetched_at + (row.expires_at - row.fetched_at);
        let refresh_at = match (is_unsure, same) {
            (true, _) => now,
            // Its end is nearer than it says.
            _ if row.is_superseded => now + self.random.between(0, SUPERSEDED),
            (false, Some(same)) if same.expires_at == expires_at => same.refresh_at,
            _ => policy::refresh_at(ageing, fetched_at, expires_at, &self.random),
        };
        self.current.store(Some(Arc::new(Token {
            version: row.version,
            fetched_at,
            expires_at,
            refresh_at,
            is_unsure,
            reported: same.map_or_else(Arc::default, |same| same.reported.clone()),
            value: row.value,
        })));
        // After the value: whoever knows the row has it.
        self.is_kept(row.revision);
        if same.is_none() {
            self.notes().trouble = None;
        }
    }

    /// Takes up what was done about refused values, as the store has it.
    pub(crate) fn take_history(&self, text: &str) {
        let history: History = serde_json::from_str(text).unwrap_or_default();
        self.notes().history = history.moved(self.clock.ticks_at(0), self.clock.ticks());
    }

    /// See [`Credential::revision`].
    pub(crate) fn revision(&self) -> i64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The store's row is this one now.
    pub(crate) fn is_kept(&self, revision: i64) {
        self.revision.store(revision, Ordering::Release);
    }

    /// What the store kept couldn't be opened.
    pub(crate) fn lost(&self, version: i64) {
        self.notes().lost_version = version;
    }

    /// The value, if it lives at `now`.
    pub fn live(&self, now: i64) -> Option<Arc<Token>> {
        self.current.load_full().filter(|token| token.expires_at > now)
    }

    /// The newest value, alive or not.
    pub fn newest(&self) -> Option<Arc<Token>> {
        self.current.load_full()
    }

    /// When the background should act: to refresh what is in use, or to try again after a failure.
    /// `None` while nobody has ever asked for this value.
    pub fn due_at(&self) -> Option<i64> {
        let refresh_at = self.current.load().as_ref().map(|token| token.refresh_at)?;
        Some(self.notes().trouble.as_ref().map_or(refresh_at, |t| t.retry_at.max(refresh_at)))
    }

    /// True for one task at a time: it may wait for a turn to refresh in the background, until [`Slot::unqueue`].
    pub(crate) fn queue(&self) -> bool {
        !self.queued.swap(true, Ordering::Relaxed)
    }

    /// The queued refresh has had its turn.
    pub(crate) fn unqueue(&self) {
        self.queued.store(false, Ordering::Relaxed);
    }

    /// Waits for its turn to fetch.
    pub(crate) async fn lock(&self) -> Gate {
        Gate { _task: self.gate.clone().lock_owned().await, turn: None }
    }

    /// Its turn to fetch, unless somebody is at it already.
    pub(crate) fn try_lock(&self) -> Option<Gate> {
        Some(Gate { _task: self.gate.clone().try_lock_owned().ok()?, turn: None })
    }

    /// The failure that still keeps everybody from asking, if any.
    pub(crate) fn resting(&self, now: i64) -> Option<TokenError> {
        let notes = self.notes();
        notes.trouble.as_ref().filter(|t| t.retry_at > now).map(|t| t.error.clone())
    }

    /// What is amiss, for health.
    pub fn trouble(&self) -> Option<Trouble> {
        self.notes().trouble.clone()
    }

    /// When a value was last found dead before its time, in ticks.
    pub fn superseded_at(&self) -> Option<i64> {
        self.notes().superseded_at
    }

    pub(crate) fn note_superseded(&self, at: i64) {
        self.notes().superseded_at = Some(at);
    }

    /// Uses the history; what follows from it for the hot path is noted.
    pub(crate) fn history<T>(&self, now: i64, use_it: impl FnOnce(&mut History) -> T) -> T {
        let mut notes = self.notes();
        let used = use_it(&mut notes.history);
        self.watch(&notes, now);
        used
    }

    /// What the refusal of `token` on `path` means, if that is known.
    pub(crate) fn believed(&self, token: &Token, path: &str, now: i64) -> Option<Belief> {
        self.notes().findings.believed(token.version, path, now)
    }

    /// Notes what was found out about `token`; what follows from it for the hot path is noted.
    pub(crate) fn found<T>(&self, now: i64, note: impl FnOnce(&mut Findings, &History) -> T) -> T {
        let mut notes = self.notes();
        let Notes { findings, history, .. } = &mut *notes;
        let noted = note(findings, history);
        self.watch(&notes, now);
        noted
    }

    fn watch(&self, notes: &Notes, now: i64) {
        let watches = notes.history.watches_paths(now) || notes.findings.watches_paths(now);
        self.watches_paths.store(watches, Ordering::Relaxed);
    }

    /// Since when the present value is known to be dead without a way to replace it, and until when it is left so.
    pub fn spent(&self) -> Option<(i64, i64)> {
        let version = self.newest()?.version;
        self.notes().findings.spent(version)
    }

    /// `path` took `token`. Costs nothing unless paths are watched.
    pub(crate) fn worked(&self, token: &Token, path: &str, now: i64) {
        if self.watches_paths.load(Ordering::Relaxed) {
            self.found(now, |findings, _| findings.worked(token.version, path, now));
        }
    }

    /// Whether `path` took some token within the last hour, as far as that was noted.
    pub(crate) fn worked_lately(&self, path: &str, now: i64) -> bool {
        self.notes().findings.worked_lately(path, now)
    }

    /// How many questions were answered so far.
    pub(crate) fn questions(&self) -> u64 {
        self.questions.load(Ordering::Acquire)
    }

    /// What came of the last question, if that was about `token` and was answered after `seen`.
    pub(crate) fn answer_since(&self, seen: u64, token: &Token) -> Option<Found> {
        if self.questions() == seen {
            return None;
        }
        self.notes()
            .answer
            .as_ref()
            .filter(|(version, _)| *version == token.version)
            .map(|(_, found)| found.clone())
    }

    /// Keeps what came of a question about `token` for those who wait for it.
    pub(crate) fn answered(&self, token: &Token, found: Found) {
        self.notes().answer = Some((token.version, found));
        self.questions.fetch_add(1, Ordering::Release);
    }

    /// The AppSecret is another: if the present value dies early, nobody else had a hand in it.
    pub(crate) fn excuse(&self) {
        if let Some(token) = self.newest() {
            token.report_once();
        }
    }

    /// Lets the next caller ask WeChat again at once.
    pub fn end_back_off(&self) {
        if let Some(trouble) = &mut self.notes().trouble {
            trouble.retry_at = 0;
        }
    }

    /// Notes a failed fetch; returns the wait in milliseconds.
    pub(crate) fn failed(&self, error: TokenError, rest: Rest, now: i64) -> i64 {
        if error.refusal().is_some_and(|error| matches!(error.errcode, 40001 | 40125)) {
            self.excuse();
        }
        let mut notes = self.notes();
        let failures = notes.trouble.as_ref().map_or(0, |t| t.failures).saturating_add(1);
        // Another refusal is another trouble.
        let code = |error: &TokenError| error.refusal().map(|error| error.errcode);
        let same = notes.trouble.as_ref().filter(|t| code(&t.error) == code(&error));
        let since = same.map_or(now, |t| t.since);
        let wait = policy::back_off(rest, failures, &self.random);
        notes.trouble = Some(Trouble { error, since, retry_at: now + wait, failures });
        wait
    }

    /// What a fetched value would be here. The gate is the proof that nobody else makes one.
    pub(crate) fn made(
        &self,
        _gate: &Gate,
        value: SecretString,
        expires_in: i64,
        ageing: Ageing,
        now: i64,
    ) -> Arc<Token> {
        let before = self.newest();
        let same = before.as_ref().filter(|token| token.expose() == value.expose_secret());
        let expires_at = now + expires_in.max(1) * 1000;
        Arc::new(Token {
            version: match (same, &before) {
                (Some(token), _) => token.version,
                (None, Some(token)) => token.version + 1,
                (None, None) => self.notes().lost_version + 1,
            },
            fetched_at: same.filter(|token| !token.is_unsure).map_or(now, |token| token.fetched_at),
            expires_at,
            refresh_at: policy::refresh_at(ageing, now, expires_at, &self.random),
            is_unsure: false,
            reported: same.map_or_else(Arc::default, |token| token.reported.clone()),
            value,
        })
    }

    /// Takes a value for the present one.
    pub(crate) fn publish(&self, _gate: &Gate, token: &Arc<Token>) {
        self.current.store(Some(token.clone()));
        self.notes().trouble = None;
    }

    /// The row that keeps the present value with its history, in the wall's time.
    pub(crate) fn row(&self, token: &Token) -> Credential {
        let history = self.notes().history.moved(self.clock.wall_at(0), i64::MAX);
        Credential {
            appid: self.appid.to_string(),
            kind: self.kind.as_str().to_owned(),
            version: token.version,
            value: token.value.clone(),
            fetched_at: self.clock.wall_at(token.fetched_at),
            expires_at: self.clock.wall_at(token.expires_at),
            history: serde_json::to_string(&history).unwrap_or_default(),
            revision: self.revision(),
            is_superseded: false,
        }
    }
}
