//! Control calls about mini programs: a link is opened, an order paid, a phone number shared; what words and pictures
//! are to WeChat's checks.

use super::{Done, Reply, Wrong, members, members_with_file};
use crate::Shared;
use crate::sign;
use crate::world::{Kind, LABELS, Picture, Suggest, Verdict, Word, World, check_shows};
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The sandbox, as every call gets it.
type Held = State<Arc<Shared>>;

fn fine() -> Reply {
    Ok(Done(json!({"ok": true})))
}

fn check_mini(world: &World, appid: &str) -> Result<(), Wrong> {
    match world.app(appid)?.kind {
        Kind::Mini => Ok(()),
        Kind::Official | Kind::Open => Err(Wrong("appid: this is no mini program".to_owned())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    link: String,
    openid: String,
}

/// A user opens a link.
pub(super) async fn open(State(shared): Held, body: Bytes) -> Reply {
    let asked: Opened = members(&body)?;
    let target = shared.world().open_link(&asked.link, &asked.openid)?;
    Ok(Done(json!(target)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paid {
    appid: String,
    openid: String,
    #[serde(default)]
    mch_id: String,
    #[serde(default)]
    out_trade_no: String,
}

/// A user pays.
pub(super) async fn pay(State(shared): Held, body: Bytes) -> Reply {
    let asked: Paid = members(&body)?;
    let mut world = shared.world();
    check_mini(&world, &asked.appid)?;
    world.user_of(&asked.appid, &asked.openid)?;
    let paid = world.pay(&asked.appid, &asked.openid, asked.mch_id, asked.out_trade_no);
    Ok(Done(json!({
        "transaction_id": paid.transaction_id, "mch_id": paid.mch_id, "out_trade_no": paid.out_trade_no,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shares {
    appid: String,
    openid: String,
}

/// The phone number as pages got it before there was a code: sealed with the session key.
pub(super) async fn sealed_phone(State(shared): Held, body: Bytes) -> Reply {
    let asked: Shares = members(&body)?;
    let mut world = shared.world();
    check_mini(&world, &asked.appid)?;
    let (sealed, iv) = world.seal_phone(&asked.appid, &asked.openid)?;
    Ok(Done(json!({"encryptedData": sealed, "iv": iv})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWord {
    appid: String,
    word: String,
    #[serde(default = "risky")]
    suggest: Suggest,
    label: Option<u32>,
}

fn risky() -> Suggest {
    Suggest::Risky
}

/// The label of a verdict: other (21000) unless it is given; none but 100 fits what passes.
fn verdict(suggest: Suggest, label: Option<u32>) -> Result<Verdict, Wrong> {
    let passes = suggest == Suggest::Pass;
    let label = label.unwrap_or(if passes { 100 } else { 21000 });
    if !LABELS.contains(&label) || (label == 100) != passes {
        return Err(Wrong(format!("label: of {LABELS:?}; 100 for what passes")));
    }
    Ok(Verdict { suggest, label })
}

pub(super) async fn word(State(shared): Held, body: Bytes) -> Reply {
    let asked: NewWord = members(&body)?;
    let mut world = shared.world();
    check_mini(&world, &asked.appid)?;
    if asked.word.is_empty() {
        return Err(Wrong("word must not be empty".to_owned()));
    }
    let verdict = verdict(asked.suggest, asked.label)?;
    world.content.set_word(&asked.appid, Word { word: asked.word, verdict })?;
    fine()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPicture {
    url: Option<String>,
    sha256: Option<String>,
    base64: Option<String>,
    #[serde(default)]
    shows: Map<String, Value>,
    suggest: Option<Suggest>,
    label: Option<u32>,
    #[serde(default)]
    missing: bool,
}

impl NewPicture {
    /// What the picture is known by; nothing: it is the next one.
    fn name(&self) -> Result<Option<String>, Wrong> {
        let hash = |text: &String| BASE64_STANDARD.decode(text).ok().map(|bytes| sign::sha256_hex(&bytes));
        match (&self.url, &self.sha256, &self.base64) {
            (None, None, None) => Ok(None),
            (Some(url), None, None) => Ok(Some(url.clone())),
            (None, Some(sha256), None) => Ok(Some(sha256.to_ascii_lowercase())),
            (None, None, Some(bytes)) => {
                let hash = hash(bytes).ok_or_else(|| Wrong("base64 must be base64".to_owned()))?;
                Ok(Some(hash))
            }
            _ => Err(Wrong("url, sha256 or base64: give one of them, or none".to_owned())),
        }
    }
}

/// What a picture shows, and how it is judged.
pub(super) async fn picture(State(shared): Held, body: Bytes) -> Reply {
    let asked: NewPicture = members_with_file(&body)?;
    let name = asked.name()?;
    check_shows(&asked.shows)?;
    let verdict = match (asked.suggest, asked.label) {
        (None, None) => None,
        (suggest, label) => Some(verdict(suggest.unwrap_or(Suggest::Risky), label)?),
    };
    let picture = Picture { shows: asked.shows.into_iter().collect(), verdict, missing: asked.missing };
    shared.world().content.set_picture(name, picture)?;
    fine()
}
