//! Replies from streams: a message whose answer somebody who reads a stream may give, and that answer when it comes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wechat::message::Message;

use super::Deliveries;
use super::answer::{self, Answer};
use super::ask::{Asked, Hearing, KEEP_TIME};
use crate::clock::Instant;
use crate::entries::AppEntry;
use crate::parts::Parts;
use crate::store::Claimed;

/// The answers that are waited for, and those that were. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected(Arc<Mutex<Answers>>);

#[derive(Debug, Default)]
struct Answers {
    /// By the message's digest: no more than there are callbacks at work.
    waiting: HashMap<[u8; 32], Waiting>,
    /// Of those that nobody waits for any more, the last ones.
    over: VecDeque<[u8; 32]>,
}

/// So many of those are known.
const OVER: usize = 1024;

/// An answer that is waited for.
#[derive(Debug)]
pub(super) struct Waiting {
    hearing: Hearing,
    /// Who may give it.
    caller: Arc<str>,
}

/// Held by whoever waits: when it is dropped, nobody does any more.
#[derive(Debug)]
pub struct Expecting {
    expected: Expected,
    digest: [u8; 32],
    /// Where the answer appears.
    pub asked: watch::Receiver<Asked>,
}

/// Why a reply didn't become an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Nobody waits for it any more, or waited for it from here.
    Late,
    /// Nobody waited for it at this node.
    Elsewhere,
    /// It is no reply.
    NoReply,
}

impl Expected {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody waits for the answer to the message with this digest any more.
    fn end(&self, digest: [u8; 32]) -> Option<Waiting> {
        let mut answers = self.lock();
        answers.over.truncate(OVER - 1);
        answers.over.push_front(digest);
        answers.waiting.remove(&digest)
    }

    /// Whether `caller` may still answer the message with this digest.
    fn look(&self, digest: &[u8; 32], caller: &str) -> Result<(), NotTaken> {
        let answers = self.lock();
        match answers.waiting.get(digest) {
            Some(waiting) if *waiting.caller == *caller => Ok(()),
            Some(_) => Err(NotTaken::Late),
            None if answers.over.contains(digest) => Err(NotTaken::Late),
            None => Err(NotTaken::Elsewhere),
        }
    }
}

impl Drop for Expecting {
    fn drop(&mut self) {
        self.expected.end(self.digest);
    }
}

impl Deliveries {
    /// Waits until then for the answer that `caller` may give to the message with this digest; `None`: somebody else is
    /// asked about it.
    pub fn expect(&self, digest: [u8; 32], caller: Arc<str>, until: Instant) -> Option<Expecting> {
        let hearing = self.open(digest, Some(until)).ok()?;
        let (asked, expected) = (hearing.lead.watch(), self.0.expected.clone());
        expected.lock().waiting.insert(digest, Waiting { hearing, caller });
        Some(Expecting { expected, digest, asked })
    }

    /// Takes what `caller` says to a message; it is kept for whoever comes later.
    pub async fn reply(&self, caller: &str, claimed: &Claimed, said: &[u8]) -> Result<(), NotTaken> {
        let Parts { registry, store, clock, .. } = &self.0.parts;
        let message = Message::read(&claimed.body);
        let app = registry.live().app(&claimed.appid).cloned().ok_or(NotTaken::Late)?;
        let digest = store.message_digest(&claimed.appid, &claimed.body);
        self.0.expected.look(&digest, caller)?;
        let asked = match read(said, &app.entry, &message, clock.now_secs())? {
            answer if answer.is_nothing() => Asked::Silent,
            answer => Asked::Answered(answer),
        };
        let taken = self.0.expected.end(digest);
        let Hearing { lead, opened } = taken.ok_or(NotTaken::Late)?.hearing;
        if let Asked::Answered(answer) = &asked {
            let event = store.stored_event(claimed, message.create_time());
            let kept = answer.to_keep();
            // A duplicate that doesn't find it gets `success`.
            let _ = clock.by(clock.instant() + KEEP_TIME, store.keep_answer(&event, &kept)).await;
        }
        let is_late = opened.until().is_some_and(|until| clock.instant() >= until);
        lead.reached(asked);
        if is_late { Err(NotTaken::Late) } else { Ok(()) }
    }

    /// The same where another node waits for it: it finds it in the store.
    pub async fn reply_elsewhere(&self, claimed: &Claimed, said: &[u8]) -> Result<(), NotTaken> {
        let Parts { registry, store, clock, .. } = &self.0.parts;
        let message = Message::read(&claimed.body);
        let app = registry.live().app(&claimed.appid).cloned().ok_or(NotTaken::Late)?;
        let answer = read(said, &app.entry, &message, clock.now_secs())?;
        let event = store.stored_event(claimed, message.create_time());
        let kept = store.answer(&event, "", clock.now()).await;
        if !matches!(kept, Ok((None, _))) || store.keep_answer(&event, &answer.to_keep()).await.is_err() {
            return Err(NotTaken::Late);
        }
        Ok(())
    }
}

/// What a stream's reader said.
fn read(said: &[u8], app: &AppEntry, message: &Message, made_at: i64) -> Result<Answer, NotTaken> {
    match answer::bare(said) {
        b"" | b"success" => Ok(Answer::nothing(made_at)),
        said => answer::read_plain(said, app, message, made_at).ok_or(NotTaken::NoReply),
    }
}
