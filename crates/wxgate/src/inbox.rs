//! Callbacks: verify, decrypt, drop what came before, commit, answer; in this order, because only
//! what is on disk may be acknowledged.
//!
//! [`Inbox::check`] looks at a callback's query, [`Inbox::verify_url`] and [`Inbox::receive`] answer
//! it; [`verify`] holds the rules about which app and which signature, [`seen`] how long they are remembered, [`take`] commits, [`hear`] finds what a backend
//! wants to answer, [`reply`] seals it.

mod hear;
mod reply;
mod seen;
mod take;
mod verify;
mod why;

use std::sync::Arc;

use bytes::Bytes;
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use wechat::envelope::Refused;

use crate::clock::Instant;
use crate::delivery::Deliveries;
use crate::feed::Feed;
use crate::flights::Flights;
use crate::lang::Words;
use crate::parts::Parts;
use crate::shares::Place;
use crate::store::StoreError;
use crate::traces;

pub use verify::Checked;

use reply::Reply;
use take::Stage;

/// So many apps' tokens are tried at once on a callback that names none; more beside the requests.
const FEW_APPS: usize = 8;
/// One in so many callbacks at work may wait longer than one of WeChat's attempts takes.
const WAITING_SHARE: usize = 4;
/// What says that no reply is wanted.
const SUCCESS: &[u8] = b"success";

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    deliveries: Deliveries,
    feed: Feed,
    /// A turn to check a message that nobody signed.
    unsigned: Semaphore,
    /// Messages at work, by digest.
    at_work: Flights<[u8; 32], Stage>,
    /// Attempts that wait longer than one of WeChat's takes.
    waits: Semaphore,
}

/// What a message is answered with.
enum Said {
    /// `success`
    Nothing,
    Reply(Reply),
    /// Not yet what its protocol wants.
    Unanswered,
    /// At another attempt of WeChat's.
    Left,
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
    Refused(Words),
    /// It isn't on disk: WeChat has to send it again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is on disk, but its protocol wants an answer of the backend's, and there is none yet: WeChat has to ask again. The app.
    #[error("the backend gave no answer that this event needs")]
    Unanswered(Arc<str>),
    /// It is on disk, and its backend is still at it: this attempt of WeChat's is to be left without an answer. The app.
    #[error("left to WeChat's next attempt")]
    Left(Arc<str>),
}

impl From<Refused> for Rejected {
    fn from(refused: Refused) -> Self {
        Self::Refused(why::words(&refused))
    }
}

impl Inbox {
    /// Composed from its parts.
    pub fn new(parts: Parts, deliveries: Deliveries, feed: Feed) -> Self {
        let (unsigned, at_work) = (Semaphore::new(1), Flights::default());
        let waits = Semaphore::new(parts.limits.callbacks / WAITING_SHARE);
        Self(Arc::new(Inner { parts, deliveries, feed, unsigned, at_work, waits }))
    }

    /// Where messages go from here.
    pub fn deliveries(&self) -> &Deliveries {
        &self.0.deliveries
    }

    /// Where messages are streamed from here.
    pub fn feed(&self) -> &Feed {
        &self.0.feed
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
        let (query, token) = checked.verify_url()?;
        // From now on this signature is good for no plain message.
        let now = self.0.parts.clock.now();
        let until = seen::signature(&checked.live, query, token.expose_secret(), now);
        self.0.parts.store.keep_signature(&query.signature, now, until).await?;
        Ok(query.echostr.clone())
    }

    /// Takes a message; `began` is when it started to come in. `place` stays taken until its work is done.
    pub async fn receive(
        &self,
        checked: Checked,
        body: Bytes,
        began: Instant,
        request_id: &str,
        place: Place,
    ) -> Result<Receipt, Rejected> {
        let Parts { keys, tasks, clock, .. } = &self.0.parts;
        // One reading, after whatever took time: what is young enough at this moment is looked for at this moment.
        let (now, verified) = if checked.is_signed() {
            let now = clock.now();
            (now, checked.open(&body, now / 1000)?)
        } else {
            // One at a time, and beside the requests: nobody signed it.
            let _turn = self.0.unsigned.acquire().await;
            let now = clock.now();
            let opened = tasks.beside_requests(move || checked.open(&body, now / 1000)).await;
            (now, opened.unwrap_or_else(|| Err(cut()))?)
        };
        let incoming = self.incoming(&verified, began, request_id, now);
        // In a task of its own: it goes on when WeChat hangs up.
        let this = self.clone();
        let work = tasks.spawn(traces::carried(Box::pin(async move {
            let said = this.take(incoming).await;
            drop(place);
            said
        })));
        let stopping = || Rejected::Store(StoreError::Unavailable("stopping".into()));
        let (body, content_type) = match work.await.ok().flatten().unwrap_or_else(|| Err(stopping()))? {
            Said::Nothing => (SUCCESS.to_vec(), "text/plain"),
            Said::Reply(reply) => {
                (reply.seal(&verified.keys(), verified.format, keys), verified.format.content_type())
            }
            Said::Unanswered => return Err(Rejected::Unanswered(verified.app.appid.clone())),
            Said::Left => return Err(Rejected::Left(verified.app.appid.clone())),
        };
        Ok(Receipt { body, content_type, appid: Some(verified.app.appid.clone()) })
    }
}

fn cut() -> Rejected {
    Rejected::Refused(Words::fixed("检查被中断：微信会再推", "the check was cut: WeChat sends it again"))
}
