//! Control calls by which the workers of customer service do something, as on their own pages.

use super::{Done, Reply, Wrong, act, members};
use crate::Shared;
use crate::push::Push;
use crate::world::{Told, World};
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acted {
    appid: String,
    kf_account: String,
    act: Act,
    /// Whom it is about.
    #[serde(default)]
    openid: String,
    /// Who takes the user over.
    #[serde(default)]
    to: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Act {
    /// The person who was invited agrees to be the worker, or doesn't.
    Accept,
    Reject,
    /// The worker comes, or goes.
    Online,
    Offline,
    /// He takes a user on, lets him go, or hands him to another worker.
    Take,
    Close,
    Switch,
}

/// A worker acts; if the account is told, the answer is as of a scan.
pub(super) async fn act(State(shared): State<Arc<Shared>>, body: Bytes) -> Reply {
    let asked: Acted = members(&body)?;
    let told = told(&mut shared.world(), &asked)?;
    let push = told.map(|told| Push::of_session(&asked.appid, &asked.openid, &told));
    match push {
        Some(push) => act::tell(&shared, push).await,
        None => Ok(Done(json!({"pushes": []}))),
    }
}

fn told(world: &mut World, asked: &Acted) -> Result<Option<Told>, Wrong> {
    let Acted { appid, kf_account, act, openid, to } = asked;
    world.app(appid)?;
    match act {
        Act::Accept | Act::Reject => {
            world.answer_invitation(appid, kf_account, matches!(act, Act::Accept))?;
            return Ok(None);
        }
        Act::Online | Act::Offline => {
            world.attend(appid, kf_account, matches!(act, Act::Online))?;
            return Ok(None);
        }
        Act::Take | Act::Close | Act::Switch => {}
    }
    world.user_of(appid, openid)?;
    let refused = |refusal: crate::refusal::Refusal| Wrong(wechat::errcode::text(refusal.code).to_owned());
    match act {
        Act::Take => world.begin_session(appid, kf_account, openid).map_err(refused),
        Act::Switch => Ok(Some(world.hand_session(appid, openid, kf_account, to)?)),
        _ => world.end_session(appid, kf_account, openid).map(Some).map_err(refused),
    }
}
