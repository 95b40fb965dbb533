//! What people are told, and how each kind of channel wants it written. Pure.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::Mac as _;
use http::header::{CONTENT_TYPE, HeaderName};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use super::channel::{Channel, ChannelKind};
use crate::entries::WebhookSecret;
use crate::lang::Words;
use crate::problems::{Problem, Severity};

/// So many are told in full; of more a line each.
const IN_FULL: usize = 3;
/// So many have a line.
const IN_LINES: usize = 20;
/// WeCom takes 4,096 bytes of text.
const LONGEST: usize = 4_000;

/// Why people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Something is amiss.
    Began,
    /// It is over.
    Over,
    /// Somebody wants to see whether this gets through.
    Test,
}

impl News {
    fn name(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Over => "over",
            Self::Test => "test",
        }
    }
}

/// What people are told at once.
#[derive(Clone, Debug)]
pub(super) struct Note<'a> {
    /// Why.
    pub(super) news: News,
    /// Of what; of a test nothing.
    pub(super) problems: &'a [Problem],
    /// Where the console is.
    pub(super) admin_url: Option<&'a Url>,
    /// When, Unix milliseconds.
    pub(super) now: i64,
}

/// A POST, ready to go.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Where to.
    pub(super) url: Url,
    /// Its headers.
    pub(super) headers: Vec<(HeaderName, String)>,
    /// Its body.
    pub(super) body: String,
}

impl Note<'_> {
    /// Written for `channel`; `None`: its URL isn't one.
    pub(super) fn write(&self, channel: &Channel) -> Option<Outgoing> {
        let mut url = Url::parse(channel.url.expose_secret()).ok()?;
        let mut headers = vec![(CONTENT_TYPE, "application/json".to_owned())];
        let secret = channel.secret.as_ref().map(|secret| secret.expose_secret());
        let english = channel.english;
        let (title, text) = (self.title(english), self.text(english));
        let body = match channel.kind {
            ChannelKind::WeCom => {
                json!({"msgtype": "markdown", "markdown": {"content": cut(&format!("**{title}**\n{text}"))}})
            }
            ChannelKind::DingTalk => {
                if let Some(secret) = secret {
                    let sign = hmac(secret.as_bytes(), format!("{}\n{secret}", self.now).as_bytes());
                    url.query_pairs_mut()
                        .append_pair("timestamp", &self.now.to_string())
                        .append_pair("sign", &sign);
                }
                // A line of its own wants an empty one before it.
                let text = format!("**{title}**\n\n{}", text.replace('\n', "\n\n"));
                json!({"msgtype": "markdown", "markdown": {"title": title, "text": cut(&text)}})
            }
            ChannelKind::Feishu => self.feishu(secret, &title, &text),
            ChannelKind::Bark => json!({
                "title": title, "body": cut(&self.plain(english)), "group": "wxgate",
                "level": if self.news == News::Began { "timeSensitive" } else { "active" },
                "url": self.link(), "copy": self.problems.first().and_then(|problem| problem.copy.as_deref()),
            }),
            ChannelKind::Webhook => {
                let body = self.payload(english);
                if let Some(secret) = secret.and_then(WebhookSecret::parse) {
                    headers.extend(self.signed(&secret, &body.to_string()));
                }
                body
            }
        };
        Some(Outgoing { url, headers, body: body.to_string() })
    }

    fn feishu(&self, secret: Option<&str>, title: &str, text: &str) -> Value {
        let is_bad = self.problems.iter().any(|problem| problem.severity == Severity::Error);
        let colour = match (self.news, is_bad) {
            (News::Began, true) => "red",
            (News::Began, false) => "orange",
            (News::Over, _) => "green",
            (News::Test, _) => "blue",
        };
        let mut body = json!({"msg_type": "interactive", "card": {
            "header": {"title": {"tag": "plain_text", "content": title}, "template": colour},
            "elements": [{"tag": "markdown", "content": cut(text)}],
        }});
        if let Some(secret) = secret {
            let at = (self.now / 1000).to_string();
            // The key is the text, and what is signed is empty: Feishu's own way.
            body["sign"] = hmac(format!("{at}\n{secret}").as_bytes(), b"").into();
            body["timestamp"] = at.into();
        }
        body
    }

    /// For programs: both languages, and everything the API shows.
    fn payload(&self, english: bool) -> Value {
        let problem = |problem: &Problem| {
            let mut shown = problem.json(english);
            for (key, words) in
                [("summary", &problem.summary), ("impact", &problem.impact), ("fix", &problem.fix)]
            {
                shown[format!("{key}_zh")] = words.zh.clone().into();
                shown[format!("{key}_en")] = words.en.clone().into();
            }
            shown
        };
        json!({
            "type": format!("wxgate.alert.{}", self.news.name()), "timestamp": rfc3339(self.now),
            "data": {"problems": self.problems.iter().map(problem).collect::<Vec<_>>(), "link": self.link()},
        })
    }

    /// As deliveries are: Standard Webhooks. The id is the same whenever the same is told again.
    fn signed(&self, secret: &WebhookSecret, body: &str) -> [(HeaderName, String); 3] {
        let first = self.problems.first().map_or(("test", self.now), |one| (one.id.as_str(), one.since));
        let id = format!("{}:{}:{}", first.0, first.1, self.news.name());
        let at = self.now / 1000;
        let sign = hmac(secret.bytes(), format!("{id}.{at}.{body}").as_bytes());
        [
            (HeaderName::from_static("webhook-id"), id),
            (HeaderName::from_static("webhook-timestamp"), at.to_string()),
            (HeaderName::from_static("webhook-signature"), format!("v1,{sign}")),
        ]
    }

    fn title(&self, english: bool) -> String {
        let say = |zh: &str, en: &str| if english { en.to_owned() } else { zh.to_owned() };
        match (self.news, self.problems) {
            (News::Test, _) => say("wxgate：试发", "wxgate: a test"),
            (News::Began, [one]) => format!("{}{}", say("wxgate：", "wxgate: "), one.summary.of(english)),
            (News::Over, [one]) => {
                format!("{}{}", say("wxgate 已恢复：", "wxgate, over: "), one.summary.of(english))
            }
            (News::Began, all) => {
                say(&format!("wxgate：{} 个问题", all.len()), &format!("wxgate: {} problems", all.len()))
            }
            (News::Over, all) => say(
                &format!("wxgate 已恢复：{} 个问题", all.len()),
                &format!("wxgate, over: {} problems", all.len()),
            ),
        }
    }

    /// In Markdown, a line each.
    fn text(&self, english: bool) -> String {
        let mut text = self.plain(english);
        if let Some(link) = self.link() {
            let label = if english { "Open the console" } else { "打开控制台" };
            text.push_str(&format!("\n[{label}]({link})"));
        }
        text
    }

    fn plain(&self, english: bool) -> String {
        const TEST: Words = Words::fixed(
            "收到这条，通道就通了：出事时会在这里说是什么、影响谁、怎么处理，好了也会说",
            "This channel works: it will say here what is amiss, what that does and what to do, and when it is over",
        );
        let lines: Vec<String> = match self.problems {
            [] => vec![TEST.of(english).to_owned()],
            [one] => self.lines(one, english),
            all if all.len() <= IN_FULL => {
                let whole = |one: &Problem| {
                    [vec![one.summary.of(english).to_owned()], self.lines(one, english)].concat()
                };
                all.iter().flat_map(whole).collect()
            }
            all => {
                let line = |one: &Problem| format!("- {}", one.summary.of(english));
                let left = all.len().saturating_sub(IN_LINES);
                let more = if english { format!("and {left} more") } else { format!("另有 {left} 个") };
                all.iter().take(IN_LINES).map(line).chain((left > 0).then_some(more)).collect()
            }
        };
        lines.join("\n")
    }

    fn lines(&self, problem: &Problem, english: bool) -> Vec<String> {
        let label = |zh: &str, en: &str| if english { format!("{en}: ") } else { format!("{zh}：") };
        if self.news == News::Over {
            let until = problem.ended_at.unwrap_or(self.now);
            let lasted = until.saturating_sub(problem.since).max(0) / 60_000;
            let lasted = if english { format!("{lasted} minutes") } else { format!("{lasted} 分钟") };
            return vec![format!("{}{lasted}", label("前后", "It took"))];
        }
        let mut lines = vec![
            format!("{}{}", label("影响", "Impact"), problem.impact.of(english)),
            format!("{}{}", label("处理", "What to do"), problem.fix.of(english)),
        ];
        lines.extend(
            problem.copy.as_ref().map(|copy| format!("{}`{copy}`", label("要填的", "To be entered"))),
        );
        lines.push(format!("{}{}", label("开始于", "Since"), shown(problem.since, english)));
        lines
    }

    /// The console's page about it.
    fn link(&self) -> Option<String> {
        let base = self.admin_url?.as_str().trim_end_matches('/');
        Some(match self.problems {
            [one] => format!("{base}{}", one.link),
            _ => format!("{base}/alerts"),
        })
    }
}

/// Within what every channel takes.
fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST)])
}

fn hmac(key: &[u8], text: &[u8]) -> String {
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(key)
        .expect("HMAC takes keys of any length");
    mac.update(text);
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

fn rfc3339(at: i64) -> String {
    let seconds = u64::try_from(at / 1000).unwrap_or_default().min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// Beijing's time for whoever reads Chinese, UTC for others.
fn shown(at: i64, english: bool) -> String {
    let at = if english { at } else { at.saturating_add(8 * 3_600_000) };
    let text = rfc3339(at).replace('T', " ").replace('Z', "");
    if english { format!("{text} UTC") } else { format!("{text}（北京时间）") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_that_the_robots_documents_show() {
        // Computed by another program, in the way of each robot's document.
        let secret = "SECxxx";
        let dingtalk = hmac(secret.as_bytes(), format!("1600000000000\n{secret}").as_bytes());
        assert_eq!(dingtalk, "46z2Kh6PB64ZSqLEX1CgPwbuz6TSyTqZm4N6qNkqUXQ=");
        let feishu = hmac(b"1599360473\ndemo", b"");
        assert_eq!(feishu, "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "汉".repeat(2_000);
        assert!(cut(&long).len() <= LONGEST + 3 && cut(&long).ends_with('…'));
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn times_are_those_of_the_reader() {
        assert_eq!(shown(1_795_305_600_000, true), "2026-11-22 00:00:00 UTC");
        assert_eq!(shown(1_795_305_600_000, false), "2026-11-22 08:00:00（北京时间）");
    }
}
