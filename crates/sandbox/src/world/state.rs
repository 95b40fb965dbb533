//! `GET /sandbox/state`: everything but secrets and tokens.

use super::lately::Lately;
use super::{App, World, log, message};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct State<'a> {
    now: i64,
    apps: Vec<Value>,
    users: &'a [super::User],
    tokens: Vec<Value>,
    pushes: &'a Lately<log::PushRecord>,
    messages: &'a Lately<message::Message>,
    links: Vec<&'a super::Link>,
    quirks: &'a super::quirks::Quirks,
    quotas: Vec<Value>,
    calls: &'a Lately<log::CallRecord>,
}

impl World {
    /// The state as JSON.
    pub(crate) fn state(&self) -> Vec<u8> {
        let state = State {
            now: self.now,
            apps: self
                .order
                .iter()
                .filter_map(|appid| self.apps.get(appid))
                .map(App::view)
                .collect(),
            users: &self.users.all,
            tokens: self
                .tokens
                .list()
                .into_iter()
                .map(|(appid, mode, end)| {
                    json!({"appid": appid, "mode": mode, "expires_at": end.div_euclid(1000)})
                })
                .collect(),
            pushes: self.pushes.over(),
            messages: &self.messages.sent,
            links: self.links.list().collect(),
            quirks: &self.quirks,
            quotas: self.quotas.view(self.now),
            calls: self.calls.brief(),
        };
        serde_json::to_vec(&state).unwrap_or_default()
    }
}

impl App {
    /// The account without its secrets.
    pub(crate) fn view(&self) -> Value {
        json!({
            "appid": self.appid,
            "kind": self.kind,
            "original_id": self.original_id,
            "callback": self.callback,
            "ip_allow": self.ip_allow.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "token_ttl": self.token_ttl,
            "oauth_domains": self.oauth_domains,
            "bound": self.bound,
            "linked": self.linked,
            "pages": self.pages,
        })
    }
}
