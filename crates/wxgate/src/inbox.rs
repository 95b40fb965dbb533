//! Callbacks: verify, decrypt, drop what came before, commit, answer; in this order, because only
//! what is on disk may be acknowledged.
//!
//! [`Inbox::check`] looks at a callback's query, [`Inbox::verify_url`] and [`Inbox::receive`] answer
//! it; [`verify`] holds the rules about which app and which signature, [`reply`] turns a backend's
//! answer into the passive reply.

mod reply;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use wechat::envelope::{Mode, Query, Refused};
use wechat::message::Format;

use crate::clock::Instant;
use crate::delivery::{self, Deliveries};
use crate::flights::{Flights, Lead, Turn};
use crate::lang::say;
use crate::parts::Parts;
use crate::registry::routes::Route;
use crate::registry::{App, Live};
use crate::shares::Place;
use crate::store::{Accepted, Claimed, NewDelivery, NewEvent, StoreError, StoredEvent};

pub use verify::Checked;

use reply::Reply;
use verify::Verified;

/// How long duplicates are known if callbacks of any age are taken.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How far ahead a nonce that could be a timestamp is reckoned with.
const SWAPPED_MS: i64 = 30 * 86_400_000;
/// So many apps' tokens are tried at once on a callback that names none; more beside the requests.
const FEW_APPS: usize = 8;
/// What says that no reply is wanted.
const SUCCESS: &[u8] = b"success";

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    deliveries: Deliveries,
    /// A turn to check a message that nobody signed.
    unsigned: Semaphore,
    /// Messages at work, by digest.
    at_work: Flights<[u8; 32], Stage>,
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
pub struct Receipt {
    /// The body.
    pub body: Vec<u8>,
    /// Its media type.
    pub content_type: &'static str,
    /// Whose message it was, where that was found out.
    pub appid: Option<Arc<str>>,
}

/// Why a callback isn't answered with 200.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Rejected {
    /// It is refused, and nothing of it kept. The text is for the log.
    #[error("{0}")]
    Refused(String),
    /// It isn't on disk: WeChat has to send it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refused> for Rejected {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.to_string())
    }
}

/// Everything about a verified message that its way needs.
struct Incoming {
    app: Arc<App>,
    event: NewEvent,
    format: Format,
    /// A user's text may have left its field.
    is_suspect: bool,
    /// It was read only as far as it can be.
    is_malformed: bool,
    /// Whom the answer goes to, and from whom.
    user: String,
    account: String,
    routes: Vec<Arc<Route>>,
    deadline: Instant,
}

impl Incoming {
    fn wake_routes(&self) {
        for route in &self.routes {
            route.lane.wake.all();
        }
    }
}

impl Inbox {
    /// Composed from its parts.
    pub fn new(parts: Parts, deliveries: Deliveries) -> Self {
        let (unsigned, at_work) = (Semaphore::new(1), Flights::default());
        Self(Arc::new(Inner { parts, deliveries, unsigned, at_work }))
    }

    /// Whether [`Inbox::check`] costs no more than a few hashes. `appid`: from the path.
    pub fn is_cheap(&self, appid: Option<&str>) -> bool {
        appid.is_some() || self.0.parts.registry.live().apps().len() <= FEW_APPS
    }

    /// Looks at what came before the body, which is enough to refuse most of what isn't WeChat's.
    pub fn check(&self, query: &str, appid: Option<&str>) -> Result<Checked, Rejected> {
        let Parts { registry, keys, clock, .. } = &self.0.parts;
        verify::check(registry.live().clone(), query, appid, keys, clock.now_secs())
    }

    /// [`Inbox::check`] beside the requests: it makes a hash for every app's token.
    pub async fn check_aside(&self, query: String) -> Result<Checked, Rejected> {
        let this = self.clone();
        let check = move || this.check(&query, None);
        self.0.parts.tasks.beside_requests(check).await.unwrap_or_else(|| Err(cut()))
    }

    /// Answers WeChat's check of a URL: the bare `echostr`.
    pub async fn verify_url(&self, checked: Checked) -> Result<String, Rejected> {
        let query = checked.verify_url()?;
        // From now on this signature is good for no plain message.
        let now = self.0.parts.clock.now();
        let until = remembered_until(&checked.live, query, now);
        self.0.parts.store.keep_signature(&query.signature, now, until).await?;
        Ok(query.echostr.clone())
    }

    /// Takes a message; `began` is when it started to come in. `place` stays taken until its work is done.
    pub async fn receive(
        &self,
        checked: Checked,
        body: Bytes,
        began: Instant,
        place: Place,
    ) -> Result<Receipt, Rejected> {
        let Parts { keys, tasks, limits, .. } = &self.0.parts;
        let verified = if checked.is_signed() {
            checked.open(&body)?
        } else {
            // One at a time, and beside the requests: nobody signed it.
            let _turn = self.0.unsigned.acquire().await;
            tasks.beside_requests(move || checked.open(&body)).await.unwrap_or_else(|| Err(cut()))?
        };
        let incoming = self.incoming(&verified, began + limits.callback_time);
        // In a task of its own: it goes on when WeChat hangs up.
        let this = self.clone();
        let work = tasks.spawn(async move {
            let accepted = this.accept(incoming).await;
            drop(place);
            accepted
        });
        let stopping = || Rejected::Store(StoreError::Unavailable("stopping".into()));
        let reply = work.await.ok().flatten().unwrap_or_else(|| Err(stopping()))?;
        let appid = Some(verified.app.appid.clone());
        Ok(match reply {
            None => Receipt { body: SUCCESS.to_vec(), content_type: "text/plain", appid },
            Some(reply) => Receipt {
                body: reply.seal(&verified.keys(), verified.format, keys),
                content_type: verified.format.content_type(),
                appid,
            },
        })
    }

    fn incoming(&self, verified: &Verified, deadline: Instant) -> Incoming {
        let Verified { app, live, message, query, .. } = verified;
        let now = self.0.parts.clock.now();
        let routes = live.routes.matching(&app.entry.appid, &app.entry.tags, message);
        let asked = routes.iter().position(|route| route.entry.reply_wait.is_some());
        let deliveries = routes.iter().enumerate().map(|(index, route)| {
            let leased = asked == Some(index);
            let next_at = if leased { now + delivery::lease(route) } else { now };
            NewDelivery { route: route.entry.name.clone(), next_at, leased }
        });
        // The plain signature beside an encrypted message would be good for a forged plain one: if some app takes those,
        // it is remembered as spent.
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
            digest: self.0.parts.store.message_digest(&app.entry.appid, &verified.body),
            signature: remember.then(|| query.signature.clone()),
            is_plain,
            remembered_until: remembered_until(live, query, now),
            deliveries: deliveries.collect(),
        };
        Incoming {
            format: message.format(),
            is_suspect: message.is_suspect(),
            is_malformed: message.is_malformed(),
            user: message.from_user().into_owned(),
            account: message.to_user().into_owned(),
            app: app.clone(),
            event,
            routes,
            deadline,
        }
    }

    /// Commits the message, once however often it comes, and finds its reply.
    async fn accept(&self, incoming: Incoming) -> Result<Option<Reply>, Rejected> {
        let clock = &self.0.parts.clock;
        loop {
            let mut first = match self.0.at_work.join(incoming.event.digest, Stage::Committing) {
                Turn::First(lead) => return self.lead(incoming, &lead).await,
                Turn::Later(first) => first,
            };
            let committed = first.wait_for(|stage| !matches!(stage, Stage::Committing));
            match clock.by(incoming.deadline, committed).await.ok_or_else(too_slow)? {
                Ok(stage) => {
                    if let Stage::Failed(error) = &*stage {
                        return Err(error.clone().into());
                    }
                }
                // The first was refused, or cut: this one stands for itself.
                Err(_) => continue,
            }
            // Each copy commits too: its own signature must be spent.
            return match self.commit(incoming.event, incoming.deadline).await? {
                Accepted::SignatureReused => Err(signature_reused()),
                Accepted::Duplicate { answer: Some(answer), event } => Ok(Reply::from_kept(&answer, &event)),
                Accepted::Duplicate { answer: None, .. } | Accepted::New { .. } => {
                    let answered = first.wait_for(|stage| matches!(stage, Stage::Answered(_)));
                    Ok(match clock.by(incoming.deadline, answered).await {
                        Some(Ok(stage)) => match &*stage {
                            Stage::Answered(reply) => reply.clone(),
                            _ => None,
                        },
                        _ => None,
                    })
                }
            };
        }
    }

    async fn lead(
        &self,
        incoming: Incoming,
        lead: &Lead<[u8; 32], Stage>,
    ) -> Result<Option<Reply>, Rejected> {
        let accepted = self.commit(incoming.event.clone(), incoming.deadline).await.inspect_err(|error| {
            if let Rejected::Store(error) = error {
                lead.reached(Stage::Failed(error.clone()));
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
                lead.reached(Stage::Committed);
                tracing::debug!(
                    event = event.id,
                    appid = incoming.event.appid,
                    "{}",
                    say("收到消息", "a message came")
                );
                if incoming.is_suspect {
                    tracing::warn!(
                        event = event.id,
                        appid = incoming.event.appid,
                        "{}",
                        say(
                            "消息里有重复的字段或注释：可能是用户的文字冒充了别的字段，不按场景值路由，原样投递并带 x-wxgate-suspect",
                            "a message with repeated fields or comments: a user's text may pass for another field; it goes to no scene, and on as it is with x-wxgate-suspect",
                        )
                    );
                }
                if incoming.is_malformed {
                    tracing::warn!(
                        event = event.id,
                        appid = incoming.event.appid,
                        "消息签名无误，但不是合法的 XML 或 JSON：原样投递，只给没有 openids 和 scenes 的路由"
                    );
                }
                incoming.wake_routes();
                self.ask(&incoming, &event, &deliveries).await
            }
        };
        lead.reached(Stage::Answered(reply.clone()));
        Ok(reply)
    }

    /// Commits in time, or not at all as far as WeChat is told. A commit that comes too late holds all
    /// the same: then its deliveries go out from the queue.
    async fn commit(&self, event: NewEvent, deadline: Instant) -> Result<Accepted, Rejected> {
        let Parts { store, clock, tasks, .. } = self.0.parts.clone();
        let mut accept = Box::pin(async move { store.accept(event).await });
        if let Some(accepted) = clock.by(deadline, &mut accept).await {
            return Ok(accepted?);
        }
        let this = self.clone();
        tasks.spawn(async move {
            if let Ok(Accepted::New { deliveries, .. }) = accept.await {
                this.0.deliveries.give_back(&deliveries).await;
            }
        });
        Err(too_slow())
    }

    /// Asks the first route that wants to reply, and remembers what it says in time.
    async fn ask(&self, incoming: &Incoming, event: &StoredEvent, deliveries: &[i64]) -> Option<Reply> {
        let Parts { store, clock, .. } = &self.0.parts;
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
        let patience = incoming.deadline.min(clock.instant() + wait);
        let asked = self.0.deliveries.ask(route.clone(), claimed, patience);
        let answer = clock.by(patience, asked).await?.ok()??;
        let reply = reply::read(&answer, route, incoming, event, clock.now_secs())?;
        let kept = clock.by(incoming.deadline, store.keep_answer(event, &reply.to_keep())).await;
        if !matches!(kept, Some(Ok(()))) {
            tracing::warn!(
                event = event.id,
                "{}",
                say(
                    "被动回复没能及时记下：以后重复的消息可能得到 success",
                    "a passive reply wasn't recorded in time: a duplicate may get success"
                )
            );
        }
        Some(reply)
    }
}

fn cut() -> Rejected {
    Rejected::Refused("the check was cut".to_owned())
}

fn too_slow() -> Rejected {
    Rejected::Store(StoreError::Unavailable("the commit took too long".into()))
}

fn signature_reused() -> Rejected {
    Rejected::Refused("its plain signature came before, with another body".to_owned())
}

/// Until no replay of this callback can pass the check of its age.
fn remembered_until(live: &Live, query: &Query, now: i64) -> i64 {
    // WeChat sorts token, timestamp and nonce before it signs them, so the signature still holds when timestamp and nonce
    // change places: a nonce that reads as a time is reckoned with as one.
    let millis = |seconds: i64| seconds.saturating_mul(1000);
    let swapped = query.nonce.parse().map_or(0, millis);
    let swapped = if swapped < now + SWAPPED_MS { swapped } else { 0 };
    let (window, from) = match live.callback.max_age {
        Some(max_age) => (max_age, now.max(millis(query.seconds())).max(swapped)),
        None => (REMEMBERED, now),
    };
    from.saturating_add(i64::try_from(window.as_millis()).unwrap_or(i64::MAX / 2)).saturating_add(1000)
}
