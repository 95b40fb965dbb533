//! Taking a verified message: committed once, however often and at how many places it comes in at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use wechat::envelope::Mode;
use wechat::message::Message;

use super::verify::Verified;
use super::{Inbox, Rejected, Said, seen};
use crate::clock::Instant;
use crate::delivery::{self, Expecting, answers_itself};
use crate::entries::WAIT_OF_ONE;
use crate::flights::Turn;
use crate::lang::Words;
use crate::lang::say;
use crate::metrics::{Meter, Received};
use crate::parts::Parts;
use crate::registry::lane::Gate;
use crate::registry::routes::Route;
use crate::rules::filter::Subject;
use crate::store::{Accepted, Came, Claimed, IN_ORDER, NewDelivery, NewEvent, StoreError, StoredEvent};
use crate::traces;

/// WeChat's third attempt begins ten seconds after it made the message: one that begins this late has no next.
const LAST_AFTER_MS: i64 = 9_000;

/// How far the first of several equal messages has got.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    Committing,
    /// It couldn't be committed, or not in time.
    Failed(StoreError),
    Committed,
}

/// How WeChat waits for a backend's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// For as long as one attempt takes.
    Once,
    /// For as long as its three attempts take.
    Thrice,
    /// Until it gets an answer of the event's own protocol.
    Protocol,
}

/// The route whose backend is to answer.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    /// Its place among the routes that match.
    pub(super) index: usize,
    pub(super) route: Arc<Route>,
    pub(super) manner: Manner,
    /// `reply_wait`
    wait: Duration,
}

/// Everything about a verified message that its way needs.
pub(super) struct Incoming {
    pub(super) event: Arc<NewEvent>,
    /// Of its app.
    meter: Meter,
    /// A user's text may have left its field.
    is_suspect: bool,
    /// It was read only as far as it can be.
    is_malformed: bool,
    /// WeChat repeats it until it gets an answer of its own protocol.
    answers_itself: bool,
    pub(super) routes: Vec<Arc<Route>>,
    pub(super) asking: Option<Asking>,
    /// Whose stream may answer, where no route does.
    pub(super) listener: Option<Arc<str>>,
    /// When this attempt of WeChat's began, and when an ordinary one is answered at the latest.
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    /// WeChat will hardly make another attempt.
    pub(super) is_last: bool,
}

impl Incoming {
    pub(super) fn digest(&self) -> [u8; 32] {
        self.event.digest
    }

    /// How long whoever is asked has for an answer.
    pub(super) fn until(&self) -> Instant {
        let Some(asking) = &self.asking else { return self.deadline };
        let until = self.began + asking.wait;
        if asking.manner == Manner::Thrice { until } else { until.min(self.deadline) }
    }

    /// Deliveries to its routes. A backend that is to answer is asked at once, and one that has room gets the message at
    /// once, if `at_once`: such a delivery is ours from its beginning, and no worker looks for it. `ticks`: now.
    fn plan(&mut self, at_once: bool, ticks: i64) -> Vec<Option<OwnedSemaphorePermit>> {
        let mut permits = Vec::with_capacity(self.routes.len());
        let mut deliveries = Vec::with_capacity(self.routes.len());
        let now = self.event.received_at;
        for (index, route) in self.routes.iter().enumerate() {
            let is_asked = self.asking.as_ref().is_some_and(|asking| asking.index == index);
            let is_open = !route.entry.paused && !route.entry.ordered && route.lane.gate(ticks) == Gate::Open;
            let goes_now = at_once && !is_asked && is_open;
            let permit = if goes_now { route.lane.room.clone().try_acquire_owned().ok() } else { None };
            let leased = is_asked || permit.is_some();
            let next_at = match () {
                () if leased => now + delivery::lease(route),
                () if route.entry.ordered => IN_ORDER,
                () => now,
            };
            deliveries.push(NewDelivery { route: route.entry.name.clone(), next_at, leased });
            permits.push(permit);
        }
        Arc::make_mut(&mut self.event).deliveries = deliveries;
        permits
    }

    /// The delivery of the new message by one of its routes, as whoever made it sends it.
    pub(super) fn claimed(&self, event: &StoredEvent, delivery: i64) -> Claimed {
        Claimed {
            id: delivery,
            round: 0,
            attempt: 1,
            event_id: event.id,
            event_name: event.name(),
            appid: self.event.appid.clone(),
            received_at: self.event.received_at,
            body: self.event.body.clone(),
        }
    }

    fn wake_routes(&self) {
        for route in &self.routes {
            route.lane.wake.all();
        }
    }

    /// What the operator should know of a new message.
    fn tell(&self, event: i64) {
        let appid = &self.event.appid;
        tracing::debug!(event, appid, "{}", say("收到消息", "a message came"));
        if self.is_suspect {
            tracing::warn!(
                event,
                appid,
                "{}",
                say(
                    "消息里有重复的字段或注释：可能是用户的文字冒充了别的字段，不按场景值路由，原样投递并带 x-wxgate-suspect",
                    "a message with repeated fields or comments: a user's text may pass for another field; it goes to no scene, and on as it is with x-wxgate-suspect",
                )
            );
        }
        if self.is_malformed {
            tracing::warn!(
                event,
                appid,
                "{}",
                say(
                    "消息签名无误，但不是合法的 XML 或 JSON：原样投递，只给没有 openids 和 scenes 的路由",
                    "a message whose signature is right, and whose text is neither XML nor JSON: it goes on as it is, to routes without openids and scenes",
                )
            );
        }
        if self.answers_itself && self.asking.is_none() {
            let name = &self.event.event;
            tracing::warn!(
                event,
                appid,
                name,
                "{}",
                say(
                    "微信要这个事件自己的应答（如 {\"ErrCode\":0}），但没有匹配的 reply 路由：答了 success",
                    "WeChat wants an answer of this event's own, as {\"ErrCode\":0}, and no route that replies matches: it got success",
                )
            );
        }
    }
}

impl Inbox {
    /// `began`: when it started to come in. `now`: when its age was looked at, Unix milliseconds.
    pub(super) fn incoming(
        &self,
        verified: &Verified,
        began: Instant,
        request_id: &str,
        now: i64,
    ) -> Incoming {
        let Verified { app, live, message, query, .. } = verified;
        let Parts { limits, store, .. } = &self.0.parts;
        let routes = live.routes.matching(&app.entry.appid, &app.entry.tags, &Subject::of(message));
        let answers_itself = answers_itself(message);
        let asking = asking(&routes, answers_itself);
        let listener = match asking {
            None if !answers_itself => self.0.feed.replier(app, &message.from_user(), message),
            _ => None,
        };
        // The plain signature beside an encrypted message would be good for a forged plain one: if some app takes those,
        // it is remembered as spent.
        let is_plain = verified.mode == Mode::Plain;
        let remember = is_plain || (!query.signature.is_empty() && !live.plain.is_empty());
        let event = Arc::new(NewEvent {
            appid: app.entry.appid.clone(),
            openid: message.from_user().into_owned(),
            msg_type: message.msg_type().into_owned(),
            event: message.event().into_owned(),
            scene: message.scene().into_owned(),
            ticket: message.scanned_ticket().into_owned(),
            msg_id: number(message),
            came: Came::written(request_id, verified.mode.as_str(), verified.key_name()),
            create_time: message.create_time(),
            received_at: now,
            body: verified.body.clone(),
            digest: store.message_digest(&app.entry.appid, &verified.body),
            signature: remember.then(|| query.signature.clone()),
            is_plain,
            remembered_until: seen::message(live, query, message, !is_plain, now),
            spent_until: seen::signature(live, query, verified.token(), now),
            deliveries: Vec::new(),
        });
        Incoming {
            is_suspect: message.is_suspect(),
            is_malformed: message.is_malformed(),
            is_last: now - event.create_time.saturating_mul(1000) >= LAST_AFTER_MS,
            deadline: began + limits.callback_time,
            answers_itself,
            meter: app.meter.clone(),
            event,
            routes,
            asking,
            listener,
            began,
        }
    }

    /// Commits the message, once however often it comes, and finds what WeChat gets.
    pub(super) async fn take(&self, mut incoming: Incoming) -> Result<Said, Rejected> {
        let clock = &self.0.parts.clock;
        let digest = incoming.digest();
        let lead = loop {
            let mut first = match self.0.at_work.join(digest, Stage::Committing) {
                Turn::First(lead) => break Some(lead),
                Turn::Later(first) => first,
            };
            let committed = first.wait_for(|stage| !matches!(stage, Stage::Committing));
            match clock.by(incoming.deadline, committed).await.ok_or_else(too_slow)? {
                Ok(stage) => {
                    if let Stage::Failed(error) = &*stage {
                        return Err(error.clone().into());
                    }
                    break None;
                }
                // The first was refused, or cut: this one stands for itself.
                Err(_) => continue,
            }
        };
        let lease_began = clock.ticks();
        let permits = incoming.plan(lead.is_some(), lease_began);
        // Before the commit: an asking that ends between them has left its answer for it.
        let under_way = self.0.deliveries.under_way(&digest);
        let expecting = self.expect(&incoming, lead.is_some());
        // Each copy commits: its own signature must be spent.
        let accepted = self.commit(incoming.event.clone(), incoming.deadline).await.inspect_err(|error| {
            if let (Rejected::Store(error), Some(lead)) = (error, &lead) {
                lead.reached(Stage::Failed(error.clone()));
            }
        })?;
        let asked = match accepted {
            Accepted::SignatureReused => return Err(signature_reused()),
            Accepted::Duplicate { event, answer } => {
                incoming.meter.received(Received::Duplicate);
                traces::brought(|| event.name(), false);
                // The first may have been committed after its time, when nobody was left to say so.
                incoming.wake_routes();
                self.again(&incoming, &event, answer, under_way).await
            }
            Accepted::New { event, deliveries } => {
                incoming.meter.received(Received::Received);
                traces::brought(|| event.name(), true);
                incoming.tell(event.id);
                self.0.feed.kept();
                let asked = match &expecting {
                    Some(expecting) => self.expected(&event, expecting),
                    None => self.ask(&incoming, &event, &deliveries),
                };
                self.send(&incoming, &event, (permits, &deliveries), lease_began);
                asked
            }
        };
        if let Some(lead) = lead {
            lead.reached(Stage::Committed);
        }
        Ok(self.hear(&incoming, asked).await)
    }

    /// Waits for the reader of a stream, if one is to answer: before the commit, for it may be faster than that. Whoever isn't
    /// the first waits for what that one hears.
    fn expect(&self, incoming: &Incoming, is_first: bool) -> Option<Expecting> {
        let caller = incoming.listener.clone().filter(|_| is_first)?;
        self.0.feed.expect(incoming.digest(), caller, incoming.deadline)
    }

    /// Sends what has room; the workers of the other routes find theirs in the queue.
    fn send(
        &self,
        incoming: &Incoming,
        event: &StoredEvent,
        (permits, ids): (Vec<Option<OwnedSemaphorePermit>>, &[i64]),
        lease_began: i64,
    ) {
        let places = incoming.routes.iter().zip(permits).zip(&incoming.event.deliveries);
        for (((route, permit), planned), id) in places.zip(ids) {
            match permit {
                Some(permit) => {
                    let claimed = incoming.claimed(event, *id);
                    self.0.deliveries.send(route.clone(), claimed, permit, lease_began);
                }
                None if planned.leased => {}
                None => route.lane.wake.all(),
            }
        }
    }

    /// Commits in time, or not at all as far as WeChat is told. A commit that comes too late holds all
    /// the same: then its deliveries go out from the queue.
    async fn commit(&self, event: Arc<NewEvent>, deadline: Instant) -> Result<Accepted, Rejected> {
        let Parts { store, clock, tasks, .. } = self.0.parts.clone();
        let mut accept = Box::pin(async move { store.accept(&event).await });
        if let Some(accepted) = clock.by(deadline, &mut accept).await {
            return Ok(accepted?);
        }
        let this = self.clone();
        tasks.spawn(async move {
            if let Ok(Accepted::New { deliveries, .. }) = accept.await {
                this.0.feed.kept();
                this.0.deliveries.give_back(&deliveries).await;
            }
        });
        Err(too_slow())
    }
}

/// The first route whose backend is to answer.
fn asking(routes: &[Arc<Route>], answers_itself: bool) -> Option<Asking> {
    let mut may = routes.iter().enumerate().filter(|(_, route)| !route.entry.paused);
    let (index, route, reply) = may.find_map(|(index, route)| Some((index, route, route.entry.reply?)))?;
    let manner = match reply.wait {
        _ if answers_itself => Manner::Protocol,
        wait if wait > WAIT_OF_ONE => Manner::Thrice,
        _ => Manner::Once,
    };
    Some(Asking { index, route: route.clone(), manner, wait: reply.wait })
}

/// What the message is found by: its own number, or that of the sent one whose receipt it is.
fn number(message: &Message) -> String {
    match message.msg_id() {
        none if none.is_empty() => message.receipt().map(|receipt| receipt.msgid).unwrap_or_default(),
        id => id.into_owned(),
    }
}

fn too_slow() -> Rejected {
    Rejected::Store(StoreError::Unavailable("the commit took too long".into()))
}

fn signature_reused() -> Rejected {
    Rejected::Refused(Words::fixed(
        "这个明文签名来过，而消息体不同，是重放：在公众平台改用安全模式",
        "its plain signature came before, with another body, a replay: choose safe mode at WeChat",
    ))
}
