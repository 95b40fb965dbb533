//! The codes that were made, as on a shop's screens: what a phone can be held against.

use super::World;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use url::Url;

/// Codes on the screen.
const MAX_SHOWN: usize = 200;

/// One code on the screen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) seq: u64,
    /// When it was put there: Unix milliseconds by the sandbox's clock.
    at: i64,
    pub(crate) appid: String,
    /// `temporary`, `permanent` or `mini`.
    kind: String,
    /// Of an official account's code; empty of a mini program's.
    pub(crate) ticket: String,
    pub(crate) scene: String,
    /// Of a mini program's code.
    page: String,
    /// What a scanner reads.
    pub(crate) url: String,
    /// Unix milliseconds; `None`: never.
    expires: Option<i64>,
}

/// The newest codes.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Screen {
    last: u64,
    shown: VecDeque<Shown>,
}

impl Screen {
    fn put(&mut self, code: Shown) {
        self.last += 1;
        self.shown.retain(|old| old.url != code.url);
        if self.shown.len() == MAX_SHOWN {
            self.shown.pop_front();
        }
        self.shown.push_back(Shown { seq: self.last, ..code });
    }

    /// The newest first.
    pub(crate) fn newest(&self, most: usize) -> Vec<&Shown> {
        self.shown.iter().rev().take(most).collect()
    }

    pub(crate) fn number(&self, seq: u64) -> Option<&Shown> {
        self.shown.iter().find(|code| code.seq == seq)
    }
}

impl World {
    /// An official account's code appears on the screen.
    pub(crate) fn show_ticket(&mut self, ticket: &str) {
        if let Some(shown) = self.qr.by_ticket.get(ticket).map(|code| of_ticket(code, self.now)) {
            self.screen.put(shown);
        }
    }

    /// A mini program's code appears on the screen.
    pub(crate) fn show_mini(&mut self, url: &str) {
        if let Some(shown) = of_mini(url, self.now) {
            self.screen.put(shown);
        }
    }

    /// The code that was meant: a ticket, what a scanner reads, the id at its end, or the address of its picture.
    pub(crate) fn read_code(&self, text: &str) -> Option<Shown> {
        let text = text.trim();
        let parsed = Url::parse(text).ok();
        let ticket = parsed.as_ref().and_then(|url| {
            url.query_pairs().find(|(name, _)| name == "ticket").map(|(_, ticket)| ticket.into_owned())
        });
        if let Some(code) = self.qr.by_ticket.get(ticket.as_deref().unwrap_or(text)) {
            return Some(of_ticket(code, self.now));
        }
        let id = parsed.as_ref().map_or(text, |url| url.path().strip_prefix("/q/").unwrap_or_default());
        let by_url = || self.qr.by_ticket.values().find(|code| code.url.rsplit('/').next() == Some(id));
        match of_mini(text, self.now) {
            Some(mini) => Some(mini),
            None if id.is_empty() => None,
            None => by_url().map(|code| of_ticket(code, self.now)),
        }
    }
}

fn of_ticket(code: &super::qr::QrCode, at: i64) -> Shown {
    Shown {
        seq: 0,
        at,
        appid: code.appid.clone(),
        kind: if code.expires.is_some() { "temporary" } else { "permanent" }.to_owned(),
        ticket: code.ticket.clone(),
        scene: code.scene.to_string(),
        page: String::new(),
        url: code.url.clone(),
        expires: code.expires,
    }
}

/// What stands in a mini program's code.
fn of_mini(text: &str, at: i64) -> Option<Shown> {
    let url = Url::parse(text).ok().filter(|url| url.host_str() == Some("mp.weixin.qq.com"))?;
    let part = |name: &str| {
        let found = url.query_pairs().find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let appid = Some(part("appid")).filter(|appid| !appid.is_empty())?;
    // Codes of which there are few say the path, with its query; the others a page and a scene.
    let page = Some(part("page")).filter(|page| !page.is_empty()).unwrap_or_else(|| part("path"));
    Some(Shown {
        seq: 0,
        at,
        appid,
        kind: "mini".to_owned(),
        ticket: String::new(),
        scene: part("scene"),
        page,
        url: text.to_owned(),
        expires: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Random, Scene};

    #[test]
    fn a_code_is_known_by_all_that_stands_on_it() {
        let mut world = World::new(Random::default());
        let code = world.make_qr("wx00000000000000a1", Scene::Text("login_1".to_owned()), Some(60)).unwrap();
        let id = code.url.rsplit('/').next().unwrap();
        let picture =
            Url::parse_with_params("https://mp.weixin.qq.com/cgi-bin/showqrcode", [("ticket", &code.ticket)]);
        let local = format!("http://127.0.0.1:36080/q/{id}");
        for text in [&code.ticket, &code.url, id, picture.unwrap().as_str(), &local, &format!(" {id}\n")] {
            assert_eq!(world.read_code(text).map(|code| code.scene), Some("login_1".to_owned()), "{text}");
        }
        for text in ["", "x", "http://127.0.0.1/", "https://mp.weixin.qq.com/"] {
            assert!(world.read_code(text).is_none(), "{text}");
        }
        let mini = "https://mp.weixin.qq.com/a/sandbox?appid=wx00000000000000b2&page=pages%2Findex%2Findex&scene=id%3D1";
        let read = world.read_code(mini).unwrap();
        assert_eq!((read.scene.as_str(), read.page.as_str()), ("id=1", "pages/index/index"));
        let limited =
            "https://mp.weixin.qq.com/a/sandbox?appid=wx00000000000000b2&path=pages%2Findex%2Findex%3Fid%3D1";
        assert_eq!(world.read_code(limited).unwrap().page, "pages/index/index?id=1");
    }

    #[test]
    fn the_newest_code_stands_first_and_only_once() {
        let mut world = World::new(Random::default());
        let tickets: Vec<String> = (1..=2)
            .map(|n| world.make_qr("wx00000000000000a1", Scene::Number(n), None).unwrap().ticket)
            .collect();
        for ticket in [&tickets[0], &tickets[1], &tickets[0]] {
            world.show_ticket(ticket);
        }
        let scenes: Vec<&str> = world.screen.newest(9).iter().map(|code| code.scene.as_str()).collect();
        assert_eq!(scenes, ["1", "2"]);
        for n in 3..500 {
            world
                .show_mini(&format!("https://mp.weixin.qq.com/a/sandbox?appid=wx00000000000000b2&scene={n}"));
        }
        assert_eq!(world.screen.newest(1_000).len(), MAX_SHOWN, "there is a bound");
    }
}
