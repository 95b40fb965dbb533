//! What is amiss with accounts.

use wechat::answer::ApiError;
use wechat::errcode::{is_account_error, is_of_address};

use super::signs::{self, SPENT, Sign};
use super::{Action, Kind, Object, Problem, Problems, Severity};
use crate::errors;
use crate::lang::Words;
use crate::places;
use crate::registry::App;
use crate::slots::{CredentialKind, TokenError};

/// So many refused callbacks without a good one between them are a sign.
const REFUSED: u32 = 3;
/// If the last of them was within this time; milliseconds.
const REFUSED_LATELY: i64 = 10 * 60_000;

impl Problems {
    pub(super) fn accounts(&self) -> Vec<Problem> {
        let parts = &self.0.parts;
        let mut found = Vec::new();
        for app in parts.registry.live().apps() {
            let signs = signs::of(app, &self.0.reach, &parts.clock);
            found.extend(signs.iter().map(|sign| of_sign(app, sign)));
            found.extend(self.callbacks(app));
        }
        found
    }

    /// What WeChat has and what is configured differ, most likely.
    fn callbacks(&self, app: &App) -> Option<Problem> {
        let parts = &self.0.parts;
        let lately = parts.rings.callbacks.of(&app.appid);
        if lately.refused < REFUSED || parts.clock.now() - lately.refused_at > REFUSED_LATELY {
            return None;
        }
        let why = lately.why?;
        let [(zh, fix_zh), (en, fix_en)] = why.parts();
        let (name, count, appid) = (name(app), lately.refused, &app.appid);
        Some(Problem {
            since: lately.since,
            link: format!("/refused?appid={appid}"),
            ..of_app(
                app,
                Kind::Callbacks,
                Severity::Error,
                Words::new(
                    format!("{name} 的回调连续 {count} 次被拒绝：{zh}"),
                    format!("{count} callbacks of {name} in a row were refused: {en}"),
                ),
                Words::fixed(
                    "若是微信发来的，这些消息没有收下；微信推三次后放弃",
                    "if WeChat sent them, these messages were not taken; it gives up after three times",
                ),
                Words::new(fix_zh.to_owned(), fix_en.to_owned()),
            )
        })
    }
}

/// What people call an account.
fn name(app: &App) -> &str {
    if app.entry.name.is_empty() { &app.appid } else { &app.entry.name }
}

fn of_app(app: &App, kind: Kind, severity: Severity, summary: Words, impact: Words, fix: Words) -> Problem {
    let appid = app.appid.to_string();
    Problem {
        id: format!("{}:{appid}", kind.name()),
        kind,
        severity,
        object: Object { kind: "app".to_owned(), id: appid.clone(), name: name(app).to_owned() },
        since: 0,
        ended_at: None,
        summary,
        impact,
        fix,
        copy: None,
        action: None,
        link: format!("/apps/{appid}"),
    }
}

fn check(app: &App) -> Option<Action> {
    let label = Words::fixed("再检查一次", "Check again");
    Some(Action { call: format!("apps/{}/check", app.appid), label })
}

fn of_sign(app: &App, sign: &Sign) -> Problem {
    match sign {
        Sign::Superseded { at } => Problem {
            since: *at,
            ..superseded(
                app,
                Severity::Warn,
                Words::fixed(
                    "每被顶掉一次，就有一批调用要等换新令牌；两边互相顶，最后谁都用不了",
                    "each time, calls wait for another token; two programs that do so end each other's",
                ),
            )
        },
        Sign::Spent { since, .. } => Problem {
            since: *since,
            ..superseded(
                app,
                Severity::Error,
                Words::fixed(
                    "令牌已失效，而今天换得太多，暂时不能再换：调用都会失败",
                    "the token is dead and was replaced too often to be replaced just now: calls fail",
                ),
            )
        },
        Sign::Ails { errcode, ip, since, fix, goes_by_another } if is_of_address(*errcode) => Problem {
            since: *since,
            ..refused_address(app, *errcode, ip.as_deref(), fix.clone(), *goes_by_another)
        },
        Sign::Ails { errcode, since, fix, .. } => {
            let [(zh, _), (en, _)] = fix.parts();
            let (name, zh, en) = (name(app), zh.to_owned(), en.to_owned());
            Problem {
                since: *since,
                action: check(app),
                ..of_app(
                    app,
                    Kind::Account,
                    Severity::Error,
                    Words::new(
                        format!("{name}：{zh}（微信 {errcode}）"),
                        format!("{name}: {en} (WeChat {errcode})"),
                    ),
                    FAILING,
                    end_of(fix),
                )
            }
        }
        Sign::Troubled { kind, since, error, is_down, .. } => {
            Problem { since: *since, ..no_value(app, *kind, error, *is_down) }
        }
    }
}

const FAILING: Words = Words::fixed("这个账号的调用会失败", "calls of this account fail");
const LIVES: Words = Words::fixed(
    "手里的令牌还能用到失效；之后这个账号的调用都会失败",
    "the present token serves until it ends; then all calls of this account fail",
);

fn superseded(app: &App, severity: Severity, impact: Words) -> Problem {
    let name = name(app);
    let summary = Words::new(
        format!("{name} 的 access_token 被别的程序顶掉了"),
        format!("another program ended the access_token of {name}"),
    );
    of_app(app, Kind::Superseded, severity, summary, impact, end_of(&SPENT))
}

/// What to do, without why.
fn end_of(words: &Words) -> Words {
    let [(zh, fix_zh), (en, fix_en)] = words.parts();
    let said = |fix: &str, all: &str| if fix.is_empty() { all.to_owned() } else { fix.to_owned() };
    Words::new(said(fix_zh, zh), said(fix_en, en))
}

fn refused_address(app: &App, code: i64, ip: Option<&str>, fix: Words, goes_by_another: bool) -> Problem {
    let name = name(app);
    let (from_zh, from_en) = match ip {
        Some(ip) => (format!("从 {ip} "), format!(" from {ip}")),
        None => ("从这台机器".to_owned(), " from this machine".to_owned()),
    };
    let impact = if goes_by_another {
        Words::fixed("这个节点的调用暂由另一个节点代发", "another node makes this one's calls meanwhile")
    } else {
        FAILING
    };
    let severity = if goes_by_another { Severity::Warn } else { Severity::Error };
    let summary = Words::new(
        format!("微信不让{from_zh}调用 {name}：出口 IP 不在白名单（{code}）"),
        format!("WeChat refuses calls of {name}{from_en}: the address is not listed ({code})"),
    );
    Problem {
        copy: ip.map(str::to_owned),
        action: check(app),
        ..of_app(app, Kind::Ip, severity, summary, impact, fix)
    }
}

/// A token or a ticket isn't to be had.
fn no_value(app: &App, kind: CredentialKind, error: &TokenError, is_down: bool) -> Problem {
    let severity = if is_down { Severity::Error } else { Severity::Warn };
    let refusal = error.refusal();
    let impact = match kind {
        CredentialKind::AccessToken if is_down => FAILING,
        CredentialKind::AccessToken => LIVES,
        CredentialKind::Jsapi => {
            Words::fixed("网页的 JS-SDK 签名会失败", "signatures for the JS-SDK of web pages fail")
        }
        CredentialKind::WxCard => Words::fixed("卡券签名会失败", "signatures for card coupons fail"),
    };
    if let Some(error) = refusal.filter(|error| matches!(error.errcode, 40164 | 45035 | 61004)) {
        let ip = error.refused_ip();
        let fix = places::list_address(app.entry.kind, ip);
        return Problem { severity, impact, ..refused_address(app, error.errcode, ip, fix, false) };
    }
    let is_ours = kind == CredentialKind::AccessToken;
    let about = match refusal {
        Some(error) if is_ours && matches!(error.errcode, 40001 | 40125 | 40243 | 41004) => Kind::Secret,
        Some(error) if is_account_error(error.errcode) => Kind::Account,
        _ => Kind::Refresh,
    };
    let (summary, fix) = not_had(app, kind, error, refusal);
    let mut problem = Problem { action: check(app), ..of_app(app, about, severity, summary, impact, fix) };
    if !is_ours {
        problem.id = format!("{}:{}", problem.id, kind.as_str());
    }
    problem
}

fn not_had(
    app: &App,
    kind: CredentialKind,
    error: &TokenError,
    refusal: Option<&ApiError>,
) -> (Words, Words) {
    let (name, kind) = (name(app), kind.as_str());
    let Some(error) = refusal else {
        let (zh, en) = match error {
            TokenError::Lost(lost) | TokenError::TicketLost(lost) => (lost.zh.to_string(), lost.to_string()),
            other => (other.to_string(), other.to_string()),
        };
        return (
            Words::new(
                format!("取不到 {name} 的 {kind}：{zh}"),
                format!("no {kind} of {name} to be had: {en}"),
            ),
            Words::fixed(
                "检查网络、wechat.api_base 和 wechat.proxy；恢复后会自己重试",
                "check the network, wechat.api_base and wechat.proxy; it is tried again by itself",
            ),
        );
    };
    let code = error.errcode;
    let told = places::mend(&app.entry, error).or_else(|| errors::lookup(code).map(|help| help.words));
    let told = told.unwrap_or(Words::fixed(
        "没有收录的错误码：凭 rid 到公众平台查询",
        "a code that isn't listed: look its rid up at WeChat",
    ));
    let [(zh, _), (en, _)] = told.parts();
    (
        Words::new(
            format!("取不到 {name} 的 {kind}（微信 {code}）：{zh}"),
            format!("no {kind} of {name} to be had (WeChat {code}): {en}"),
        ),
        end_of(&told),
    )
}
