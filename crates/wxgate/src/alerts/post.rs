//! Bringing a note to a channel: guarded as deliveries are, a few attempts, and what the robot says in its answer believed.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use serde_json::Value;

use super::Alerts;
use super::channel::{Channel, ChannelKind};
use super::note::{Note, Outgoing};
use crate::lang::Words;
use crate::net::{self, causes, collect};

/// To the end of an answer.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER: usize = 16 << 10;
/// Waits before further attempts.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// What a robot says of an error is quoted so far.
const QUOTED: usize = 200;

/// How a note fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// HTTP status; 0: no answer.
    pub status: u16,
    /// Why it didn't arrive. Holds no URL.
    pub error: Option<Words>,
}

impl Sent {
    fn failed(status: u16, zh: String, en: String) -> Self {
        Self { status, error: Some(Words::new(zh, en)) }
    }
}

impl Alerts {
    /// Tells `channel`, trying again twice.
    pub(super) async fn tell_one(&self, channel: &Channel, note: &Note<'_>) -> Sent {
        let mut sent = self.try_one(channel, note).await;
        for pause in PAUSES {
            if sent.error.is_none() || self.0.parts.tasks.draining.is_cancelled() {
                break;
            }
            self.0.parts.clock.pause(pause).await;
            sent = self.try_one(channel, note).await;
        }
        sent
    }

    /// Tells it once.
    pub(super) async fn try_one(&self, channel: &Channel, note: &Note<'_>) -> Sent {
        let Some(outgoing) = note.write(channel) else {
            return Sent::failed(0, "url 不是地址".to_owned(), "the url is none".to_owned());
        };
        let clock = &self.0.parts.clock;
        let posted = clock.by(clock.instant() + TIME, self.post(outgoing)).await;
        let (status, body) = match posted {
            Some(Ok(answer)) => answer,
            Some(Err(why)) => return Sent { status: 0, error: Some(why) },
            None => {
                return Sent::failed(0, format!("{TIME:?} 内没有应答"), format!("no answer within {TIME:?}"));
            }
        };
        if !(200..300).contains(&status) {
            return Sent::failed(status, format!("HTTP {status}"), format!("HTTP {status}"));
        }
        match refusal(channel.kind, &body) {
            Some(why) => {
                Sent::failed(status, format!("机器人拒绝了：{why}"), format!("the robot refused it: {why}"))
            }
            None => Sent { status, error: None },
        }
    }

    async fn post(&self, outgoing: Outgoing) -> Result<(u16, Bytes), Words> {
        let limits = &self.0.parts.limits;
        let mut request = http::Request::post(outgoing.url.as_str());
        for (name, value) in outgoing.headers {
            request = request.header(name, value);
        }
        let written = request.body(Full::new(Bytes::from(outgoing.body)));
        let request = written.map_err(|_| Words::fixed("请求写不出来", "the request can't be written"))?;
        let response = self.0.client.send(request).await.map_err(|error| match net::forbidden(&error) {
            Some(forbidden) => Words::new(forbidden.zh(), forbidden.to_string()),
            None => Words::new(causes(&error), causes(&error)),
        })?;
        let (head, mut body) = response.into_parts();
        let read = collect(&mut body, ANSWER, limits.silence, |_| false).await;
        Ok((head.status.as_u16(), read.map(|read| read.bytes).unwrap_or_default()))
    }
}

/// What a robot says against it, with HTTP 200 all the same.
fn refusal(kind: ChannelKind, body: &[u8]) -> Option<String> {
    let (codes, fine): (&[&str], i64) = match kind {
        ChannelKind::WeCom | ChannelKind::DingTalk => (&["errcode"], 0),
        ChannelKind::Feishu => (&["code", "StatusCode"], 0),
        ChannelKind::Bark => (&["code"], 200),
        ChannelKind::Webhook => return None,
    };
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = |name: &&str| said[name].as_i64().or_else(|| said[name].as_str()?.parse().ok());
    let Some(code) = codes.iter().find_map(code) else {
        // Whoever answers so is no robot.
        return Some(format!("no {}", codes[0]));
    };
    if code == fine {
        return None;
    }
    let words = ["errmsg", "msg", "StatusMessage", "message"].iter().find_map(|name| said[name].as_str());
    // Robots quote their URL at times.
    let words = words.filter(|words| !words.contains("://") && !words.contains("key=")).unwrap_or_default();
    let words: String = words.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
    Some(format!("{code} {words}").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_robot_that_says_no_with_http_200_is_understood() {
        let says = |kind, body: &str| refusal(kind, body.as_bytes());
        assert_eq!(says(ChannelKind::WeCom, r#"{"errcode":0,"errmsg":"ok"}"#), None);
        let wecom = r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#;
        assert_eq!(says(ChannelKind::WeCom, wecom).unwrap(), "93000 invalid webhook url");
        let dingtalk = r#"{"errcode":310000,"errmsg":"keywords not in content"}"#;
        assert_eq!(says(ChannelKind::DingTalk, dingtalk).unwrap(), "310000 keywords not in content");
        assert_eq!(says(ChannelKind::Feishu, r#"{"StatusCode":0,"StatusMessage":"success"}"#), None);
        let feishu = r#"{"code":19021,"msg":"sign match fail"}"#;
        assert_eq!(says(ChannelKind::Feishu, feishu).unwrap(), "19021 sign match fail");
        assert_eq!(says(ChannelKind::Bark, r#"{"code":200,"message":"success"}"#), None);
        assert_eq!(says(ChannelKind::Bark, r#"{"code":400,"message":"at https://x/key"}"#).unwrap(), "400");
        assert_eq!(says(ChannelKind::Webhook, r#"{"errcode":1}"#), None);
        for body in ["fine", "", "{}", "<html>"] {
            assert!(says(ChannelKind::WeCom, body).is_some(), "{body}");
        }
        assert!(says(ChannelKind::WeCom, r#"{"errcode":"93000"}"#).unwrap().starts_with("93000"));
        assert_eq!(says(ChannelKind::Webhook, "fine"), None);
    }
}
