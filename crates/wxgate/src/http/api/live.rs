//! What happens, as it happens, for whoever looks: one feed a process, which looks at the store once a second while somebody
//! listens, and so tells what other nodes did as well.

use std::collections::BTreeSet;
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
use super::{Api, Refusal, masked, overview, parameters, unknown};
use crate::lang::Words;
use crate::people::{Actor, Role};
use crate::store::EventQuery;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// A proxy that hears nothing for longer may hang up.
const COMMENT: Duration = Duration::from_secs(15);
/// Rows of a topic that are told one by one at a look; of more, how many there are.
const ROWS: usize = 20;
/// Those who listen at once.
const MOST: usize = 64;
/// What one may fall behind before he loses something.
const BEHIND: usize = 256;

/// Something that is told.
#[derive(Clone, Debug)]
struct Told {
    /// `tick`, `row` or `more`.
    name: &'static str,
    topic: &'static str,
    data: Value,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Feed {
    told: broadcast::Sender<Arc<Told>>,
    /// Whether somebody looks at the store.
    looks: Mutex<bool>,
    places: Arc<Semaphore>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            told: broadcast::channel(BEHIND).0,
            looks: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST)),
        }
    }
}

impl Feed {
    fn tell(&self, name: &'static str, topic: &'static str, data: Value) {
        // Whoever listened may have gone.
        let _ = self.told.send(Arc::new(Told { name, topic, data }));
    }

    /// Whether nobody listens any more, so that whoever looked ends.
    fn is_done(&self) -> bool {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.told.receiver_count() == 0;
        *looks = !done;
        done
    }
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
        let mut known = None;
        while !self.feed.is_done() {
            let news = self.new_events(&mut known).await;
            // A store that is away has no news.
            for item in news.unwrap_or_default() {
                self.feed.tell("row", "event", item);
            }
            self.feed.tell("tick", "tick", self.tick().await);
            tokio::select! {
                () = self.parts.tasks.draining.cancelled() => return,
                () = self.parts.clock.pause(LOOK) => {}
            }
        }
    }

    /// Messages that came since `known`, the oldest first; of too many the newest.
    async fn new_events(&self, known: &mut Option<i64>) -> Result<Vec<Value>, Refusal> {
        let limit = ROWS as u32 + 1;
        let newest = self.parts.store.events(EventQuery { limit, ..EventQuery::default() }).await?;
        let last = newest.first().map_or(0, |event| event.id);
        let Some(before) = known.replace(last) else { return Ok(Vec::new()) };
        let mut fresh: Vec<_> = newest.iter().filter(|event| event.id > before).collect();
        if fresh.len() > ROWS {
            fresh.truncate(ROWS);
            self.feed.tell("more", "event", json!({"topic": "event", "n": last - before - ROWS as i64}));
        }
        Ok(fresh
            .into_iter()
            .rev()
            .map(|event| json!({"topic": "event", "item": event_json(event)}))
            .collect())
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
    heard: broadcast::Receiver<Arc<Told>>,
    _place: OwnedSemaphorePermit,
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
            // A session that ended hears nothing more.
            if self.token.as_ref().is_some_and(|token| self.api.people.session(token).is_none()) {
                return None;
            }
            if !self.wanted.takes(&told) {
                continue;
            }
            let mut data = told.data.clone();
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
    let place = api.feed.places.clone().try_acquire_owned().map_err(|_| {
        Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            Words::fixed("打开的实时页面太多：关掉一些", "too many live pages are open: close some"),
        )
    })?;
    let token = (actor.name != "token").then(|| api.site.token(&headers).map(str::to_owned)).flatten();
    let heard = api.listen();
    let listener = Listener { api, actor, token, wanted, heard, _place: place };
    let said = stream::unfold(listener, async |mut listener| {
        let next = listener.next().await?;
        Some((Ok::<_, Infallible>(next), listener))
    });
    let alive = KeepAlive::new().interval(COMMENT);
    let mut response = Sse::new(Box::pin(said)).keep_alive(alive).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}
