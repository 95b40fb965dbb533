//! What readers see of what accounts made: articles at `mp.weixin.qq.com/s/…`, and pictures at `mmbiz.qpic.cn`.

use super::control::shown;
use super::facts::is_english;
use super::page::{both, dressed_still, escape};
use super::worlds::Below;
use crate::Shared;
use crate::world::{App, Read};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use std::sync::Arc;

/// What an author writes is shown and does nothing: no script at all, no form, nothing from elsewhere; and the page is of no
/// origin, so that it can't act as one of the sandbox's.
const POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; media-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'; sandbox allow-popups";

/// Hosts of WeChat's whose pages and pictures are here.
const HOSTS: [&str; 3] = ["mmbiz.qpic.cn", "mp.weixin.qq.com", "open.weixin.qq.com"];

/// Whose addresses lead here, instead of to WeChat.
fn home(text: &str, below: &Below) -> String {
    HOSTS.iter().fold(text.to_owned(), |text, host| {
        let root = below.link("/");
        text.replace(&format!("https://{host}/"), &root).replace(&format!("http://{host}/"), &root)
    })
}

fn text<'a>(article: &'a Value, name: &str) -> &'a str {
    article.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// `GET /s/{id}`: an article that was published or sent to many, or the preview of a draft.
pub(super) async fn article(
    State(shared): State<Arc<Shared>>,
    below: Below,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let read = shared.world().read_article(&id);
    let (status, title, body) = match &read {
        None => (StatusCode::NOT_FOUND, "微信公众平台", notice("没有这篇文章", "There is no such article")),
        Some(Read { is_deleted: true, .. }) => (
            StatusCode::OK,
            "微信公众平台",
            notice("该内容已被发布者删除", "Whoever published this has deleted it"),
        ),
        Some(read) => (StatusCode::OK, text(&read.article, "title"), body(read, &below)),
    };
    let html = dressed_still("/s/x", is_english(&headers), &escape(title), &body);
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, head, html).into_response()
}

fn notice(zh: &str, en: &str) -> String {
    format!("<h1>{}</h1>", both(zh, en))
}

/// The page: whose it is, title, author and day, the content as it was written, and where the original is.
fn body(read: &Read, below: &Below) -> String {
    let Read { app, article, date, is_draft, pictures, .. } = read;
    let (zh, en) = app.as_ref().map(App::name).unwrap_or_default();
    let source = text(article, "content_source_url");
    let source = match source {
        "" => String::new(),
        url => {
            format!("<a href=\"{}\">{}</a>", escape(&home(url, below)), both("阅读原文", "The original"))
        }
    };
    let preview = both("草稿预览", "Preview of a draft");
    let preview = if *is_draft { format!("<p class=\"over\">{preview}</p>") } else { String::new() };
    let pictures: String = pictures
        .iter()
        .map(|url| format!("<p><img src=\"{}\" alt=\"\"></p>", escape(&home(url, below))))
        .collect();
    format!(
        "{preview}<h1>{}</h1><p class=\"dim\">{} <b>{}</b> {date}</p>\
         <div class=\"words\">{pictures}{}</div><p class=\"foot\">{source}</p>",
        escape(text(article, "title")),
        escape(text(article, "author")),
        both(&zh, &en),
        home(text(article, "content"), below),
    )
}

/// `GET /mmbiz_{format}/{id}/{size}`: a picture, whole whatever the size.
pub(super) async fn picture(
    State(shared): State<Arc<Shared>>,
    Path((id, _size)): Path<(String, String)>,
) -> Response {
    let found = shared.world().picture(&id);
    match found {
        Some((content_type, bytes)) => shown(&content_type, bytes),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
