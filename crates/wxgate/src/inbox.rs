//! Callbacks: verify, decrypt, drop what came before, commit, answer; in this order, because only
//! what is on disk may be acknowledged.
//!
//! [`Inbox::verify_url`] and [`Inbox::receive`] are all of it; [`reply`] turns a backend's answer
//! into the passive reply.

mod reply;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use wechat::envelope::{self, Account, Mode, Opened, Push, Query, Refused};
use wechat::message::Format;

use crate::apps::{App, Live, Registry};
use crate::clock::Clock;
use crate::config::Kind;
use crate::delivery::{self, Deliveries};
use crate::nonce;
use crate::routes::Route;
use crate::store::{Accepted, Claimed, Kept, NewDelivery, NewEvent, Store, StoreError};
use crate::tasks::Tasks;

use reply::Reply;

/// WeChat waits five seconds; what is left pays for the way.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(4500);
/// How long duplicates are known if callbacks of any age are taken.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// What says that no reply is wanted.
const SUCCESS: &[u8] = b"success";

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    store: Store,
    deliveries: Deliveries,
    clock: Clock,
    tasks: Tasks,
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
    pub fn new(registry: Registry, store: Store, deliveries: Deliveries, clock: Clock, tasks: Tasks) -> Self {
        Self(Arc::new(Inner { registry, store, deliveries, clock, tasks, at_work: Mutex::default() }))
    }

    /// Answers WeChat's check of a URL: the bare `echostr`. `appid`: from the path.
    pub async fn verify_url(&self, query: &str, appid: Option<&str>) -> Result<String, Unanswered> {
        let query = Query::parse(query)?;
        let live = self.0.registry.live().clone();
        let apps = candidates(&live, appid, "");
        let plain = apps.iter().map(|app| account(app, false)).collect::<Vec<_>>();
        envelope::verify_url(&query, &plain)?;
        self.check_freshness(&live, &query)?;
        // From now on this signature is good for no plain message.
        if apps.iter().any(|app| takes_plain(app)) {
            let now = self.0.clock.now();
            self.0.store.keep_signature(&query.signature, now, remembered_until(&live, &query, now)).await?;
        }
        Ok(query.echostr)
    }

    /// Takes a message; `began` is when it started to come in.
    pub async fn receive(
        &self,
        query: &str,
        body: &[u8],
        appid: Option<&str>,
        began: Instant,
    ) -> Result<Answer, Unanswered> {
        let push = Push::read(Query::parse(query)?, body)?;
        let live = self.0.registry.live().clone();
        let apps = candidates(&live, appid, &push.to_user());
        let is_plain = push.mode() == Mode::Plain;
        let accounts: Vec<Account<'_>> =
            apps.iter().map(|app| account(app, is_plain && app.entry.allow_plain)).collect();
        let opened = push.open(&accounts).map_err(|refused| {
            let tried: Vec<&str> = accounts.iter().map(|account| account.appid).collect();
            Unanswered::Refused(format!("{refused} (tried {})", tried.join(", ")))
        })?;
        self.check_freshness(&live, push.query())?;
        let app = apps[opened.account].clone();
        let incoming = self.incoming(&live, &push, &opened, app, began + ANSWER_WITHIN);
        // In a task of its own: it goes on when WeChat hangs up.
        let this = self.clone();
        let work = self.0.tasks.spawn(async move { this.accept(incoming).await });
        let cut = || Unanswered::Store(StoreError::Unavailable("stopping".into()));
        let reply = work.await.ok().flatten().unwrap_or_else(|| Err(cut()))?;
        Ok(match reply {
            None => Answer { body: SUCCESS.to_vec(), content_type: "text/plain" },
            Some(reply) => Answer {
                body: reply.seal(&opened.keys, push.format(), self.0.store.sealer()),
                content_type: push.format().content_type(),
            },
        })
    }

    /// Neither too old (or too far ahead), nor made by ourselves.
    fn check_freshness(&self, live: &Live, query: &Query) -> Result<(), Unanswered> {
        if nonce::is_ours(self.0.store.sealer(), &query.nonce) {
            return Err(Unanswered::Refused("a delivery or reply of our own came back".to_owned()));
        }
        let age = self.0.clock.now_secs().abs_diff(query.seconds());
        match live.callback.max_age {
            Some(most) if age > most.as_secs() => {
                Err(Unanswered::Refused(format!("its timestamp is {age} s from now, over callback.max_age")))
            }
            _ => Ok(()),
        }
    }

    fn incoming(
        &self,
        live: &Live,
        push: &Push<'_>,
        opened: &Opened<'_>,
        app: Arc<App>,
        deadline: Instant,
    ) -> Incoming {
        let message = &opened.message;
        let now = self.0.clock.now();
        let routes = live.routes.matching(&app.entry.appid, &app.entry.tags, message);
        let asked = routes.iter().position(|route| route.entry.reply_wait.is_some());
        let deliveries = routes.iter().enumerate().map(|(index, route)| {
            let leased = asked == Some(index);
            let next_at = if leased { now + delivery::lease(route) } else { now };
            NewDelivery { route: route.entry.name.clone(), next_at, leased }
        });
        let event = NewEvent {
            appid: app.entry.appid.clone(),
            openid: message.from_user().into_owned(),
            msg_type: message.msg_type().into_owned(),
            event: message.event().into_owned(),
            create_time: message.create_time(),
            received_at: now,
            body: opened.body.clone(),
            digest: self.0.store.message_digest(&app.entry.appid, &opened.body),
            signature: (opened.mode == Mode::Plain).then(|| push.query().signature.clone()),
            remembered_until: remembered_until(live, push.query(), now),
            deliveries: deliveries.collect(),
        };
        Incoming {
            format: message.format(),
            user: message.from_user().into_owned(),
            account: message.to_user().into_owned(),
            app,
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
        if let Err(error) = self.0.store.keep_answer(event, &reply.to_keep()).await {
            tracing::warn!(event = event.id, %error, "被动回复没能记下：重复的消息会得到 success");
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

/// The apps a callback may be for: the one in the path, else the one with this original id, else
/// every one that takes callbacks.
fn candidates(live: &Live, appid: Option<&str>, to_user: &str) -> Vec<Arc<App>> {
    let takes = |app: &&Arc<App>| app.entry.kind != Kind::Open && !app.entry.callback_tokens.is_empty();
    if let Some(appid) = appid {
        return live.app(appid).filter(takes).cloned().into_iter().collect();
    }
    let named = live.apps().find(|app| !to_user.is_empty() && app.entry.original_id == to_user);
    match named {
        Some(app) => Some(app).filter(takes).cloned().into_iter().collect(),
        None => live.apps().filter(takes).cloned().collect(),
    }
}

fn account(app: &App, plain: bool) -> Account<'_> {
    Account {
        appid: &app.entry.appid,
        tokens: app.entry.callback_tokens.iter().map(|token| token.expose_secret()).collect(),
        keys: if plain { Vec::new() } else { app.entry.aes_keys.iter().collect() },
    }
}

fn takes_plain(app: &App) -> bool {
    app.entry.aes_keys.is_empty() || app.entry.allow_plain
}

/// Until no replay of this callback can pass the check of its age.
fn remembered_until(live: &Live, query: &Query, now: i64) -> i64 {
    let (window, from) = match live.callback.max_age {
        Some(max_age) => (max_age, now.max(query.seconds().saturating_mul(1000))),
        None => (REMEMBERED, now),
    };
    from.saturating_add(i64::try_from(window.as_millis()).unwrap_or(i64::MAX / 2)).saturating_add(1000)
}
