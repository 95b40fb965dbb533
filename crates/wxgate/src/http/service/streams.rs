//! Messages as a stream (SSE), and what its reader says to them. These calls are for no single app.

use std::convert::Infallible;

use futures_util::stream;
use http::StatusCode;

use super::fields::Fields;
use super::{Alone, Service, Success, too_large};
use crate::admit::Denied;
use crate::delivery::NotTaken;
use crate::feed::{NoReply, Wish, is_name};
use crate::problem::{Code, Problem};
use crate::shares::Room;

impl Service {
    /// `GET events`
    pub(super) async fn events(&self, call: Alone) -> Result<Success, Problem> {
        let last = call.header("last-event-id");
        let Alone { entered, address, path, fields, .. } = call;
        let text = |name: &str| Some(fields.text(name).to_owned()).filter(|text| !text.is_empty());
        let last = last.filter(|last| !last.is_empty()).map(|last| ("Last-Event-ID", last));
        let last = last.or_else(|| Some(("last_event_id", text("last_event_id")?)));
        let last = last.map(|(name, last)| number(name, &last)).transpose()?;
        let name = text("name").map(named).transpose()?;
        if name.is_none() && is_on(&fields, "acks") {
            let (zh, en) =
                ("要和 name 一起用：记的是这个名字读到了哪里", "needs a name, whose place it keeps");
            return Err(Problem::parameter("acks", zh, en));
        }
        if !is_openid(fields.text("openid")) {
            let (zh, en) =
                ("应是一个 openid（字母、数字、_ 和 -）", "must be an openid: letters, digits, _ and -");
            return Err(Problem::parameter("openid", zh, en));
        }
        if self.0.parts.tasks.draining.is_cancelled() {
            return Err(Denied::Overloaded.into());
        }
        let events = fields.text("event").split(',').map(str::trim).filter(|one| !one.is_empty());
        let place = self.0.door.place_alone(Room::Long, &entered.caller)?;
        let wish = Wish {
            caller: entered.caller,
            holder: entered.holder,
            address,
            path,
            appid: text("appid"),
            openid: text("openid"),
            events: events.map(str::to_owned).collect(),
            raw: is_on(&fields, "raw"),
            name,
            acks: is_on(&fields, "acks"),
            last,
            place,
        };
        let opened = self.0.feed.open(wish).await?;
        let opened = opened.map_err(|_| {
            Problem::parameter(
                "event",
                "应像路由的 events：SCAN、event:LOCATION、message:*，用逗号分开",
                "must be as in a route's events: SCAN, event:LOCATION, message:*, apart by commas",
            )
        })?;
        let said = stream::unfold(opened, async |mut opened| {
            let next = opened.next().await?;
            Some((Ok::<_, Infallible>(next), opened))
        });
        Ok(Success::Stream(axum::body::Body::from_stream(Box::pin(said))))
    }

    /// `events/ack`
    pub(super) async fn ack(&self, call: Alone) -> Result<Success, Problem> {
        let _place = self.0.door.place_alone(Room::Calls, &call.entered.caller)?;
        let name = named(call.fields.text("name").to_owned())?;
        let id = number("id", call.fields.text("id"))?;
        let noted = self.0.feed.ack(&call.entered.caller, &name, id).await;
        match noted? {
            true => Ok(Success::Body(serde_json::json!({}))),
            false => Err(Problem::parameter(
                "id",
                "不对：没有这个名字的事件流（先打开它），或还没有编号这么大的消息",
                "is wrong: there is no stream of this name (open it first), or no message of this number yet",
            )),
        }
    }

    /// `events/{id}/reply`
    pub(super) async fn reply(&self, call: Alone) -> Result<Success, Problem> {
        let _place = self.0.door.place_alone(Room::Calls, &call.entered.caller)?;
        let most = self.0.parts.limits.reply;
        if call.body.len() > most {
            return Err(too_large(most));
        }
        match self.0.feed.reply(&call.entered.caller, &call.segment, &call.body).await {
            Ok(()) => Ok(Success::Body(serde_json::json!({}))),
            Err(why) => Err(not_taken(why)),
        }
    }
}

fn is_openid(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn is_on(fields: &Fields, name: &str) -> bool {
    matches!(fields.text(name), "1" | "true")
}

fn number(name: &str, text: &str) -> Result<i64, Problem> {
    text.trim().parse().ok().filter(|number| *number >= 0).ok_or_else(|| {
        Problem::parameter(
            name,
            "应是消息的编号：事件流里 id: 后面的数字",
            "must be a message's number: what follows id: in the stream",
        )
    })
}

fn named(name: String) -> Result<String, Problem> {
    if is_name(&name) {
        return Ok(name);
    }
    let (zh, en) = ("应是 1 到 64 个 [A-Za-z0-9._-] 字符", "must be 1 to 64 characters of [A-Za-z0-9._-]");
    Err(Problem::parameter("name", zh, en))
}

fn not_taken(why: NoReply) -> Problem {
    match why {
        NoReply::Right => Problem::new(
            Code::Forbidden,
            "这个调用方不能回复用户：在它的 [[callers]] 里设 may_reply = true",
            "the caller may not answer users: set may_reply = true in its [[callers]]",
        ),
        NoReply::NoStream => Problem::new(
            Code::Forbidden,
            "没有打开着的、按这位用户的 openid 过滤的事件流：先打开 GET events?openid=…，再回复",
            "no stream of this user's messages is open: open GET events?openid=… first",
        ),
        NoReply::Unknown => Problem::parameter(
            "id",
            "不对：没有这条消息，或这个调用方不能用它的账号",
            "is wrong: there is no such message, or the caller may not use its account",
        ),
        NoReply::NotTaken(NotTaken::Late | NotTaken::Elsewhere) => Problem::new(
            Code::Parameter,
            "来不及了：微信最多等 4.5 秒；或者这条消息已经答过、由别人来答",
            "too late: WeChat waits for 4.5 seconds; or the message was answered, or is somebody else's to answer",
        )
        .status(StatusCode::CONFLICT),
        NoReply::NotTaken(NotTaken::NoReply) => Problem::new(
            Code::Parameter,
            "请求体不是被动回复：应是有 MsgType 的 <xml> 或 JSON 对象，或 success",
            "the body is no passive reply: <xml> or a JSON object with a MsgType, or success",
        ),
        NoReply::Store(error) => error.into(),
    }
}
