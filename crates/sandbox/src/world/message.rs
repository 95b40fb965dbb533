//! Messages to users: who may get one, and what was sent.

use super::kept::pairs;
use super::lately::{Lately, OVERHEAD, Weighs};
use super::{Kind, World};
use crate::refusal::{Refusal, refuse};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use wechat::catalog;

/// How long a `client_msg_id` stops a second message.
const DEDUPE: i64 = 600_000;
/// Messages, and `client_msg_id`s, kept.
const MAX_MESSAGES: usize = 200_000;
/// Bytes of messages kept.
const MAX_BYTES: usize = 128 << 20;
/// Messages of a template that a user allows at most: no counter overflows.
const MOST_CREDITS: u64 = 1 << 53;
/// Users' consents to messages of a template that are remembered.
const MAX_CREDITS: usize = 500_000;

/// The catalogue's own text of a path. By this name serde doesn't take it for one that borrows from the input.
type KnownPath = &'static str;

/// One message that was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) appid: String,
    #[serde(deserialize_with = "known_path")]
    pub(crate) path: KnownPath,
    pub(crate) touser: String,
    pub(crate) template_id: String,
    pub(crate) data: Value,
    pub(crate) msgid: u64,
}

impl Weighs for Message {
    fn weight(&self) -> usize {
        2 * OVERHEAD + self.appid.len() + self.touser.len() + self.template_id.len() + self.data.weight()
    }
}

fn known_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KnownPath, D::Error> {
    let path = String::deserialize(deserializer)?;
    let endpoint = catalog::by_path(&path).filter(|endpoint| endpoint.path == path);
    endpoint
        .map(|endpoint| endpoint.path)
        .ok_or_else(|| Error::custom(format!("no API has the path {path:?}")))
}

/// Messages, and what allows more of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Messages {
    pub(crate) sent: Lately<Message>,
    count: u64,
    /// Subscription messages a user still allows, by account, openid and template.
    #[serde(with = "pairs")]
    credits: BTreeMap<(String, String, String), u64>,
    /// By account, openid and client_msg_id: the message and when it was sent.
    #[serde(with = "pairs")]
    client_ids: BTreeMap<(String, String, String), (u64, i64)>,
    client_order: VecDeque<(String, String, String)>,
    /// Customer-service messages a user's doings allow.
    #[serde(with = "pairs")]
    allowances: BTreeMap<(String, String), Vec<Allowance>>,
}

/// What a user did lately, and the messages that are left for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Allowance {
    to: Reason,
    /// Unix milliseconds.
    until: i64,
    left: u32,
}

/// Why an account may write to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reason {
    Message,
    Follow,
    Scan,
    Menu,
    Session,
}

impl Messages {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        let small = self.credits.len() + 2 * self.client_order.len() + self.allowances.len();
        self.sent.bytes() + 4 * OVERHEAD * small
    }
}

impl World {
    /// Nineteen digits, as WeChat's: too big for a double.
    pub(crate) fn next_msgid(&mut self) -> u64 {
        self.messages.count += 1;
        self.messages.count.wrapping_mul(1_048_577).wrapping_add(2_097_683_633_284_153_344)
    }

    pub(crate) fn record_message(&mut self, message: Message) {
        self.record_card(message, Value::Null);
    }

    /// Likewise, of a message that opens something when it is tapped: `url`, `page`, `miniprogram` as the call gave them.
    pub(crate) fn record_card(&mut self, message: Message, opens: Value) {
        self.show_message(&message, opens);
        self.messages.sent.add(message, MAX_MESSAGES, MAX_BYTES);
    }

    /// The message a `client_msg_id` sent less than ten minutes ago.
    pub(crate) fn sent_as(&self, key: &(String, String, String)) -> Option<u64> {
        let (msgid, at) = self.messages.client_ids.get(key)?;
        (self.now - at < DEDUPE).then_some(*msgid)
    }

    pub(crate) fn remember_client_id(&mut self, key: (String, String, String), msgid: u64) {
        let messages = &mut self.messages;
        if messages.client_ids.insert(key.clone(), (msgid, self.now)).is_none() {
            messages.client_order.push_back(key);
        }
        if messages.client_order.len() > MAX_MESSAGES
            && let Some(oldest) = messages.client_order.pop_front()
        {
            messages.client_ids.remove(&oldest);
        }
    }

    /// The user allows `count` more subscription messages.
    pub(crate) fn allow_subscription(
        &mut self,
        appid: &str,
        openid: &str,
        template: &str,
        count: u64,
    ) -> u64 {
        let key = (appid.to_owned(), openid.to_owned(), template.to_owned());
        if self.messages.credits.len() >= MAX_CREDITS && !self.messages.credits.contains_key(&key) {
            self.messages.credits.retain(|_, left| *left > 0);
            // All of them still good: somebody's makes room.
            if self.messages.credits.len() >= MAX_CREDITS {
                self.messages.credits.pop_first();
            }
        }
        let credits = self.messages.credits.entry(key).or_default();
        *credits = credits.saturating_add(count).min(MOST_CREDITS);
        *credits
    }

    /// How many more the user allows.
    pub(crate) fn subscriptions_left(&self, appid: &str, openid: &str, template: &str) -> u64 {
        let key = (appid.to_owned(), openid.to_owned(), template.to_owned());
        self.messages.credits.get(&key).copied().unwrap_or_default()
    }

    /// The user allows none of this template any more.
    pub(crate) fn end_subscription(&mut self, appid: &str, openid: &str, template: &str) {
        let key = (appid.to_owned(), openid.to_owned(), template.to_owned());
        self.messages.credits.remove(&key);
    }

    /// Uses one of them up.
    pub(crate) fn use_subscription(
        &mut self,
        appid: &str,
        openid: &str,
        template: &str,
    ) -> Result<(), Refusal> {
        let key = (appid.to_owned(), openid.to_owned(), template.to_owned());
        match self.messages.credits.get_mut(&key) {
            Some(credits) if *credits > 0 => *credits -= 1,
            _ => return Err(refuse(43101)),
        }
        Ok(())
    }

    /// A user did something (an event's name) or wrote something (none): follows, leaves, may get customer-service
    /// messages for it.
    pub(crate) fn user_did(&mut self, appid: &str, openid: &str, event: Option<&str>) {
        match event {
            Some("subscribe") => {
                self.follow(appid, openid, &None);
            }
            Some("unsubscribe") => {
                self.unfollow(appid, openid);
                // Whoever has left is out of reach, whatever they did before.
                self.messages.allowances.remove(&(appid.to_owned(), openid.to_owned()));
            }
            // What never arrives allows no answer.
            None if self.is_blocked(appid, openid) => return,
            _ => {}
        }
        let allowed = self.apps.get(appid).and_then(|app| allowance(app.kind, event));
        if let Some((to, seconds, left)) = allowed {
            let now = self.now;
            let allowances =
                self.messages.allowances.entry((appid.to_owned(), openid.to_owned())).or_default();
            // Who does the same again begins it anew: what was left doesn't add up.
            allowances.retain(|old| old.until > now && old.to != to);
            allowances.push(Allowance { to, until: now + seconds * 1000, left });
        }
    }

    /// Uses one of them up: 45015 if there never was one or its time is over, 45047 if all are used.
    pub(crate) fn use_custom(&mut self, appid: &str, openid: &str) -> Result<(), Refusal> {
        let now = self.now;
        let key = (appid.to_owned(), openid.to_owned());
        let allowances = self.messages.allowances.get_mut(&key).ok_or(refuse(45015))?;
        allowances.retain(|allowance| allowance.until > now);
        if allowances.is_empty() {
            return Err(refuse(45015));
        }
        let good = allowances.iter_mut().find(|allowance| allowance.left > 0).ok_or(refuse(45047))?;
        good.left -= 1;
        Ok(())
    }
}

/// Within how many seconds of what a user did how many customer-service messages may be sent.
fn allowance(kind: Kind, event: Option<&str>) -> Option<(Reason, i64, u32)> {
    match (kind, event) {
        (_, None) => Some((Reason::Message, 48 * 3600, 5)),
        (Kind::Official, Some("subscribe")) => Some((Reason::Follow, 60, 3)),
        (Kind::Official, Some("SCAN")) => Some((Reason::Scan, 60, 3)),
        (Kind::Official, Some("CLICK" | "scancode_push" | "scancode_waitmsg")) => Some((Reason::Menu, 60, 3)),
        (Kind::Mini, Some("user_enter_tempsession")) => Some((Reason::Session, 60, 2)),
        _ => None,
    }
}
