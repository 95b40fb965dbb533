//! Single-use codes: the same code again, from the same caller for the same app on the same
//! endpoint, gets the same answer for five minutes. A browser that reloads, or WeChat on Android
//! that calls a redirect twice, then costs nobody a login.
//!
//! Only a success is kept, sealed, in the store, with the keys of its caller: another caller who gets the name in a
//! reload doesn't get the answer. Who comes while the first is at work waits for it and shares its outcome, whatever it is.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock::{Clock, millis};
use crate::flights::{Flights, Turn};
use crate::keys::{Holder, Keys};
use crate::lang::say;
use crate::parts::Parts;
use crate::registry::callers::Caller;
use crate::registry::line::Line;
use crate::store::{self, Store};

const KEPT_MS: i64 = 5 * 60_000;
/// To the end of the calls that a code is used for, at whichever node.
const TURN: Duration = Duration::from_secs(30);
/// Who waits for another node looks again after this, if nobody wakes it.
const LOOK: Duration = Duration::from_millis(100);

type Key = [u8; 32];
type Told<E> = Option<Result<Value, E>>;

/// The same request before this one was cut off: nobody knows what came of it.
pub(in crate::http) struct Unfinished;

/// What is known of a code.
enum Begun {
    /// What came of it.
    Kept(Value),
    /// It is ours to use.
    Ours,
    /// Another node has been at it for too long.
    Elsewhere,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::http) struct Once<E> {
    store: Store,
    keys: Keys,
    clock: Clock,
    running: Flights<Key, Told<E>>,
}

impl<E: Clone + From<Unfinished>> Once<E> {
    pub(in crate::http) fn new(parts: &Parts) -> Self {
        let Parts { store, keys, clock, .. } = parts.clone();
        Self { store, keys, clock, running: Flights::default() }
    }

    /// The answer kept for `caller` and `identity`, or what `work` gives. Call it from a task of its own: the
    /// work must go on when the caller hangs up, because the code is spent.
    pub(in crate::http) async fn run(
        &self,
        caller: &Caller,
        identity: &[&str],
        work: impl Future<Output = Result<Value, E>>,
    ) -> Result<Value, E> {
        let mut parts = vec![caller.name.as_bytes()];
        parts.extend(identity.iter().map(|part| part.as_bytes()));
        let key = self.keys.mac(&parts);
        parts.extend(caller.line.root().map(|root| root.bytes().as_slice()));
        let lead = match self.running.join(self.keys.mac(&parts), None) {
            Turn::Later(first) => return follow(first).await,
            Turn::First(lead) => lead,
        };
        let outcome = match self.begin(key, &caller.line).await {
            Begun::Kept(answer) => Ok(answer),
            Begun::Elsewhere => Err(Unfinished.into()),
            Begun::Ours => {
                let outcome = work.await;
                match &outcome {
                    Ok(answer) => self.keep(key, &caller.line, answer).await,
                    Err(_) => drop(self.store.end_once(key).await),
                }
                outcome
            }
        };
        lead.reached(Some(outcome.clone()));
        outcome
    }

    /// What is known of a code; where another node is at it, what that gets.
    async fn begin(&self, key: Key, line: &Line) -> Begun {
        let mut wake = self.store.wakes().answers.sleeper();
        let deadline = self.clock.instant() + TURN;
        loop {
            wake.mark_seen();
            let now = self.clock.now();
            match self.store.begin_once(key, now, now + millis(TURN)).await {
                Ok(store::Once::Held) if self.clock.instant() < deadline => {
                    let _ = self.clock.by(deadline.min(self.clock.instant() + LOOK), wake.woken()).await;
                }
                Ok(store::Once::Held) => return Begun::Elsewhere,
                Ok(store::Once::Answer(row)) => return open(&row, line).map_or(Begun::Ours, Begun::Kept),
                Ok(store::Once::First) => return Begun::Ours,
                Err(error) => {
                    tracing::error!(%error, "{}", say("读不到一次性 code 的旧结果：照常问微信", "can't read the answer to a single-use code: WeChat is asked as usual"));
                    return Begun::Ours;
                }
            }
        }
    }

    async fn keep(&self, key: Key, line: &Line, answer: &Value) {
        let until = self.clock.now() + KEPT_MS;
        let keys: Vec<String> = line.keys().iter().map(|key| BASE64_STANDARD.encode(key.bytes())).collect();
        let row = json!({"keys": keys, "answer": answer}).to_string();
        if let Err(error) = self.store.keep_once_answer(key, row.as_bytes(), until).await {
            tracing::error!(%error, "{}", say("存不下一次性 code 的结果：本次照常返回，重复提交会被微信拒绝", "can't keep the answer to a single-use code: it is given this time, and WeChat will refuse the code when it comes again"));
        }
    }
}

/// The answer of a row, if it is the line's.
fn open(row: &[u8], line: &Line) -> Option<Value> {
    let mut row: Value = serde_json::from_slice(row).ok()?;
    let holder = |key: &Value| {
        let bytes = BASE64_STANDARD.decode(key.as_str()?).ok()?;
        Some(Holder::of_bytes(bytes.try_into().ok()?))
    };
    let keys: Vec<Holder> = row["keys"].as_array()?.iter().filter_map(holder).collect();
    line.owns(&keys).then(|| row["answer"].take())
}

async fn follow<E: Clone + From<Unfinished>>(mut first: watch::Receiver<Told<E>>) -> Result<Value, E> {
    let told = first.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
    told.unwrap_or_else(|| Err(Unfinished.into()))
}
