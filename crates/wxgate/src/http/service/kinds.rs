//! Is the account of a kind that has the API? Told before WeChat is asked, which says no more than "unauthorized".

use super::table::Operation;
use crate::entries::AccountKind;
use crate::problem::{Problem, Words};
use crate::registry::callers::Caller;
use crate::registry::{App, Live};

/// Accounts that are named at most.
const NAMED: usize = 3;

/// Refuses `app` if `operation` is for other kinds, and names what would do: an account that `caller` may use, or another
/// endpoint.
pub(super) fn check(operation: &Operation, app: &App, caller: &Caller, live: &Live) -> Result<(), Problem> {
    let kind = app.entry.kind;
    if operation.kinds.contains(&kind) {
        return Ok(());
    }
    let (name, appid) = (operation.name, &app.appid);
    let (own, wanted) = (kind_words(kind), wanted(operation.kinds));
    let fits = |app: &App| {
        operation.kinds.contains(&app.entry.kind) && caller.apps.matches(&app.appid, &app.entry.tags)
    };
    let mut others: Vec<&str> = live.apps().filter(|app| fits(app)).map(|app| &*app.appid).collect();
    others.sort_unstable();
    others.truncate(NAMED);
    let mut cure = match &others[..] {
        [] => Words::new("这个调用方没有能用的", "this caller may use none"),
        others => {
            Words::new(format!("可用的有 {}", others.join("、")), format!("there is {}", others.join(", ")))
        }
    };
    if let Some((_, instead)) = operation.instead.iter().find(|(of, _)| *of == kind) {
        cure = Words::new(
            format!("{}；{}对应的接口是 {instead}", cure.zh, own.zh),
            format!("{}; what {} has for that is {instead}", cure.en, own.en),
        );
    }
    Err(Problem::parameter(
        "appid",
        &format!(
            "{appid} 是{}，{name} 只用于{}：{}（kind 写错了就改 [[apps]] 里的 kind）",
            own.zh, wanted.zh, cure.zh
        ),
        &format!(
            "{appid} is {}, {name} is only for {}: {} (if its kind is wrong, mend `kind` in [[apps]])",
            own.en, wanted.en, cure.en
        ),
    ))
}

fn kind_words(kind: AccountKind) -> Words {
    match kind {
        AccountKind::Official => Words::new("公众号", "an official account"),
        AccountKind::Mini => Words::new("小程序", "a mini program"),
        AccountKind::Open => Words::new("网站/移动应用", "a web or mobile app (kind \"open\")"),
    }
}

fn wanted(kinds: &[AccountKind]) -> Words {
    let words: Vec<Words> = kinds.iter().map(|kind| kind_words(*kind)).collect();
    let joined = |of: fn(&Words) -> &str, mark: &str| words.iter().map(of).collect::<Vec<_>>().join(mark);
    Words::new(joined(|words| &words.zh, "、"), joined(|words| &words.en, " or "))
}
