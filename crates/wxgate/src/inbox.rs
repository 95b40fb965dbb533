//! Callbacks: verify, decrypt, drop what came before, commit, answer; in this order, because only
//! what is on disk may be acknowledged.
//!
//! [`Inbox::check`] looks at a callback's query, [`Inbox::verify_url`] and [`Inbox::receive`] answer
//! it; [`verify`] holds the rules about which app and which signature, [`reply`] turns a backend's
//! answer into the passive reply.

mod reply;
mod verify;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use wechat::envelope::{Mode, Query, Refused};
use wechat::message::Format;

use crate::clock::Clock;
use crate::delivery::{self, Deliveries};
use crate::keys::Keys;
use crate::registry::routes::Route;
use crate::registry::{App, Live, Registry};
use crate::store::{Accepted, Claimed, Kept, NewDelivery, NewEvent, Store, StoreError};
use crate::tasks::Tasks;

pub use verify::Checked;

use reply::Reply;
use verify::Verified;

/// WeChat waits five seconds; what is left pays for the way.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(4500);
/// How long duplicates are known if callbacks of any age are taken.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How far ahead a nonce that could be a timestamp is reckoned with.
const SWAPPED_MS: i64 = 30 * 86_400_000;
/// What says that no reply is wanted.
const SUCCESS: &[u8] = b"success";

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    store: Store,
    keys: Keys,
    deliveries: Deliveries,
    clock: Clock,
    tasks: Tasks,
    /// A turn to check what nothing speaks for.
    unsigned: Semaphore,
    /// Messages at work, by digest.
    at_work: Mutex<HashMap<[u8; 32], watch::Receiver<Stage>>>,
}

/// How far the first of several equal messages has got.
#[derive(Clone, Debug)]
enum Stage {
    Committing,
    /// It couldn't be committed, or not in time.
    Failed(StoreError),
    Committed,
    Answered(Option<Reply>),
}

/// What WeChat gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The body.
    pub body: Vec<u8>,
    /// Its media type.
    pub content_type: &'static str,
}

/// Why a callback isn't answered with 200.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unanswered {
    /// It is refused, and nothing of it kept. The text is for the log.
    #[error("{0}")]
    Refused(String),
    /// It isn't on disk: WeChat has to send it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refused> for Unanswered {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.to_string())
    }
}

/// Everything about a verified message that its way needs.
struct Incoming {
    app: Arc<App>,
    event: NewEvent,
    format: Format,
    /// Whom the answer goes to, and from whom.
    user: String,
    account: String,
    routes: Vec<Arc<Route>>,
    deadline: Instant,
}

impl Incoming {
    fn wake_routes(&self) {
        for route in &self.routes {
            route.lane.wake.notify_one();
        }
    }
}

impl Inbox {
    /// Composed from its parts.
    pub fn new(
        registry: Registry,
        store: Store,
        keys: Keys,
        deliveries: Deliveries,
        clock: Clock,
        tasks: Tasks,
    ) -> Self {
        let unsigned = Semaphore::new(1);
        Self(Arc::new(Inner {
            registry,
            store,
            keys,
            deliveries,
            clock,
            tasks,
            unsigned,
            at_work: Mutex::default(),
        }))
    }

    /// Looks at what came before the body: cheap, and enough to refuse most of what isn't WeChat's.
    /// `appid`: from the path.
    pub fn check(&self, query: &str, appid: Option<&str>) -> Result<Checked, Unanswered> {
        verify::check(self.0.registry.live().clone(), query, appid, &self.0.keys, self.0.clock.now_secs())
    }

    /// Answers WeChat's check of a URL: the bare `echostr`.
    pub async fn verify_url(&self, checked: Checked) -> Result<String, Unanswered> {
        let query = checked.verify_url()?;
        // From now on this signature is good for no plain message.
        let now = self.0.clock.now();
        let until = remembered_until(&checked.live, query, now);
        self.0.store.keep_signature(&query.signature, now, until).await?;
        Ok(query.echostr.clone())
    }

    /// Takes a message; `began` is when it started to come in.
    pub async fn receive(&self, checked: Checked, body: Bytes, began: Instant) -> Result<Answer, Unanswered> {
        let verified = if checked.is_signed() {
            checked.open(&body)?
        } else {
            // Nothing speaks for it yet: one at a time, where it keeps nobody waiting.
            let _turn = self.0.unsigned.acquire().await;
            let cut = |_| Unanswered::Refused("the check was cut".to_owned());
            tokio::task::spawn_blocking(move || checked.open(&body)).await.map_err(cut)??
        };
        let incoming = self.incoming(&verified, began + ANSWER_WITHIN);
        // In a task of its own: it goes on when WeChat hangs up.
        let this = self.clone();
        let work = self.0.tasks.spawn(async move { this.accept(incoming).await });
        let cut = || Unanswered::Store(StoreError::Unavailable("stopping".into()));
        let reply = work.await.ok().flatten().unwrap_or_else(|| Err(cut()))?;
        Ok(match reply {
            None => Answer { body: SUCCESS.to_vec(), content_type: "text/plain" },
            Some(reply) => Answer {
                body: reply.seal(&verified.keys(), verified.format, &self.0.keys),
                content_type: verified.format.content_type(),
            },
        })
    }

    fn incoming(&self, verified: &Verified, deadline: Instant) -> Incoming {
        let Verified { app, live, message, query, .. } = verified;
        let now = self.0.clock.now();
        let routes = live.routes.matching(&app.entry.appid, &app.entry.tags, message);
        let asked = routes.iter().position(|route| route.entry.reply_wait.is_some());
        let deliveries = routes.iter().enumerate().map(|(index, route)| {
            let leased = asked == Some(index);
            let next_at = if leased { now + delivery::lease(route) } else { now };
            NewDelivery { route: route.entry.name.clone(), next_at, leased }
        });
        // A signature beside an encrypted message would be good for a plain one.
        let is_plain = verified.mode == Mode::Plain;
        let remember =
            is_plain || (!query.signature.is_empty() && live.apps().any(|app| verify::takes_plain(app)));
        let event = NewEvent {
            appid: app.entry.appid.clone(),
            openid: message.from_user().into_owned(),
            msg_type: message.msg_type().into_owned(),
            event: message.event().into_owned(),
            scene: message.scene().into_owned(),
            msg_id: message.msg_id().into_owned(),
            create_time: message.create_time(),
            received_at: now,
            body: verified.body.clone(),
            digest: self.0.store.message_digest(&app.entry.appid, &verified.body),
            signature: remember.then(|| query.signature.clone()),
            is_plain,
            remembered_until: remembered_until(live, query, now),
            deliveries: deliveries.collect(),
        };
        Incoming {
            format: message.format(),
            user: message.from_user().into_owned(),
            account: message.to_user().into_owned(),
            app: app.clone(),
            event,
            routes,
            deadline,
        }
    }

    /// Commits the message, once however often it comes, and finds its reply.
    async fn accept(&self, incoming: Incoming) -> Result<Option<Reply>, Unanswered> {
        loop {
            let digest = incoming.event.digest;
            let mut first = match self.enter(digest) {
                Ok(stage) => {
                    let _leave = Leave { inbox: self, digest };
                    return self.lead(incoming, &stage).await;
                }
                Err(first) => first,
            };
            let committed = first.wait_for(|stage| !matches!(stage, Stage::Committing));
            match timeout_at(incoming.deadline, committed).await.map_err(|_| too_slow())? {
                Ok(stage) => {
                    if let Stage::Failed(error) = &*stage {
                        return Err(error.clone().into());
                    }
                }
                // The first was refused, or cut: this one stands for itself.
                Err(_) => continue,
            }
            // Its own signature is looked at and remembered as well.
            return match self.commit(incoming.event, incoming.deadline).await? {
                Accepted::SignatureReused => Err(signature_reused()),
                Accepted::Duplicate { answer: Some(answer), event } => Ok(Reply::from_kept(&answer, &event)),
                Accepted::Duplicate { answer: None, .. } | Accepted::New { .. } => {
                    let answered = first.wait_for(|stage| matches!(stage, Stage::Answered(_)));
                    Ok(match timeout_at(incoming.deadline, answered).await {
                        Ok(Ok(stage)) => match &*stage {
                            Stage::Answered(reply) => reply.clone(),
                            _ => None,
                        },
                        _ => None,
                    })
                }
            };
        }
    }

    /// The sender for whoever is the first with a message, a receiver for all others.
    fn enter(&self, digest: [u8; 32]) -> Result<watch::Sender<Stage>, watch::Receiver<Stage>> {
        match self.at_work().entry(digest) {
            Entry::Occupied(first) => Err(first.get().clone()),
            Entry::Vacant(place) => {
                let (stage, receiver) = watch::channel(Stage::Committing);
                place.insert(receiver);
                Ok(stage)
            }
        }
    }

    async fn lead(
        &self,
        incoming: Incoming,
        stage: &watch::Sender<Stage>,
    ) -> Result<Option<Reply>, Unanswered> {
        let accepted = self.commit(incoming.event.clone(), incoming.deadline).await.inspect_err(|error| {
            if let Unanswered::Store(error) = error {
                stage.send_replace(Stage::Failed(error.clone()));
            }
        })?;
        let reply = match accepted {
            Accepted::SignatureReused => return Err(signature_reused()),
            Accepted::Duplicate { event, answer } => {
                // The first may have been committed after its time, when nobody was left to say so.
                incoming.wake_routes();
                answer.and_then(|answer| Reply::from_kept(&answer, &event))
            }
            Accepted::New { event, deliveries } => {
                stage.send_replace(Stage::Committed);
                tracing::debug!(event = event.id, appid = incoming.event.appid, "收到消息");
                incoming.wake_routes();
                self.ask(&incoming, &event, &deliveries).await
            }
        };
        stage.send_replace(Stage::Answered(reply.clone()));
        Ok(reply)
    }

    /// Commits in time, or not at all as far as WeChat is told. A commit that comes too late holds all
    /// the same: then its deliveries go out from the queue.
    async fn commit(&self, event: NewEvent, deadline: Instant) -> Result<Accepted, Unanswered> {
        let store = self.0.store.clone();
        let mut accept = Box::pin(async move { store.accept(event).await });
        if let Ok(accepted) = timeout_at(deadline, &mut accept).await {
            return Ok(accepted?);
        }
        let this = self.clone();
        self.0.tasks.spawn(async move {
            if let Ok(Accepted::New { deliveries, .. }) = accept.await {
                this.0.deliveries.give_back(&deliveries).await;
            }
        });
        Err(too_slow())
    }

    /// Asks the first route that wants to reply, and remembers what it says in time.
    async fn ask(&self, incoming: &Incoming, event: &Kept, deliveries: &[i64]) -> Option<Reply> {
        let (index, wait) = incoming
            .routes
            .iter()
            .enumerate()
            .find_map(|(index, route)| Some((index, route.entry.reply_wait?)))?;
        let route = &incoming.routes[index];
        let claimed = Claimed {
            id: *deliveries.get(index)?,
            round: 0,
            attempt: 1,
            event_id: event.id,
            event_name: event.name(),
            appid: incoming.event.appid.clone(),
            received_at: incoming.event.received_at,
            body: incoming.event.body.clone(),
        };
        let patience = incoming.deadline.min(Instant::now() + wait);
        let asked = self.0.deliveries.ask(route.clone(), claimed, patience);
        let answer = timeout_at(patience, asked).await.ok()?.ok()??;
        let made_at = self.0.clock.now_secs();
        let reply = reply::read(&answer, route, incoming, event, made_at)?;
        let kept = timeout_at(incoming.deadline, self.0.store.keep_answer(event, &reply.to_keep())).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::warn!(event = event.id, "被动回复没能及时记下：以后重复的消息可能得到 success");
        }
        Some(reply)
    }

    fn at_work(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], watch::Receiver<Stage>>> {
        self.0.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_slow() -> Unanswered {
    Unanswered::Store(StoreError::Unavailable("the commit took too long".into()))
}

fn signature_reused() -> Unanswered {
    Unanswered::Refused("its plain signature came before, with another body".to_owned())
}

/// Makes room when the first of several equal messages is done, or cut.
struct Leave<'a> {
    inbox: &'a Inbox,
    digest: [u8; 32],
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.inbox.at_work().remove(&self.digest);
    }
}

/// Until no replay of this callback can pass the check of its age.
fn remembered_until(live: &Live, query: &Query, now: i64) -> i64 {
    // Timestamp and nonce are signed in the order of their digits: they may change places.
    let millis = |seconds: i64| seconds.saturating_mul(1000);
    let swapped = query.nonce.parse().map_or(0, millis);
    let swapped = if swapped < now + SWAPPED_MS { swapped } else { 0 };
    let (window, from) = match live.callback.max_age {
        Some(max_age) => (max_age, now.max(millis(query.seconds())).max(swapped)),
        None => (REMEMBERED, now),
    };
    from.saturating_add(i64::try_from(window.as_millis()).unwrap_or(i64::MAX / 2)).saturating_add(1000)
}
