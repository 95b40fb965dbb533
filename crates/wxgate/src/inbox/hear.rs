//! What a backend wants to answer, and how long WeChat is kept waiting for it.
//!
//! | | its backend is asked | without an answer WeChat gets |
//! |---|---|---|
//! | an ordinary message | once | `success` after `reply_wait`, 4.5 s at most |
//! | `reply_wait` over 4.5 s | once | nothing at its first attempts, `success` at the last |
//! | an event with an answer of its own | at each repeat, until it says success | 500 |

use std::time::Duration;

use tokio::sync::watch;

use super::reply::Reply;
use super::take::{Incoming, Manner};
use super::{Inbox, Said};
use crate::clock::Instant;
use crate::delivery::lease;
use crate::delivery::{Answer, Asked, Expecting, Patience};
use crate::lang::say;
use crate::parts::Parts;
use crate::store::{Claimed, StoredEvent};

/// Who waits for another node looks again after this, if nobody wakes it.
const LOOK: Duration = Duration::from_millis(100);
/// WeChat asks so often.
const ATTEMPTS: u32 = 3;

/// What there is to hear.
pub(super) enum Hearing {
    /// Nobody answers, or has anything to say any more.
    Nobody,
    /// It was said before.
    Kept(Answer),
    /// The backend is asked.
    Asked(watch::Receiver<Asked>),
    /// Another node may be asking it about this message.
    Elsewhere(StoredEvent),
    /// The reader of a stream may answer, at this node or another.
    Stream(StoredEvent, Option<watch::Receiver<Asked>>),
}

impl Inbox {
    /// Asks the backend that is to answer a new message.
    pub(super) fn ask(&self, incoming: &Incoming, event: &StoredEvent, deliveries: &[i64]) -> Hearing {
        let delivery = incoming.asking.as_ref().and_then(|asking| deliveries.get(asking.index));
        let Some(id) = delivery else { return Hearing::Nobody };
        self.begin(incoming, incoming.claimed(event, *id))
    }

    /// Waits for the reader of a stream, who may be heard by another node.
    pub(super) fn expected(&self, event: &StoredEvent, expecting: &Expecting) -> Hearing {
        let asked = expecting.asked.clone();
        if self.0.parts.store.is_shared() {
            Hearing::Stream(event.clone(), Some(asked))
        } else {
            Hearing::Asked(asked)
        }
    }

    /// What there is to hear about a message that came before.
    pub(super) async fn again(
        &self,
        incoming: &Incoming,
        event: &StoredEvent,
        kept: Option<Vec<u8>>,
        under_way: Option<watch::Receiver<Asked>>,
    ) -> Hearing {
        let is_kept = kept.is_some();
        let kept = kept.as_deref().and_then(Answer::from_kept);
        let asking = incoming.asking.as_ref();
        let is_protocol = asking.is_some_and(|asking| asking.manner == Manner::Protocol);
        match (kept, under_way) {
            (Some(answer), _) if !is_protocol || answer.says_success() => Hearing::Kept(answer),
            (_, Some(asked)) if incoming.listener.is_some() && self.0.parts.store.is_shared() => {
                Hearing::Stream(event.clone(), Some(asked))
            }
            (_, Some(asked)) => Hearing::Asked(asked),
            _ if is_protocol => self.ask_anew(incoming, event).await,
            _ if !is_kept && asking.is_some() && self.0.parts.store.is_shared() => {
                Hearing::Elsewhere(event.clone())
            }
            _ if !is_kept && incoming.listener.is_some() && self.0.parts.store.is_shared() => {
                Hearing::Stream(event.clone(), None)
            }
            _ => Hearing::Nobody,
        }
    }

    /// Asks once more for an answer that is still wanted. Somebody who has the delivery is about to end: in this process,
    /// where it can be heard, or in another, or it is just being written down.
    async fn ask_anew(&self, incoming: &Incoming, event: &StoredEvent) -> Hearing {
        let Parts { store, clock, .. } = &self.0.parts;
        let Some(asking) = &incoming.asking else { return Hearing::Nobody };
        let name = &asking.route.entry.name;
        let mut wake = store.wakes().answers.sleeper();
        loop {
            wake.mark_seen();
            let now = clock.now();
            let taken = store.take_on(event.id, name, now, now + lease(&asking.route));
            match clock.by(incoming.deadline, taken).await {
                Some(Ok(Some(claimed))) => return self.begin(incoming, claimed),
                Some(Ok(None)) => {}
                Some(Err(error)) => {
                    let why = say(
                        "事件要后端自己的应答，这次没能再问",
                        "an event wants its backend's own answer, which couldn't be asked",
                    );
                    tracing::warn!(event = event.id, %error, "{why}");
                    return Hearing::Nobody;
                }
                None => return Hearing::Nobody,
            }
            if let Some(asked) = self.0.deliveries.under_way(&incoming.digest()) {
                return Hearing::Asked(asked);
            }
            if store.is_shared()
                && let (Some(answer), _) = self.kept(event, name).await
                && answer.says_success()
            {
                return Hearing::Kept(answer);
            }
            let look = clock.instant() + LOOK;
            if !store.is_shared() || look >= incoming.deadline {
                return Hearing::Nobody;
            }
            let _ = clock.by(look, wake.woken()).await;
        }
    }

    /// The answer to a message as the store has it by now, and whether another node is at it.
    async fn kept(&self, event: &StoredEvent, route: &str) -> (Option<Answer>, bool) {
        let Parts { store, clock, .. } = &self.0.parts;
        let Ok((kept, is_held)) = store.answer(event, route, clock.now()).await else { return (None, false) };
        (kept.as_deref().and_then(Answer::from_kept), is_held)
    }

    /// Waits until `end` for an answer that another node may have; and whether it is still at it.
    async fn hear_elsewhere(&self, event: &StoredEvent, route: &str, end: Instant) -> (Option<Answer>, bool) {
        let Parts { store, clock, .. } = &self.0.parts;
        let mut wake = store.wakes().answers.sleeper();
        // The answer and the end of the delivery are written side by side: once it has ended, there is one more look.
        let mut was_held = true;
        loop {
            wake.mark_seen();
            let (answer, is_held) = self.kept(event, route).await;
            if answer.is_some() || !(is_held || was_held) || clock.instant() >= end {
                return (answer, is_held);
            }
            was_held = is_held;
            let _ = clock.by(end.min(clock.instant() + LOOK), wake.woken()).await;
        }
    }

    fn begin(&self, incoming: &Incoming, claimed: Claimed) -> Hearing {
        let Some(asking) = &incoming.asking else { return Hearing::Nobody };
        let until = incoming.until();
        let patience = match asking.manner {
            Manner::Once => Patience { room: until, only_with_room: false, answer: Some(until) },
            Manner::Thrice => Patience { room: incoming.deadline, only_with_room: true, answer: Some(until) },
            Manner::Protocol => Patience { room: until, only_with_room: false, answer: None },
        };
        Hearing::Asked(self.0.deliveries.ask(asking.route.clone(), claimed, incoming.digest(), patience))
    }

    /// Waits for what there is to hear, as long as this attempt of WeChat's may take.
    pub(super) async fn hear(&self, incoming: &Incoming, hearing: Hearing) -> Said {
        let manner = incoming.asking.as_ref().map_or(Manner::Once, |asking| asking.manner);
        let mut asked = match hearing {
            Hearing::Kept(answer) => return reply(incoming, answer),
            Hearing::Nobody if manner == Manner::Protocol => return Said::Unanswered,
            Hearing::Nobody => return Said::Nothing,
            Hearing::Stream(event, asked) => return self.hear_stream(incoming, &event, asked).await,
            Hearing::Elsewhere(event) => return self.hear_another(incoming, &event, manner).await,
            Hearing::Asked(asked) => asked,
        };
        let said = match manner {
            Manner::Once => {
                let deadline = until(&asked).map_or(incoming.deadline, |until| until.min(incoming.deadline));
                self.listen(incoming, &mut asked, deadline).await.unwrap_or(Said::Nothing)
            }
            Manner::Protocol => {
                let heard = self.listen(incoming, &mut asked, incoming.until()).await;
                heard.unwrap_or(Said::Unanswered)
            }
            Manner::Thrice => self.hear_in_three(incoming, asked.clone()).await,
        };
        if matches!(said, Said::Nothing)
            && let Asked::Open(opened) = &*asked.borrow()
        {
            opened.over();
        }
        said
    }

    /// With another node that asks: for as long as this attempt of WeChat's may take.
    async fn hear_another(&self, incoming: &Incoming, event: &StoredEvent, manner: Manner) -> Said {
        let Some(asking) = &incoming.asking else { return Said::Nothing };
        let Ok(_place) = self.0.waits.try_acquire() else { return Said::Nothing };
        let is_last = incoming.is_last || manner != Manner::Thrice;
        let end =
            if is_last { incoming.deadline } else { incoming.began + self.0.parts.limits.callback_left };
        match self.hear_elsewhere(event, &asking.route.entry.name, end).await {
            (Some(answer), _) => reply(incoming, answer),
            (None, true) if !is_last => Said::Left,
            (None, _) => Said::Nothing,
        }
    }

    /// The answer of a stream's reader, which comes here or to another node.
    async fn hear_stream(
        &self,
        incoming: &Incoming,
        event: &StoredEvent,
        mut asked: Option<watch::Receiver<Asked>>,
    ) -> Said {
        let Parts { store, clock, .. } = &self.0.parts;
        let Ok(_place) = self.0.waits.try_acquire() else { return Said::Nothing };
        let mut wake = store.wakes().answers.sleeper();
        while clock.instant() < incoming.deadline {
            wake.mark_seen();
            if let (Some(answer), _) = self.kept(event, "").await {
                return reply(incoming, answer);
            }
            let look = incoming.deadline.min(clock.instant() + LOOK);
            let here = async {
                match &mut asked {
                    Some(asked) => self.listen(incoming, asked, look).await,
                    None => {
                        let _ = clock.by(look, wake.woken()).await;
                        None
                    }
                }
            };
            if let Some(said) = here.await {
                return said;
            }
        }
        Said::Nothing
    }

    /// With a `reply_wait` of more than one attempt.
    async fn hear_in_three(&self, incoming: &Incoming, mut asked: watch::Receiver<Asked>) -> Said {
        let Parts { clock, tasks, limits, .. } = &self.0.parts;
        let Ok(_place) = self.0.waits.try_acquire() else { return Said::Nothing };
        let (until, attempt) = match &*asked.borrow() {
            Asked::Open(opened) => (opened.until(), opened.joined()),
            _ => (None, 1),
        };
        let is_last = incoming.is_last || attempt >= ATTEMPTS;
        let end = if is_last { incoming.deadline } else { incoming.began + limits.callback_left };
        let until = until.unwrap_or(end);
        let heard = tokio::select! {
            biased;
            heard = self.listen(incoming, &mut asked, end.min(until)) => heard,
            () = tasks.draining.cancelled() => Some(Said::Nothing),
        };
        match heard {
            Some(said) => said,
            None if is_last || clock.instant() >= until => Said::Nothing,
            None => Said::Left,
        }
    }

    /// `None`: nothing was said by `deadline`.
    async fn listen(
        &self,
        incoming: &Incoming,
        asked: &mut watch::Receiver<Asked>,
        deadline: Instant,
    ) -> Option<Said> {
        let clock = &self.0.parts.clock;
        let said = asked.wait_for(|asked| !matches!(asked, Asked::Open(_)));
        let said = clock.by(deadline, said).await?.map(|asked| asked.clone());
        let is_protocol = incoming.asking.as_ref().is_some_and(|asking| asking.manner == Manner::Protocol);
        Some(match said {
            Ok(Asked::Answered(answer)) => reply(incoming, answer),
            Ok(Asked::Silent) => Said::Nothing,
            // It failed, or was cut.
            _ if is_protocol => Said::Unanswered,
            _ => Said::Nothing,
        })
    }
}

fn reply(incoming: &Incoming, answer: Answer) -> Said {
    if answer.is_nothing() {
        return Said::Nothing;
    }
    Said::Reply(Reply { answer, digest: incoming.digest() })
}

/// When the answer is for nobody any more.
fn until(asked: &watch::Receiver<Asked>) -> Option<Instant> {
    match &*asked.borrow() {
        Asked::Open(opened) => opened.until(),
        _ => None,
    }
}
