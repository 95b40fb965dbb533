//! Messages as a stream.

use futures_util::FutureExt as _;
use http::Method;

use super::super::param::{Param, Shape, may, need};
use super::{BASE, Operation, Own, Takes};

const WANTED: &[Param] = &[
    may("appid", Shape::Text(64), "只要这个账号的", "of this account"),
    may("openid", Shape::Text(128), "只要这位用户的", "of this user"),
    may(
        "event",
        Shape::Text(1024),
        "只要这些，写法同路由的 events，用逗号分开：SCAN,message:*",
        "of these kinds, as in a route's events, apart by commas: SCAN,message:*",
    ),
    may(
        "name",
        Shape::Text(64),
        "流的名字：读到哪里按调用方和名字记在网关，断开期间的下次打开时按序补上；同名的再打开一次，前一个就结束",
        "the stream's name: how far it was read is kept by caller and name, and what came meanwhile follows at the next opening; a second opening ends the first",
    ),
    may(
        "acks",
        Shape::Choice(&["0", "1"]),
        "1：读到哪里由 events/ack 说了算",
        "1: how far it was read is what events/ack says",
    ),
    may(
        "raw",
        Shape::Choice(&["0", "1"]),
        "1：data.raw 里带微信的原文（base64）",
        "1: with the message as WeChat wrote it in data.raw (base64)",
    ),
    may(
        "last_event_id",
        Shape::Text(20),
        "从这个编号之后开始；也可用请求头 Last-Event-ID",
        "begins after this number; the header Last-Event-ID says the same",
    ),
];

const DONE: &[Param] = &[
    need("name", Shape::Text(64), "流的名字", "the stream's name"),
    need("id", Shape::Text(20), "处理完的最后一条的编号", "the number of the last message that is done"),
];

pub(super) const EVENTS: Operation = Operation {
    name: "events",
    method: Method::GET,
    summary: (
        "消息和事件的流（SSE）：按存下的先后，断开后用 Last-Event-ID 接着收，一条不漏",
        "Messages and events as a stream (SSE), in the order in which they were kept; Last-Event-ID resumes, and none is passed over",
    ),
    params: WANTED,
    own: Some(Own {
        run: |service, call| async move { service.events(call).await }.boxed(),
        takes: Takes::Query,
        gives: Some("text/event-stream"),
    }),
    ..BASE
};

pub(super) const ACK: Operation = Operation {
    name: "events/ack",
    summary: (
        "有名字的事件流（acks=1）处理到了哪里",
        "How far the reader of a named stream (acks=1) has come",
    ),
    params: DONE,
    own: Some(Own {
        run: |service, call| async move { service.ack(call).await }.boxed(),
        takes: Takes::Json,
        gives: None,
    }),
    ..BASE
};

pub(super) const REPLY: Operation = Operation {
    name: "events/{id}/reply",
    summary: (
        "从事件流给出被动回复（调用方须有 may_reply，并开着按该 openid 过滤的流）；来不及时 409",
        "The passive reply, from a stream (the caller needs may_reply and an open stream that filters the openid); 409 when too late",
    ),
    own: Some(Own {
        run: |service, call| async move { service.reply(call).await }.boxed(),
        takes: Takes::Raw,
        gives: None,
    }),
    ..BASE
};
