//! What happens, as it happens, for whoever looks: one feed a process, which looks at the store once a second while somebody
//! listens, and so tells what other nodes did as well.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event as Said, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::events::event_json;
use super::rings::{failure_json, refused_json};
use super::{Api, Refusal, masked, overview, parameters, unknown};
use crate::http::wants_english;
use crate::lang::Words;
use crate::people::{Actor, Role};
use crate::store::{Event, EventQuery, Ring, RingQuery, RingRow};

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// A proxy that hears nothing for longer may hang up.
const COMMENT: Duration = Duration::from_secs(15);
/// Rows of a topic that are told one by one at a look; of more, how many there are.
const ROWS: usize = 20;
/// Those who listen at once.
const MOST: usize = 64;
/// Of these, one user's.
const MOST_OF_ONE: usize = 16;
/// What one may fall behind before he loses something.
const BEHIND: usize = 256;

/// Something that is told.
#[derive(Clone, Debug)]
struct Told {
    /// `tick`, `row` or `more`.
    name: &'static str,
    topic: &'static str,
    data: Value,
    /// The same in English, where it isn't the same.
    english: Option<Value>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Feed {
    told: broadcast::Sender<Arc<Told>>,
    /// Whether somebody looks at the store.
    looks: Mutex<bool>,
    places: Arc<Semaphore>,
    /// Places taken, by user.
    taken: Mutex<HashMap<String, usize>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            told: broadcast::channel(BEHIND).0,
            looks: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST)),
            taken: Mutex::default(),
        }
    }
}

impl Feed {
    fn tell(&self, name: &'static str, topic: &'static str, data: Value, english: Option<Value>) {
        // Whoever listened may have gone.
        let _ = self.told.send(Arc::new(Told { name, topic, data, english }));
    }

    fn row(&self, topic: &'static str, item: Value, english: Option<Value>) {
        let row = |item| json!({"topic": topic, "item": item});
        self.tell("row", topic, row(item), english.map(row));
    }

    /// The newest of a topic, of which those after `before` are news: they are told, the oldest first, and of too many how many.
    fn news<T>(
        &self,
        topic: &'static str,
        newest: &[T],
        id: fn(&T) -> i64,
        known: &mut Option<i64>,
        tell: impl Fn(&T),
    ) {
        let last = newest.first().map_or(0, id);
        let Some(before) = known.replace(last) else { return };
        let fresh = newest.iter().filter(|one| id(one) > before).count();
        if fresh > ROWS {
            let more = last - before - ROWS as i64;
            self.tell("more", topic, json!({"topic": topic, "n": more}), None);
        }
        newest[..fresh.min(ROWS)].iter().rev().for_each(tell);
    }

    /// Whether nobody listens any more, so that whoever looked ends.
    fn is_done(&self) -> bool {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.told.receiver_count() == 0;
        *looks = !done;
        done
    }
}

/// The newest that was told, of each topic.
#[derive(Debug, Default)]
struct Known {
    event: Option<i64>,
    refused: Option<i64>,
    failure: Option<i64>,
}

impl Api {
    /// Listens, and sees to it that somebody looks.
    fn listen(&self) -> broadcast::Receiver<Arc<Told>> {
        let heard = self.feed.told.subscribe();
        let mut looks = self.feed.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *looks, true) {
            self.parts.tasks.spawn(self.clone().look());
        }
        heard
    }

    async fn look(self) {
        let mut known = Known::default();
        while !self.feed.is_done() {
            // A store that is away has no news.
            let _ = self.tell_news(&mut known).await;
            self.feed.tell("tick", "tick", self.tick().await, None);
            tokio::select! {
                () = self.parts.tasks.draining.cancelled() => return,
                () = self.parts.clock.pause(LOOK) => {}
            }
        }
    }

    async fn tell_news(&self, known: &mut Known) -> Result<(), Refusal> {
        let limit = ROWS as u32 + 1;
        let feed = &self.feed;
        let events = self.parts.store.events(EventQuery { limit, ..EventQuery::default() }).await?;
        let event = |event: &Event| feed.row("event", event_json(event), None);
        feed.news("event", &events, |event| event.id, &mut known.event, event);
        let refused = self.ring(RingQuery::newest(Ring::Refused, limit)).await?;
        let refusal =
            |row: &RingRow| feed.row("refused", refused_json(row, false), Some(refused_json(row, true)));
        feed.news("refused", &refused, |row| row.id, &mut known.refused, refusal);
        let failures = self.ring(RingQuery::newest(Ring::Failures, limit)).await?;
        let failure = |row: &RingRow| feed.row("failure", failure_json(row), None);
        feed.news("failure", &failures, |row| row.id, &mut known.failure, failure);
        Ok(())
    }

    /// What the top of each page shows.
    async fn tick(&self) -> Value {
        // A database that doesn't answer takes nobody's page away.
        let alone = |_| json!({"now": self.parts.clock.now() / 1000});
        overview::tick(self).await.unwrap_or_else(alone)
    }
}

/// What somebody wants to hear.
#[derive(Debug, Default)]
struct Wanted {
    topics: BTreeSet<String>,
    appid: Option<String>,
    route: Option<String>,
}

impl Wanted {
    fn parse(raw: &str) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        for (name, value) in parameters(raw) {
            match name.as_str() {
                "topics" => wanted.topics.extend(value.split(',').map(str::to_owned)),
                "appid" => wanted.appid = Some(value),
                "route" => wanted.route = Some(value),
                _ => return Err(unknown(&name, &["topics", "appid", "route"])),
            }
        }
        Ok(wanted)
    }

    fn takes(&self, told: &Told) -> bool {
        let item = &told.data["item"];
        let is_of_app = self.appid.as_ref().is_none_or(|appid| item.is_null() || item["appid"] == **appid);
        let goes_by = |route: &String| {
            let all = item["deliveries"].as_array();
            all.is_none_or(|all| all.iter().any(|one| one["route"] == **route))
        };
        self.topics.contains(told.topic) && is_of_app && self.route.as_ref().is_none_or(goes_by)
    }
}

/// Somebody who listens.
struct Listener {
    api: Api,
    actor: Actor,
    /// Of the session that he came with.
    token: Option<String>,
    wanted: Wanted,
    english: bool,
    heard: broadcast::Receiver<Arc<Told>>,
    _place: Place,
}

/// Somebody's place among those who listen.
#[derive(Debug)]
struct Place {
    feed: Arc<Feed>,
    name: String,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn take(feed: &Arc<Feed>, name: &str) -> Option<Self> {
        let permit = feed.places.clone().try_acquire_owned().ok()?;
        let mut taken = feed.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.entry(name.to_owned()).or_default();
        if *own >= MOST_OF_ONE {
            return None;
        }
        *own += 1;
        Some(Self { feed: feed.clone(), name: name.to_owned(), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.feed.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.name) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

impl Listener {
    /// What he hears next; `None`: it is over.
    async fn next(&mut self) -> Option<Said> {
        loop {
            let draining = &self.api.parts.tasks.draining;
            let told = match draining.run_until_cancelled(self.heard.recv()).await? {
                Ok(told) => told,
                Err(broadcast::error::RecvError::Lagged(n)) => {
                    return Said::default().event("more").json_data(json!({"topic": "event", "n": n})).ok();
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            // A session that ended hears nothing more, nor one that may see less or more by now.
            let role = |token: &String| self.api.people.session(token).map(|session| session.role);
            if self.token.as_ref().is_some_and(|token| role(token) != Some(self.actor.role)) {
                return None;
            }
            if !self.wanted.takes(&told) {
                continue;
            }
            let told_in = told.english.as_ref().filter(|_| self.english).unwrap_or(&told.data);
            let mut data = told_in.clone();
            if self.actor.role == Role::Viewer {
                masked::mask(&mut data);
            }
            return Said::default().event(told.name).json_data(data).ok();
        }
    }
}

/// `GET /live?topics=tick,event`
pub(super) async fn live(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let wanted = Wanted::parse(raw.as_deref().unwrap_or_default())?;
    let place = Place::take(&api.feed, &actor.name).ok_or_else(|| {
        Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            Words::fixed("打开的实时页面太多：关掉一些", "too many live pages are open: close some"),
        )
    })?;
    let token = (actor.name != "token").then(|| api.site.token(&headers).map(str::to_owned)).flatten();
    let heard = api.listen();
    let english = wants_english(&headers);
    let listener = Listener { api, actor, token, wanted, english, heard, _place: place };
    let said = stream::unfold(listener, async |mut listener| {
        let next = listener.next().await?;
        Some((Ok::<_, Infallible>(next), listener))
    });
    let alive = KeepAlive::new().interval(COMMENT);
    let mut response = Sse::new(Box::pin(said)).keep_alive(alive).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
