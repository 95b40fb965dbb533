//! What this node sees amiss with an account, as facts: the one source of what `/readyz` tells, of problems and of alerts.

use wechat::{catalog, errcode};

use crate::clock::Clock;
use crate::handover::Reach;
use crate::lang::Words;
use crate::places;
use crate::registry::App;
use crate::slots::{Ailment, CredentialKind, TokenError, Trouble};

/// What to do about a token that died too often.
pub const SPENT: Words = Words::fixed(
    "有别的程序在刷新这个账号的 access_token：找到它，改为经由 wxgate 调用",
    "another program refreshes this account's access_token: find it, and have it call through wxgate",
);

/// A token that died early is shown this long.
const SUPERSEDED_SHOWN_MS: i64 = 24 * 3600 * 1000;
/// A failure that nobody has tried to overcome since is shown this long.
const TROUBLE_SHOWN_MS: i64 = 10 * 60 * 1000;

/// Something is amiss. Times are the wall's, Unix milliseconds.
#[derive(Clone, Debug)]
pub enum Sign {
    /// A token died before its time, last at this one.
    Superseded {
        /// See above.
        at: i64,
    },
    /// A dead token may not be replaced just now.
    Spent {
        /// Of this.
        kind: CredentialKind,
        /// Since when.
        since: i64,
        /// Until then.
        until: i64,
    },
    /// A value isn't to be had.
    Troubled {
        /// Which.
        kind: CredentialKind,
        /// Since when.
        since: i64,
        /// When it is tried again.
        retry_at: i64,
        /// Why.
        error: TokenError,
        /// There is no token that lives.
        is_down: bool,
    },
    /// WeChat refuses the account.
    Ails {
        /// With this code.
        errcode: i64,
        /// The address that isn't listed, if it is that.
        ip: Option<String>,
        /// Since when.
        since: i64,
        /// What to do.
        fix: Words,
        /// Meanwhile another node makes the calls.
        goes_by_another: bool,
    },
}

impl Sign {
    /// The account can't be used, or not wholly.
    pub fn is_down(&self) -> bool {
        match self {
            Self::Superseded { .. } => false,
            Self::Spent { .. } | Self::Ails { .. } => true,
            Self::Troubled { is_down, .. } => *is_down,
        }
    }
}

/// Whether `app` can't be used, or not wholly.
pub fn is_down(app: &App, reach: &Reach, clock: &Clock) -> bool {
    of(app, reach, clock).iter().any(Sign::is_down)
}

/// What is amiss with `app`: of its values, then of the account itself.
pub fn of(app: &App, reach: &Reach, clock: &Clock) -> Vec<Sign> {
    let now = clock.ticks();
    let mut signs = Vec::new();
    for slot in app.slots.iter() {
        if let Some(at) = slot.superseded_at().filter(|at| now - at < SUPERSEDED_SHOWN_MS) {
            signs.push(Sign::Superseded { at: clock.wall_at(at) });
        }
        if let Some((since, until)) = slot.spent() {
            let (since, until) = (clock.wall_at(since), clock.wall_at(until));
            signs.push(Sign::Spent { kind: slot.kind, since, until });
        }
        let is_fresh = |trouble: &Trouble| now - trouble.retry_at < TROUBLE_SHOWN_MS;
        if let Some(trouble) = slot.trouble().filter(is_fresh) {
            signs.push(Sign::Troubled {
                kind: slot.kind,
                since: clock.wall_at(trouble.since),
                retry_at: clock.wall_at(trouble.retry_at),
                error: trouble.error,
                is_down: slot.kind == CredentialKind::AccessToken && slot.live(now).is_none(),
            });
        }
    }
    let goes_by_another = reach.is_refused(&app.appid) && reach.has_candidate(&app.appid);
    let ailing = |ailment: Ailment| Sign::Ails {
        errcode: ailment.errcode,
        fix: cure(app, &ailment, goes_by_another),
        since: clock.wall_at(ailment.since),
        ip: ailment.ip,
        goes_by_another: goes_by_another && errcode::is_of_address(ailment.errcode),
    };
    signs.extend(app.slots.health().ailments().into_iter().map(ailing));
    signs
}

/// What to do about what an account suffers from.
fn cure(app: &App, ailment: &Ailment, goes_by_another: bool) -> Words {
    let kind = app.entry.kind;
    match ailment.errcode {
        code if errcode::is_of_address(code) => {
            let Words { zh, en } = places::list_address(kind, ailment.ip.as_deref());
            if goes_by_another {
                return Words::new(
                    format!("{zh}（在此之前，这个节点的调用交给另一个节点）"),
                    format!("{en} (until then another node makes this one's calls)"),
                );
            }
            Words { zh, en }
        }
        48001 => {
            let place = places::permissions(kind);
            // A caller's path may hold anything.
            let api = catalog::by_path(&ailment.path).map_or("", |known| known.path);
            Words::new(
                format!("接口 {api} 一天内还能用，现在微信说没有权限：到 {} 看它是否被收回或封禁", place.zh),
                format!(
                    "{api} worked within a day and is refused now: see at {} whether it was taken away",
                    place.en
                ),
            )
        }
        code => {
            let (zh, en) = errcode::lookup(code).map_or(("", ""), |entry| (entry.zh, entry.en));
            Words::new(zh, en)
        }
    }
}
