//! A call of another node, taken: opened, and what came of it sealed.

use bytes::Bytes;
use http::{HeaderMap, response};
use http_body_util::{BodyExt as _, Full};

use super::call::{CallError, PassAnswer, PassRequest};
use super::frames::{Opener, Opening, Sealer, Way};
use super::heads::{AnswerHead, CallHead};
use super::sealed::{Opened, Sealed};
use super::{Handover, LINE, head, heads};
use crate::net::{AnyBody, Inbound, Pace, Upload, collect};
use crate::parts::Parts;
use crate::registry::App;
use crate::shares::{For, Place, Room};
use crate::transport::Payload;

/// A call that a node made for this one.
pub struct Received {
    parts: Parts,
    from: i32,
    opener: Opener,
    sealer: Sealer,
}

/// What it asks for.
pub struct Asked {
    /// The node that sent it.
    pub from: i32,
    parts: Parts,
    head: CallHead,
    first: Bytes,
    body: Opened<Inbound>,
}

/// Seals what came of it.
pub struct Sealing(Sealer);

impl Handover {
    /// The call whose first frame stands in `headers`, if a node made it for this one, just now, and it comes for the first
    /// time.
    pub fn receive(&self, headers: &HeaderMap) -> Option<Received> {
        let Parts { store, keys, clock, .. } = &self.0.parts;
        let (line, own) = (headers.get(LINE)?, store.node());
        let (opening, opener) = Opening::read(line.as_bytes(), keys, own).ok()?;
        let now = store.common_time(clock.now());
        if !self.0.taken.take(opening.time, opening.nonce, now, clock.ticks()) {
            return None;
        }
        let sealer = opening.sealer(keys, own, Way::Answer);
        Some(Received { parts: self.0.parts.clone(), from: opening.from, opener, sealer })
    }
}

impl Received {
    /// Reads what it asks for; or why that can't be read.
    pub async fn read(self, body: Inbound) -> Result<(Asked, Sealing), String> {
        let Self { parts, from, opener, sealer } = self;
        let mut body = Opened::new(opener, body);
        let (head, first) = head(&mut body, parts.limits.silence).await?;
        let head = serde_json::from_slice(&head).map_err(|error| error.to_string())?;
        Ok((Asked { from, parts, head, first, body }, Sealing(sealer)))
    }
}

impl Asked {
    /// The app.
    pub fn appid(&self) -> &str {
        &self.head.appid
    }

    /// Who wants it, as the other node knows them.
    pub fn caller(&self) -> &str {
        &self.head.caller
    }

    /// The request, and its body's part of the byte budget; a long body is still on its way. `Ok(None)`: there is no room.
    pub async fn request(self, app: &App) -> Result<Option<(PassRequest, Option<Place>)>, String> {
        let Self { parts, head, first, mut body, .. } = self;
        let limits = &parts.limits;
        let broken = || "the call can't be read".to_owned();
        let left = head.length.checked_sub(first.len() as u64).ok_or_else(broken)?;
        body.left = Some(left);
        if head.length > limits.kept as u64 {
            let upload = Upload::new(first, body, limits.silence, Pace::new(limits));
            let request = head.request(Payload::Stream(upload)).ok_or_else(broken)?;
            return Ok(Some((request, None)));
        }
        let size = usize::try_from(head.length).unwrap_or(usize::MAX);
        let place = match parts.shares.take(Room::Bodies, size, For::from(&app.share)) {
            Ok(place) => (size > 0).then_some(place),
            Err(_) => return Ok(None),
        };
        let rest = collect(&mut body, limits.kept, limits.silence, |_| false).await;
        let rest = rest.map_err(|cut| cut.to_string())?.bytes;
        let bytes = if first.is_empty() { rest } else { Bytes::from([first, rest].concat()) };
        if bytes.len() as u64 != head.length {
            return Err(broken());
        }
        Ok(Some((head.request(Payload::Kept(bytes)).ok_or_else(broken)?, place)))
    }
}

impl Sealing {
    /// WeChat answered.
    pub fn answered(mut self, answer: PassAnswer) -> AnyBody {
        let PassAnswer { head: response::Parts { status, headers, .. }, mut body, errcode, .. } = answer;
        let head = heads::written(&AnswerHead::of(status, &headers, errcode));
        match body.whole() {
            Some(body) => whole(self.0.rest(&[&head, &body[..]].concat())),
            None => Sealed::new(self.0, &head, body).boxed_unsync(),
        }
    }

    /// It failed.
    pub fn failed(self, error: CallError) -> AnyBody {
        self.alone(&AnswerHead::Failed(error.into()))
    }

    /// It wasn't begun.
    pub fn not_taken(self, why: &str) -> AnyBody {
        self.alone(&AnswerHead::NotTaken { why: why.to_owned() })
    }

    fn alone(mut self, head: &AnswerHead) -> AnyBody {
        whole(self.0.rest(&heads::written(head)))
    }
}

fn whole(frames: Bytes) -> AnyBody {
    Full::new(frames).map_err(|never| match never {}).boxed_unsync()
}
