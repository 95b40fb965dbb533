//! What users see on their phones: what they did, what was answered, what accounts sent them, in the order it happened.

use super::lately::{Lately, OVERHEAD, Weighs};
use super::{Message, World};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Lines kept, of all chats together, and bytes of them.
const MAX_LINES: usize = 10_000;
const MAX_BYTES: usize = 32 << 20;
/// Lines of a chat shown at once.
const SHOWN: usize = 100;
/// Users listed at once.
const MAX_USERS: usize = 200;

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    /// The user wrote or did something.
    User,
    /// The account's passive reply, as it wrote it.
    Reply,
    /// The account, by a call.
    Account,
    /// WeChat: the account is out of order.
    Trouble,
}

/// One line of a chat.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    seq: u64,
    /// Unix milliseconds by the sandbox's clock.
    at: i64,
    #[serde(default)]
    appid: String,
    #[serde(default)]
    openid: String,
    by: By,
    /// The call that sent it; empty of anything else.
    path: String,
    template_id: String,
    message: Value,
    /// What a tap on it opens; of most nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    opens: Value,
    /// The callback that told of it, or that it answers.
    push: Option<u64>,
}

/// The newest lines of all chats.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Chats {
    last: u64,
    lines: Lately<Line>,
}

impl Weighs for Line {
    fn weight(&self) -> usize {
        let texts = self.appid.len() + self.openid.len() + self.path.len() + self.template_id.len();
        2 * OVERHEAD + texts + self.message.weight()
    }
}

impl Chats {
    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.lines.bytes()
    }

    fn add(&mut self, line: Line) {
        self.last += 1;
        self.lines.add(Line { seq: self.last, ..line }, MAX_LINES, MAX_BYTES);
    }

    /// The newest of one chat, the oldest first.
    fn of(&self, appid: &str, openid: &str) -> Vec<&Line> {
        let own = self.lines.iter().rev().filter(|line| line.appid == appid && line.openid == openid);
        let mut lines: Vec<&Line> = own.take(SHOWN).collect();
        lines.reverse();
        lines
    }
}

impl World {
    /// A line that belongs to a callback, or to none if the account has nowhere to be told.
    pub(crate) fn say(&mut self, appid: &str, openid: &str, by: By, message: Value, push: Option<u64>) {
        self.chats.add(Line {
            seq: 0,
            at: self.now,
            appid: appid.to_owned(),
            openid: openid.to_owned(),
            by,
            path: String::new(),
            template_id: String::new(),
            message,
            opens: Value::Null,
            push,
        });
    }

    /// The line of a message that a call sent.
    pub(super) fn show_message(&mut self, sent: &Message, opens: Value) {
        self.chats.add(Line {
            seq: 0,
            at: self.now,
            appid: sent.appid.clone(),
            openid: sent.touser.clone(),
            by: By::Account,
            path: sent.path.to_owned(),
            template_id: sent.template_id.clone(),
            message: sent.data.clone(),
            opens,
            push: None,
        });
    }

    /// A user's phone, by id, openid or nickname: who it is, and a chat with every account.
    pub(crate) fn phone(&self, user: &str) -> Option<Value> {
        let user = self.users.find(user)?;
        let apps = self.order.iter().filter_map(|appid| self.apps.get(appid));
        let chats: Vec<Value> = apps
            .map(|app| {
                let openid = user.openid(&app.appid);
                json!({
                    "appid": app.appid,
                    "kind": app.kind,
                    "openid": openid,
                    "original_id": app.original_id,
                    "following": user.follows(&app.appid),
                    "callback": app.callback.is_some(),
                    "lines": self.chats.of(&app.appid, openid),
                })
            })
            .collect();
        Some(json!({
            "user": user.id,
            "nickname": user.nickname,
            "phone": user.phone,
            "now": self.now,
            "chats": chats,
        }))
    }

    /// Who there is, the first ones.
    pub(crate) fn people(&self) -> Value {
        let people = self.users.all.iter().take(MAX_USERS);
        let people: Vec<Value> = people
            .map(|user| json!({"user": user.id, "nickname": user.nickname, "openids": user.openids}))
            .collect();
        json!({"users": people, "count": self.users.all.len()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Random;

    #[test]
    fn a_chat_has_its_own_newest_lines_in_order() {
        let mut world = World::new(Random::default());
        let (appid, openid) =
            ("wx00000000000000a1", world.users.all[0].openid("wx00000000000000a1").to_owned());
        for n in 0..MAX_LINES + 5 {
            let whose = if n % 2 == 0 { openid.as_str() } else { "oSomebodyElse" };
            world.say(appid, whose, By::User, json!(n), None);
        }
        assert_eq!(world.chats.lines.len(), MAX_LINES, "there is a bound");
        let phone = world.phone("u1").unwrap();
        let lines = phone["chats"][0]["lines"].as_array().unwrap();
        assert_eq!(lines.len(), SHOWN);
        assert_eq!(lines[SHOWN - 1]["message"], json!(MAX_LINES + 4), "the newest comes last");
        assert!(lines.iter().all(|line| line["openid"] == openid.as_str()), "nobody else's");
    }
}
