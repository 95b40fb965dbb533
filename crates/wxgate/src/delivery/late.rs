//! An answer that came too late to be the passive reply goes to the user as a customer-service message, where its route says
//! so: once, whatever comes of it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use wechat::catalog::CUSTOM_SEND;
use wechat::message::Message;

use super::Deliveries;
use super::answer::{Answer, answers_itself};
use crate::entries::RouteEntry;
use crate::lang::say;
use crate::parts::Parts;
use crate::registry::App;
use crate::rings::FailedCall;
use crate::store::Claimed;
use crate::upstream::CallError;

impl Deliveries {
    /// Sends the late `answer` to `message`, a message to `app`, in a task of its own, if `route` wants that.
    pub(super) fn late(
        &self,
        route: &RouteEntry,
        claimed: &Claimed,
        message: &Message,
        answer: &Answer,
        app: Arc<App>,
    ) {
        let is_wanted = route.reply.is_some_and(|reply| reply.goes_late);
        let openid = message.from_user();
        if !is_wanted || answers_itself(message) || openid.is_empty() {
            return;
        }
        let (route, event) = (route.name.clone(), claimed.event_id);
        let Some(body) = custom(&openid, &Message::read(&answer.message)) else {
            tracing::warn!(
                route,
                event,
                "{}",
                say(
                    "迟到的回复没有对应的客服消息，没有发给用户（只有文字、图片、语音、视频、音乐、图文能转）",
                    "a late reply has no like among customer-service messages and didn't reach the user: only text, image, voice, video, music and news have",
                )
            );
            return;
        };
        let this = self.clone();
        self.0.parts.tasks.spawn(async move {
            let Parts { clock, rings, .. } = &this.0.parts;
            let (at, began) = (clock.now(), clock.instant());
            let (nobody, body) = ("-".into(), Bytes::from(body.to_string()));
            // Boxed: it is rare.
            let sent = Box::pin(this.0.upstream.json(&nobody, &app, &CUSTOM_SEND, &[], Some(body))).await;
            if let Err(CallError::Refused(error)) = &sent {
                rings.failed(&FailedCall {
                    at,
                    request_id: "",
                    caller: "",
                    appid: &app.appid,
                    api: CUSTOM_SEND.path,
                    status: 200,
                    errcode: error.errcode,
                    rid: error.rid(),
                    ms: u64::try_from((clock.instant() - began).as_millis()).unwrap_or(u64::MAX),
                });
            }
            tell(&route, event, &app.appid, sent);
        });
    }
}

/// Tells what became of it. WeChat's own words may hold anything.
fn tell(route: &str, event: i64, appid: &str, sent: Result<Value, CallError>) {
    let reason = match sent {
        Ok(_) => {
            let done = say("迟到的回复作为客服消息发出", "a late reply went as a customer-service message");
            tracing::info!(route, event, appid, "{done}");
            return;
        }
        Err(CallError::Refused(error)) => {
            say(format!("微信 {}", error.errcode), format!("WeChat {}", error.errcode))
        }
        Err(CallError::Lost(lost)) => lost.said(),
        Err(CallError::Token(_) | CallError::Unknown | CallError::Again) => {
            say("没有可用的 access_token", "there is no access_token").to_owned()
        }
    };
    tracing::warn!(
        route,
        event,
        appid,
        reason,
        "{}",
        say(
            "迟到的回复没能作为客服消息发出，不再重发（发没发到，以微信的应答为准）",
            "a late reply couldn't be sent as a customer-service message; it isn't sent again, for nobody knows whether it arrived where WeChat didn't answer",
        )
    );
}

/// The passive reply as a customer-service message; `None`: there is none like it, or it says nothing.
fn custom(openid: &str, reply: &Message) -> Option<Value> {
    let kind = reply.text("MsgType").to_ascii_lowercase();
    let (group, names): (&str, &[(&str, &str)]) = match kind.as_str() {
        "text" => ("", &[("content", "Content")]),
        "image" => ("Image", &[("media_id", "MediaId")]),
        "voice" => ("Voice", &[("media_id", "MediaId")]),
        "video" => (
            "Video",
            &[
                ("media_id", "MediaId"),
                ("thumb_media_id", "ThumbMediaId"),
                ("title", "Title"),
                ("description", "Description"),
            ],
        ),
        "music" => (
            "Music",
            &[
                ("title", "Title"),
                ("description", "Description"),
                ("musicurl", "MusicUrl"),
                ("hqmusicurl", "HQMusicUrl"),
                ("thumb_media_id", "ThumbMediaId"),
            ],
        ),
        "news" => {
            return Some(json!({"touser": openid, "msgtype": kind, "news": {"articles": [article(reply)?]}}));
        }
        _ => return None,
    };
    let from = if group.is_empty() { reply.fields() } else { reply.fields().get(group)?.as_object()? };
    let said = copied(from, names);
    let is_said = said.contains_key(names[0].0) || kind == "music" && !said.is_empty();
    is_said.then(|| json!({"touser": openid, "msgtype": kind.as_str(), kind.as_str(): said}))
}

/// The first article: a customer-service message has one.
fn article(reply: &Message) -> Option<Map<String, Value>> {
    let first = match reply.fields().get("Articles")? {
        Value::Array(articles) => articles.first()?,
        articles => match articles.get("item")? {
            Value::Array(items) => items.first()?,
            item => item,
        },
    };
    let names = [("title", "Title"), ("description", "Description"), ("url", "Url"), ("picurl", "PicUrl")];
    Some(copied(first.as_object()?, &names)).filter(|article| !article.is_empty())
}

/// The members named, by their other names, where they say something.
fn copied(from: &Map<String, Value>, names: &[(&str, &str)]) -> Map<String, Value> {
    let said = |(new, old): &(&str, &str)| {
        let text = from.get(*old)?.as_str().filter(|text| !text.is_empty())?;
        Some(((*new).to_owned(), text.into()))
    };
    names.iter().filter_map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &str) -> Option<String> {
        custom("o1", &Message::read(reply.as_bytes())).map(|body| body.to_string())
    }

    fn xml(kind: &str, more: &str) -> String {
        format!("<xml><ToUserName>o9</ToUserName><MsgType><![CDATA[{kind}]]></MsgType>{more}</xml>")
    }

    #[test]
    fn each_kind_of_reply_in_the_words_of_the_other_api() {
        let cases = [
            (
                xml("text", "<Content><![CDATA[你好 <b> \"&\"]]></Content>"),
                r#"{"msgtype":"text","text":{"content":"你好 <b> \"&\""},"touser":"o1"}"#,
            ),
            (
                xml("image", "<Image><MediaId>m1</MediaId></Image>"),
                r#"{"image":{"media_id":"m1"},"msgtype":"image","touser":"o1"}"#,
            ),
            (
                xml("voice", "<Voice><MediaId>m1</MediaId></Voice>"),
                r#"{"msgtype":"voice","touser":"o1","voice":{"media_id":"m1"}}"#,
            ),
            (
                xml(
                    "video",
                    "<Video><MediaId>m1</MediaId><Title>t</Title><Description></Description></Video>",
                ),
                r#"{"msgtype":"video","touser":"o1","video":{"media_id":"m1","title":"t"}}"#,
            ),
            (
                xml(
                    "music",
                    "<Music><Title>t</Title><MusicUrl>http://a/</MusicUrl><HQMusicUrl>http://b/</HQMusicUrl><ThumbMediaId>m</ThumbMediaId></Music>",
                ),
                r#"{"msgtype":"music","music":{"hqmusicurl":"http://b/","musicurl":"http://a/","thumb_media_id":"m","title":"t"},"touser":"o1"}"#,
            ),
            (
                xml(
                    "news",
                    "<ArticleCount>2</ArticleCount><Articles><item><Title>a</Title><PicUrl>p</PicUrl><Url>u</Url></item><item><Title>b</Title></item></Articles>",
                ),
                r#"{"msgtype":"news","news":{"articles":[{"picurl":"p","title":"a","url":"u"}]},"touser":"o1"}"#,
            ),
            (
                r#"{"MsgType":"text","Content":"json"}"#.to_owned(),
                r#"{"msgtype":"text","text":{"content":"json"},"touser":"o1"}"#,
            ),
        ];
        for (reply, expected) in cases {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let got: Value = serde_json::from_str(&written(&reply).expect(&reply)).unwrap();
            assert_eq!(got, expected, "{reply}");
        }
    }

    #[test]
    fn what_says_nothing_or_has_no_like_is_not_sent() {
        for reply in [
            xml("transfer_customer_service", ""),
            xml("text", "<Content></Content>"),
            xml("text", ""),
            xml("image", "<Image></Image>"),
            xml("image", ""),
            xml("news", "<Articles></Articles>"),
            xml("news", "<Articles><item></item></Articles>"),
        ] {
            assert_eq!(written(&reply), None, "{reply}");
        }
    }
}
