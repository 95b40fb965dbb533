//! Control calls about what an account shows: the menu that a user sees, a comment.

use super::{Done, Reply, Wrong, members};
use crate::Shared;
use crate::world::{Failure, MAX_COMMENT, Menu, Template};
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

type Held = State<Arc<Shared>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Looker {
    appid: String,
    openid: String,
}

/// `menu` as in `menu/get`; null without one.
pub(super) async fn menu(State(shared): Held, asked: Result<Query<Looker>, QueryRejection>) -> Reply {
    let Query(asked) = asked.map_err(|wrong| Wrong(wrong.body_text()))?;
    let world = shared.world();
    world.user_of(&asked.appid, &asked.openid)?;
    let menu = world.menu_for(&asked.appid, &asked.openid);
    Ok(Done(json!({"menu": menu.map(Menu::view)})))
}

/// The account's templates, and how many subscription messages of each this user still allows.
pub(super) async fn templates(State(shared): Held, asked: Result<Query<Looker>, QueryRejection>) -> Reply {
    let Query(Looker { appid, openid }) = asked.map_err(|wrong| Wrong(wrong.body_text()))?;
    let world = shared.world();
    world.user_of(&appid, &openid)?;
    let view = |template: &Template| {
        json!({
            "template_id": template.id,
            "title": template.title,
            "content": template.content,
            "purpose": template.purpose,
            "keywords": template.keywords,
            "left": world.subscriptions_left(&appid, &openid, &template.id),
        })
    };
    let templates: Vec<Value> = world.templates.of(&appid).iter().map(view).collect();
    Ok(Done(json!({"templates": templates})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phone {
    appid: String,
    openid: String,
    client_platform_type: u32,
}

pub(super) async fn platform(State(shared): Held, body: Bytes) -> Reply {
    let asked: Phone = members(&body)?;
    if !(1..=3).contains(&asked.client_platform_type) {
        return Err(Wrong("client_platform_type: 1 (iOS), 2 (Android) or 3 (others)".to_owned()));
    }
    let mut world = shared.world();
    let user = world.user_of(&asked.appid, &asked.openid)?.id.clone();
    world.set_platform(user, asked.client_platform_type);
    Ok(Done(json!({"ok": true})))
}

/// What the account's next mass message, or publication, comes to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    appid: String,
    mass_status: Option<String>,
    publish_status: Option<u8>,
    /// With 2 and 4.
    #[serde(default)]
    fail_idx: Vec<u64>,
}

pub(super) async fn outcome(State(shared): Held, body: Bytes) -> Reply {
    let asked: Outcome = members(&body)?;
    let mut world = shared.world();
    world.app(&asked.appid)?;
    match (asked.mass_status, asked.publish_status) {
        (Some(status), None) if asked.fail_idx.is_empty() => {
            let number = status.strip_prefix("err(").and_then(|rest| rest.strip_suffix(')'));
            let is_known = status == "send fail" || number.is_some_and(|code| code.parse::<u32>().is_ok());
            if !is_known {
                return Err(Wrong("mass_status: send fail, or err(10001) and the like".to_owned()));
            }
            world.fail_next_mass(&asked.appid, status);
        }
        (None, Some(publish_status)) => {
            if !(2..=4).contains(&publish_status) || asked.fail_idx.len() > 8 {
                return Err(Wrong("publish_status: 2, 3 or 4, with at most 8 fail_idx".to_owned()));
            }
            world.fail_next(&asked.appid, Failure { publish_status, fail_idx: asked.fail_idx });
        }
        _ => return Err(Wrong("mass_status, or publish_status with fail_idx".to_owned())),
    }
    Ok(Done(json!({"ok": true})))
}

/// What a reader says of an article, or takes back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    appid: String,
    openid: String,
    msg_data_id: u64,
    /// Of the article, from 0.
    #[serde(default)]
    index: usize,
    content: Option<String>,
    /// The comment's id.
    withdraw: Option<u64>,
}

pub(super) async fn comment(State(shared): Held, body: Bytes) -> Reply {
    let asked: Said = members(&body)?;
    let world = &mut *shared.world();
    let follows = world.user_of(&asked.appid, &asked.openid)?.follows(&asked.appid);
    if asked.content.is_some() {
        world.check_comments()?;
    }
    let now = world.now_seconds();
    let comments = world.comments(&asked.appid, asked.msg_data_id, asked.index);
    let comments =
        comments.map_err(|_| Wrong("msg_data_id, index: there is no such article to read".to_owned()))?;
    match (asked.content, asked.withdraw) {
        (None, Some(id)) if comments.withdraw(&asked.openid, id) => Ok(Done(json!({"ok": true}))),
        (None, Some(_)) => Err(Wrong("withdraw: this user has no such comment here".to_owned())),
        (Some(content), None) => {
            if !(1..=MAX_COMMENT).contains(&content.chars().count()) {
                return Err(Wrong(format!("content: 1 to {MAX_COMMENT} characters")));
            }
            if !comments.is_open {
                return Err(Wrong("the article takes no comments: comment/open opens it".to_owned()));
            }
            if comments.fans_only && !follows {
                return Err(Wrong("openid: only followers may comment on this article".to_owned()));
            }
            let id = comments.add(&asked.openid, &content, now);
            Ok(Done(json!({"user_comment_id": id})))
        }
        _ => Err(Wrong("content or withdraw, one of them".to_owned())),
    }
}
