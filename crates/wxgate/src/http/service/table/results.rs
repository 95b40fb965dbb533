//! Endpoints that ask what became of something.

use futures_util::FutureExt as _;

use super::super::param::{Shape, may, need};
use super::super::{Service, results};
use super::{BASE, Mini, Official, Operation};
use crate::problem::Code;
use crate::shares::Room;

pub(super) const SCAN_RESULT: Operation = Operation {
    name: "getscanresult",
    summary: (
        "谁扫了二维码（扫码登录），可长轮询",
        "Who scanned a QR code (scan to log in), by long polling",
    ),
    params: &[
        may(
            "ticket",
            Shape::Text(512),
            "getwxqrcode 给的 ticket；与 flow_id 二选一",
            "the ticket that getwxqrcode gave; or flow_id",
        ),
        may(
            "flow_id",
            Shape::Text(128),
            "建码时传的 flow_id：本调用方用它建的最新一个码",
            "the flow_id that the code was made with: the caller's newest with it",
        ),
        may(
            "wait_seconds",
            Shape::Int(0, 50),
            "最多等多少秒，默认不等",
            "how many seconds to wait for a scan, none by default",
        ),
    ],
    answer: &[
        ("status", "string"),
        ("openid", "string"),
        ("event", "string"),
        ("scene", "string"),
        ("scanned_at", "integer"),
    ],
    kinds: &[Official],
    refused_as: Code::QrCode,
    app_of: Some(|service, caller, fields| service.app_of_code(caller, fields).boxed()),
    room: Room::Long,
    check: results::check_code,
    run: Some(|service: Service, call| async move { service.scan_result(&call).await }.boxed()),
    ..BASE
};

pub(super) const MESSAGE_RESULT: Operation = Operation {
    name: "getmsgresult",
    summary: ("模板消息、订阅消息送达了吗", "Whether a template or subscription message arrived"),
    params: &[need("msgid", Shape::Text(64), "发送时返回的 msgid", "the msgid that sending it gave")],
    answer: &[("status", "string"), ("finished_at", "integer")],
    kinds: &[Official, Mini],
    refused_as: Code::Message,
    run: Some(|service: Service, call| async move { service.message_result(&call).await }.boxed()),
    ..BASE
};
