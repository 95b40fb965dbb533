//! The account's templates: chosen from the public library, for template messages and for subscriptions.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::tag::number;
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse, refuse_with};
use crate::world::library::{self, CATEGORIES, LIBRARY, Public};
use crate::world::{Kind, Purpose, Template, World};
use http::header;
use serde_json::{Map, Value, json};
use url::form_urlencoded;
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::TEMPLATE_ADD, add),
    (&catalog::TEMPLATE_DELETE, delete),
    (&catalog::TEMPLATE_SET_INDUSTRY, set_industry),
    (&catalog::TEMPLATE_GET_INDUSTRY, industry),
    (&catalog::NEWTMPL_ADD, choose),
    (&catalog::NEWTMPL_DELETE, discard),
    (&catalog::NEWTMPL_LIST, chosen),
    (&catalog::NEWTMPL_CATEGORY, categories),
    (&catalog::NEWTMPL_TITLES, titles),
    (&catalog::NEWTMPL_KEYWORDS, keywords),
];

/// Adds a template of the library to the account's: its id of 43 characters.
fn take(
    world: &mut World,
    appid: &str,
    public: &Public,
    purpose: Purpose,
    kids: &[usize],
) -> Result<String, Refusal> {
    let id = world.random.text::<32>();
    world.templates.add(appid, public.choose(id.clone(), purpose, kids))?;
    Ok(id)
}

/// What a real call was refused with; lists of codes have `need new category template`.
const OLD_LIBRARY: &str = "历史模板库已升级为类目模板。历史模板库内模板不再支持添加。 如有相关消息需求，可使用类目模板库ID添加对应模板";

fn add(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let short = text(&body, "template_id_short");
    if library::is_of_old_library(short) {
        return Err(refuse_with(40247, OLD_LIBRARY.to_owned()));
    }
    let public = short.parse().ok().and_then(library::public).ok_or(refuse(40037))?;
    let names = body.get("keyword_name_list").and_then(Value::as_array);
    let names = names.filter(|names| !names.is_empty()).ok_or(refuse(40246))?;
    let kid = |name: &Value| {
        let at = public.keywords.iter().position(|word| name == word.name);
        at.map(|at| at + 1).ok_or(refuse(40246))
    };
    let kids = names.iter().map(kid).collect::<Result<Vec<_>, _>>()?;
    let id = take(world, appid, public, Purpose::Message, &kids)?;
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "template_id": id})))
}

fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    match world.templates.remove(appid, text(&body, "template_id"), Purpose::Message) {
        true => Ok(Answer::ok(&call.path)),
        false => Err(refuse(40037)),
    }
}

fn set_industry(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    // Also what is no JSON, as callers who sent a form were told.
    let body = call.json().map_err(|_| refuse(40103))?;
    let industry = |name| match body.get(name) {
        Some(_) => number(&body, name).map_err(|_| refuse(40102)),
        None => Err(refuse(40103)),
    };
    world.set_industries(appid, industry("industry_id1")?, industry("industry_id2")?)?;
    Ok(Answer::ok(&call.path))
}

fn industry(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let (first, second) = world.industries(appid);
    let view = |number| {
        let (first, second) = library::industry(number).unwrap_or_default();
        json!({"first_class": first, "second_class": second})
    };
    let body = json!({"primary_industry": view(first), "secondary_industry": view(second)});
    Ok(Answer::json(&call.path, body))
}

/// Subscriptions are of official accounts and mini programs.
fn subscriber(world: &World, appid: &str) -> Result<(), Refusal> {
    match world.apps.get(appid).map(|app| app.kind) {
        Some(Kind::Official | Kind::Mini) => Ok(()),
        _ => Err(refuse(200_100)),
    }
}

/// The body, as JSON or as the form that the page advises: `kidList=1&kidList=2`, or `kidList[0]=1` as PHP writes it.
fn body_of(call: &Call) -> Result<Value, Refusal> {
    if !call.header(header::CONTENT_TYPE).starts_with("application/x-www-form-urlencoded")
        || call.body.trim_ascii().starts_with(b"{")
    {
        return call.json();
    }
    let (mut members, mut kids) = (Map::new(), Vec::new());
    for (name, value) in form_urlencoded::parse(&call.body) {
        if name.split('[').next() == Some("kidList") {
            kids.extend(value.split(',').map(Value::from));
        } else {
            members.insert(name.into_owned(), value.into());
        }
    }
    members.insert("kidList".to_owned(), kids.into());
    Ok(members.into())
}

/// A library's template by the `tid` of a call, a text or a number.
fn public(tid: &Value) -> Result<&'static Public, Refusal> {
    let number = match tid {
        Value::String(digits) => digits.parse().ok(),
        tid => tid.as_u64().and_then(|tid| u32::try_from(tid).ok()),
    };
    number.and_then(library::public).ok_or(refuse(200_014))
}

fn choose(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    subscriber(world, appid)?;
    let body = body_of(call)?;
    let public = public(&body["tid"])?;
    let kids = body.get("kidList").and_then(Value::as_array).ok_or(refuse(200_020))?;
    let kid = |kid: &Value| {
        let kid = kid.as_str().map_or_else(|| kid.as_u64(), |digits| digits.parse().ok());
        let kid = kid.and_then(|kid| usize::try_from(kid).ok());
        kid.filter(|kid| (1..=public.keywords.len()).contains(kid)).ok_or(refuse(200_020))
    };
    let kids = kids.iter().map(kid).collect::<Result<Vec<_>, _>>()?;
    let twice = |at: usize| kids[..at].contains(&kids[at]);
    if !(2..=5).contains(&kids.len()) || (0..kids.len()).any(twice) {
        return Err(refuse(200_020));
    }
    if text(&body, "sceneDesc").chars().count() > 15 {
        return Err(refuse(200_021));
    }
    let id = take(world, appid, public, Purpose::Subscription, &kids)?;
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "priTmplId": id})))
}

fn discard(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    subscriber(world, appid)?;
    let body = body_of(call)?;
    match world.templates.remove(appid, text(&body, "priTmplId"), Purpose::Subscription) {
        true => Ok(Answer::ok(&call.path)),
        // The page of subscriptions has a code of its own for wrong parameters.
        false => Err(refuse(20002)),
    }
}

fn chosen(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    subscriber(world, appid)?;
    let view = |template: &Template| {
        json!({
            "priTmplId": template.id,
            "title": template.title,
            "content": template.content,
            "example": template.example,
            "type": if template.is_lasting { 3 } else { 2 },
            "keywordEnumValueList": [],
        })
    };
    let templates =
        world.templates.of(appid).iter().filter(|template| template.is_for(Purpose::Subscription));
    let list: Vec<Value> = templates.map(view).collect();
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "data": list})))
}

fn categories(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    subscriber(world, appid)?;
    let list: Vec<Value> = CATEGORIES.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
    Ok(Answer::json(&call.path, json!({"errcode": 0, "errmsg": "ok", "data": list})))
}

/// A number in the query.
fn asked<T: std::str::FromStr>(call: &Call, name: &str, code: i64) -> Result<T, Refusal> {
    call.param(name).parse().map_err(|_| refuse(code))
}

fn titles(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    subscriber(world, appid)?;
    let ids = call.param("ids");
    if ids.is_empty() {
        return Err(refuse(200_018));
    }
    // The page's example has quotes around them, which real calls were refused for.
    let ids = ids.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>().map_err(|_| refuse(200_019))?;
    if ids.iter().any(|id| !CATEGORIES.iter().any(|(known, _)| known == id)) {
        return Err(refuse(200_019));
    }
    let start: usize = asked(call, "start", 200_016)?;
    let limit: usize = asked(call, "limit", 200_017)?;
    if !(1..=30).contains(&limit) {
        return Err(refuse(200_017));
    }
    let all: Vec<&Public> = LIBRARY.iter().filter(|public| ids.contains(&public.category)).collect();
    let view = |public: &&Public| {
        json!({
            "tid": public.tid,
            "title": public.title,
            "type": public.kind,
            "categoryId": public.category.to_string(),
        })
    };
    let page: Vec<Value> = all.iter().skip(start).take(limit).map(view).collect();
    let body = json!({"errcode": 0, "errmsg": "ok", "count": all.len(), "data": page});
    Ok(Answer::json(&call.path, body))
}

fn keywords(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    subscriber(world, appid)?;
    let public = public(&call.param("tid").into())?;
    let words = public.keywords.iter().zip(1..);
    let view = |(word, kid): (&library::Keyword, u32)| json!({"kid": kid, "name": word.name, "example": word.example, "rule": word.rule});
    let list: Vec<Value> = words.map(view).collect();
    let body = json!({"errcode": 0, "errmsg": "ok", "count": list.len(), "data": list});
    Ok(Answer::json(&call.path, body))
}
