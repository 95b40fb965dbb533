//! Customer service of official accounts: workers, sessions, what was said.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::media::file_part;
use super::{Row, check_kind};
use crate::push::Push;
use crate::refusal::{Refusal, refuse};
use crate::world::{Kind, Told, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::KF_LIST, list),
    (&catalog::KF_ONLINE, online),
    (&catalog::KF_ADD, add),
    (&catalog::KF_UPDATE, update),
    (&catalog::KF_DELETE, delete),
    (&catalog::KF_INVITE, invite),
    (&catalog::KF_HEADIMG, portrait),
    (&catalog::KF_SESSION_CREATE, create),
    (&catalog::KF_SESSION_CLOSE, close),
    (&catalog::KF_SESSION_GET, session),
    (&catalog::KF_SESSION_LIST, sessions),
    (&catalog::KF_WAITING, waiting),
    (&catalog::KF_RECORDS, records),
];

/// Longest portrait.
const MAX_PORTRAIT: usize = 5 << 20;
/// Waiting users listed.
const MAX_WAITING: usize = 100;

/// The worker in whose name a customer-service message goes out, who must be one of the account's.
pub(super) fn sender<'a>(world: &World, appid: &str, body: &'a Value) -> Result<Option<&'a str>, Refusal> {
    let Some(account) = body.pointer("/customservice/kf_account").filter(|account| !account.is_null()) else {
        return Ok(None);
    };
    let account = account.as_str().ok_or(refuse(47001))?;
    let worker = world.desk(appid).and_then(|desk| desk.worker(account));
    worker.map(|_| Some(account)).ok_or(refuse(65401))
}

/// Tells the account what became of a session.
fn told(call: &Call, appid: &str, openid: &str, told: Option<Told>) -> Answer {
    let mut answer = Answer::ok(&call.path);
    answer.pushes.extend(told.map(|told| Push::of_session(appid, openid, &told)));
    answer
}

fn list(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let now = world.now;
    let workers = world.desk(appid).into_iter().flat_map(|desk| &desk.workers);
    let view = |worker: &crate::world::Worker| {
        let mut view = json!({
            "kf_account": worker.account,
            "kf_headimgurl": worker.portrait,
            "kf_id": worker.id,
            "kf_nick": worker.nickname,
        });
        if let Some(wx) = &worker.wx {
            view["kf_wx"] = wx.as_str().into();
        } else if let Some(open) = &worker.invitation {
            view["invite_wx"] = open.wx.as_str().into();
            view["invite_expire_time"] = (open.expires / 1000).into();
            view["invite_status"] = open.status(now).into();
        }
        view
    };
    let list: Vec<Value> = workers.map(view).collect();
    Ok(Answer::json(&call.path, json!({"kf_list": list})))
}

fn online(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let list: Vec<Value> = world.desk(appid).map_or_else(Vec::new, |desk| {
        let here = desk.workers.iter().filter(|worker| worker.is_online);
        here.map(|worker| {
            let accepted = desk.served_by(&worker.account).count();
            // Status 1: on the web.
            json!({"kf_account": worker.account, "status": 1, "kf_id": worker.id, "accepted_case": accepted})
        })
        .collect()
    });
    Ok(Answer::json(&call.path, json!({"kf_online_list": list})))
}

fn add(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    world.hire(appid, text(&body, "kf_account"), text(&body, "nickname"))?;
    Ok(Answer::ok(&call.path))
}

fn update(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    world.rename_worker(appid, text(&body, "kf_account"), text(&body, "nickname"))?;
    Ok(Answer::ok(&call.path))
}

/// By POST, as the page has it, or by GET with the account in the query, as it had it and most SDKs still do.
fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let account = match call.param("kf_account") {
        "" => text(&call.json()?, "kf_account").to_owned(),
        account => account.to_owned(),
    };
    let openids = world.dismiss(appid, &account)?;
    let mut answer = Answer::ok(&call.path);
    let over = Told::Over(account);
    answer.pushes.extend(openids.iter().map(|openid| Push::of_session(appid, openid, &over)));
    Ok(answer)
}

fn invite(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    world.invite(appid, text(&body, "kf_account"), text(&body, "invite_wx"))?;
    Ok(Answer::ok(&call.path))
}

fn portrait(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let account = call.param("kf_account");
    world.desk(appid).and_then(|desk| desk.worker(account)).ok_or(refuse(65401))?;
    let part = file_part(call, "media").ok_or(refuse(41005))?;
    if part.bytes.len() > MAX_PORTRAIT {
        return Err(refuse(40009));
    }
    // A JPEG.
    if !part.bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        return Err(refuse(40005));
    }
    world.portray_worker(appid, account)?;
    Ok(Answer::ok(&call.path))
}

fn create(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let openid = text(&body, "openid");
    world.users.of(appid, openid).ok_or(refuse(40003))?;
    let news = world.begin_session(appid, text(&body, "kf_account"), openid)?;
    Ok(told(call, appid, openid, news))
}

fn close(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let openid = text(&body, "openid");
    world.users.of(appid, openid).ok_or(refuse(40003))?;
    let over = world.end_session(appid, text(&body, "kf_account"), openid)?;
    Ok(told(call, appid, openid, Some(over)))
}

/// Who serves a user, and since when; nobody is an empty name.
fn session(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let openid = call.param("openid");
    world.users.of(appid, openid).ok_or(refuse(40003))?;
    let session = world.desk(appid).and_then(|desk| desk.sessions.get(openid));
    let (account, since) = session.map_or(("", 0), |session| (session.account.as_str(), session.since));
    Ok(Answer::json(&call.path, json!({"createtime": since, "kf_account": account})))
}

fn sessions(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let account = call.param("kf_account");
    let desk = world.desk(appid).ok_or(refuse(65401))?;
    if desk.worker(account).ok_or(refuse(65401))?.wx.is_none() {
        return Err(refuse(65402));
    }
    let served = desk.served_by(account);
    let list: Vec<Value> =
        served.map(|(openid, session)| json!({"createtime": session.since, "openid": openid})).collect();
    Ok(Answer::json(&call.path, json!({"sessionlist": list})))
}

fn waiting(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let waiting = || world.desk(appid).into_iter().flat_map(|desk| &desk.waiting);
    let list: Vec<Value> = waiting()
        .take(MAX_WAITING)
        .map(|user| json!({"latest_time": user.latest, "openid": user.openid}))
        .collect();
    Ok(Answer::json(&call.path, json!({"count": waiting().count(), "waitcaselist": list})))
}

fn records(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let whole = |name: &str| body.get(name).and_then(Value::as_i64).ok_or(refuse(65416));
    let first = u64::try_from(whole("msgid")?).map_err(|_| refuse(65416))?;
    let most = usize::try_from(whole("number")?).map_err(|_| refuse(65416))?;
    let (found, next) = world.talks(appid, (whole("starttime")?, whole("endtime")?), first, most)?;
    let view = |record: &&crate::world::Record| {
        json!({
            "openid": record.openid,
            "opercode": if record.is_sent { 2002 } else { 2003 },
            "text": record.text,
            "time": record.at,
            "worker": record.account,
        })
    };
    let list: Vec<Value> = found.iter().map(view).collect();
    Ok(Answer::json(&call.path, json!({"recordlist": list, "number": list.len(), "msgid": next})))
}
