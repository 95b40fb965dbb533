//! Figures of official accounts, from what happened to them here; up to yesterday.

use super::super::answer::Answer;
use super::super::call::{Call, text};
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse};
use crate::world::date::{date, day, day_of, hour_of, monday};
use crate::world::{Callbacks, Day, Kind, World};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::CUBE_USER_SUMMARY, user_summary),
    (&catalog::CUBE_USER_CUMULATE, user_cumulate),
    (&catalog::CUBE_ARTICLE_SUMMARY, one_day_of_articles),
    (&catalog::CUBE_ARTICLE_TOTAL, articles_in_all),
    (&catalog::CUBE_USER_READ, reads),
    (&catalog::CUBE_USER_READ_HOUR, one_day_of_articles),
    (&catalog::CUBE_USER_SHARE, shares),
    (&catalog::CUBE_USER_SHARE_HOUR, one_day_of_articles),
    (&catalog::CUBE_UPSTREAM, messages),
    (&catalog::CUBE_UPSTREAM_HOUR, messages_by_hour),
    (&catalog::CUBE_UPSTREAM_WEEK, messages_by_week),
    (&catalog::CUBE_UPSTREAM_MONTH, messages_by_month),
    (&catalog::CUBE_UPSTREAM_DIST, spread),
    (&catalog::CUBE_UPSTREAM_DIST_WEEK, spread_by_week),
    (&catalog::CUBE_UPSTREAM_DIST_MONTH, spread_by_month),
    (&catalog::CUBE_INTERFACE, callbacks),
    (&catalog::CUBE_INTERFACE_HOUR, callbacks_by_hour),
];

/// The days asked for: at most so many, the last of them yesterday at the latest.
fn span(world: &World, call: &Call, appid: &str, most: i64) -> Result<(i64, i64), Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let body = call.json()?;
    let asked = |name: &str| match body.get(name) {
        None => Err(refuse(47001)),
        Some(_) => day(text(&body, name)).ok_or(refuse(61500)),
    };
    let (first, last) = (asked("begin_date")?, asked("end_date")?);
    let today = day_of(world.now);
    if first > last || last - first >= most || last >= today {
        return Err(refuse(61501));
    }
    // "Ask for the day before after 8 in the morning": what an earlier call gets isn't said.
    if last == today - 1 && hour_of(world.now) < 8 && world.quirks.is("datacube_before_8", "61503") {
        return Err(refuse(61503));
    }
    Ok((first, last))
}

fn list(call: &Call, list: Vec<Value>) -> Answer {
    Answer::json(&call.path, Value::Object(Map::from_iter([("list".to_owned(), list.into())])))
}

/// Days of the span on which something happened.
fn days<'a>(
    world: &'a World,
    appid: &'a str,
    (first, last): (i64, i64),
) -> impl Iterator<Item = (i64, &'a Day)> {
    (first..=last).filter_map(move |number| Some((number, world.day(appid, number)?)))
}

fn user_summary(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let (first, last) = span(world, call, appid, 7)?;
    let mut rows = Vec::new();
    for number in first..=last {
        let row = |source: u32, new: u64, cancelled: u64| json!({"ref_date": date(number), "user_source": source, "new_user": new, "cancel_user": cancelled});
        // All other ways to come: there always is a row of them.
        rows.push(row(0, 0, 0));
        let users = world.day(appid, number).into_iter().flat_map(|day| &day.users);
        rows.extend(users.map(|(source, users)| row(*source, users.new, users.cancelled)));
    }
    Ok(list(call, rows))
}

fn user_cumulate(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let (first, last) = span(world, call, appid, 7)?;
    let row = |number| json!({"ref_date": date(number), "user_source": 0, "cumulate_user": world.followers_on(appid, number)});
    Ok(list(call, (first..=last).map(row).collect()))
}

/// Days from the one of a mass message on that its figures are told of.
const TOLD_DAYS: i64 = 7;
/// What is counted of readers: nobody reads here.
const READERS: [&str; 8] = [
    "int_page_read_user",
    "int_page_read_count",
    "ori_page_read_user",
    "ori_page_read_count",
    "share_user",
    "share_count",
    "add_to_fav_user",
    "add_to_fav_count",
];

/// The articles that went to many on a day: whom they were sent to, and day by day up to yesterday who read them.
fn articles_in_all(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let (first, _) = span(world, call, appid, 1)?;
    let last = (first + TOLD_DAYS).min(day_of(world.now));
    let sent = world.publications(appid).iter();
    let sent = sent.filter(|sent| sent.is_mass && day_of(sent.at.saturating_mul(1000)) == first);
    let rows = sent.flat_map(|sent| {
        sent.printed.iter().zip(1..).map(move |(printed, number)| {
            let details = (first..last).map(|number| {
                let mut told = json!({"stat_date": date(number), "target_user": sent.target});
                READERS.iter().for_each(|name| told[*name] = 0.into());
                told
            });
            json!({
                "ref_date": date(first),
                "msgid": format!("{}_{number}", sent.msg_data_id),
                "title": printed.article.get("title"),
                "details": details.collect::<Vec<_>>(),
            })
        })
    });
    Ok(list(call, rows.collect()))
}

/// Nobody reads or shares articles here, so there are no figures of it, for the days that may be asked for.
fn articles(world: &World, call: &Call, appid: &str, most: i64) -> Result<Answer, Refusal> {
    span(world, call, appid, most)?;
    Ok(list(call, Vec::new()))
}

fn one_day_of_articles(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    articles(world, call, appid, 1)
}

fn reads(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    articles(world, call, appid, 3)
}

fn shares(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    articles(world, call, appid, 7)
}

/// Which figures are told together: the first day of them.
type Period = fn(i64) -> i64;

const fn daily(day: i64) -> i64 {
    day
}

/// The first of a day's month.
fn month(number: i64) -> i64 {
    let first = format!("{}01", &date(number)[..8]);
    day(&first).unwrap_or(number)
}

/// Messages by period, hour (if it is told), kind and user.
type Heard<'a> = BTreeMap<(i64, i64, u8), BTreeMap<&'a str, u64>>;

fn heard<'a>(world: &'a World, appid: &'a str, span: (i64, i64), period: Period, by_hour: bool) -> Heard<'a> {
    let mut heard = Heard::new();
    for (number, day) in days(world, appid, span) {
        for (hour, kinds) in &day.messages {
            for (kind, users) in kinds {
                let key = (period(number), if by_hour { *hour } else { 0 }, *kind);
                for (openid, count) in users {
                    *heard.entry(key).or_default().entry(openid).or_default() += count;
                }
            }
        }
    }
    heard
}

fn told(
    world: &World,
    call: &Call,
    appid: &str,
    most: i64,
    period: Period,
    by_hour: bool,
) -> Result<Answer, Refusal> {
    let span = span(world, call, appid, most)?;
    let row = |((day, hour, kind), users): ((i64, i64, u8), BTreeMap<&str, u64>)| {
        let mut row = json!({
            "ref_date": date(day), "user_source": 0, "msg_type": kind,
            "msg_user": users.len(), "msg_count": users.values().sum::<u64>(),
        });
        if by_hour {
            row["ref_hour"] = (hour * 100).into();
        }
        row
    };
    Ok(list(call, heard(world, appid, span, period, by_hour).into_iter().map(row).collect()))
}

fn messages(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    told(world, call, appid, 7, daily, false)
}

fn messages_by_hour(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    told(world, call, appid, 1, daily, true)
}

fn messages_by_week(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    told(world, call, appid, 30, monday, false)
}

fn messages_by_month(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    told(world, call, appid, 30, month, false)
}

/// How many users wrote 1 to 5, 6 to 10, and more messages.
fn spread_over(
    world: &World,
    call: &Call,
    appid: &str,
    most: i64,
    period: Period,
) -> Result<Answer, Refusal> {
    let span = span(world, call, appid, most)?;
    let mut totals: BTreeMap<i64, BTreeMap<&str, u64>> = BTreeMap::new();
    for ((day, ..), users) in heard(world, appid, span, period, false) {
        for (openid, count) in users {
            *totals.entry(day).or_default().entry(openid).or_default() += count;
        }
    }
    let mut rows = Vec::new();
    for (day, users) in totals {
        let mut intervals: BTreeMap<u8, u64> = BTreeMap::new();
        for count in users.into_values() {
            let interval = match count {
                0..=5 => 1,
                6..=10 => 2,
                _ => 3,
            };
            *intervals.entry(interval).or_default() += 1;
        }
        let row = |(interval, users)| json!({"ref_date": date(day), "user_source": 0, "count_interval": interval, "msg_user": users});
        rows.extend(intervals.into_iter().map(row));
    }
    Ok(list(call, rows))
}

fn spread(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    spread_over(world, call, appid, 15, daily)
}

fn spread_by_week(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    spread_over(world, call, appid, 30, monday)
}

fn spread_by_month(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    spread_over(world, call, appid, 30, month)
}

fn callbacks_row(number: i64, callbacks: &Callbacks) -> Value {
    json!({
        "ref_date": date(number),
        "callback_count": callbacks.count,
        "fail_count": callbacks.failed,
        "total_time_cost": callbacks.total,
        "max_time_cost": callbacks.longest,
    })
}

fn callbacks(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let span = span(world, call, appid, 30)?;
    let sum = |(number, day): (i64, &Day)| {
        let sum = day.callbacks.values().fold(Callbacks::default(), |sum, hour| Callbacks {
            count: sum.count + hour.count,
            failed: sum.failed + hour.failed,
            total: sum.total + hour.total,
            longest: sum.longest.max(hour.longest),
        });
        (sum.count > 0).then(|| callbacks_row(number, &sum))
    };
    Ok(list(call, days(world, appid, span).filter_map(sum).collect()))
}

fn callbacks_by_hour(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    let span = span(world, call, appid, 1)?;
    let rows = days(world, appid, span).flat_map(|(number, day)| {
        day.callbacks.iter().map(move |(hour, callbacks)| {
            let mut row = callbacks_row(number, callbacks);
            row["ref_hour"] = (hour * 100).into();
            row
        })
    });
    Ok(list(call, rows.collect()))
}
