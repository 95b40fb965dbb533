//! Where an operator clicks at WeChat, by kind of account. WeChat moves these pages now and then: every text that names one
//! takes it from this table. And what to click there for, where WeChat refuses the account itself.

use wechat::answer::ApiError;

use crate::entries::{AccountKind, AppEntry, Origin};
use crate::lang::Words;

/// The pages of one kind of account: Chinese, then English.
struct Pages {
    secret: [&'static str; 2],
    addresses: [&'static str; 2],
    push: [&'static str; 2],
    permissions: [&'static str; 2],
}

const OFFICIAL: Pages = Pages {
    secret: [
        "微信开发者平台 → 我的业务 → 公众号/服务号 → 基础信息 → 开发密钥",
        "developers.weixin.qq.com/platform → my business → official account → basic information → developer keys",
    ],
    addresses: [
        "微信开发者平台 → 我的业务 → 公众号/服务号 → 基础信息 → 开发信息（或开发密钥）→ API IP白名单",
        "developers.weixin.qq.com/platform → my business → official account → basic information → development → IP allow-list",
    ],
    push: [
        "微信开发者平台 → 我的业务 → 公众号/服务号 → 基础信息 → 域名与消息推送配置",
        "developers.weixin.qq.com/platform → my business → official account → basic information → domains and message push",
    ],
    permissions: [
        "微信开发者平台 → 我的业务 → 公众号/服务号 → 接口管理 → 接口权限与额度",
        "developers.weixin.qq.com/platform → my business → official account → APIs → permissions and quotas",
    ],
};

const MINI: Pages = Pages {
    secret: [
        "公众平台 → 开发管理 → 开发设置 → 开发者ID",
        "mp.weixin.qq.com → development → settings → developer id",
    ],
    addresses: [
        "公众平台 → 开发管理 → 开发设置 → 开发者ID → IP白名单",
        "mp.weixin.qq.com → development → settings → developer id → IP allow-list",
    ],
    push: [
        "公众平台 → 开发管理 → 开发设置 → 消息推送",
        "mp.weixin.qq.com → development → settings → message push",
    ],
    permissions: ["公众平台 → 开发管理 → 接口设置", "mp.weixin.qq.com → development → API permissions"],
};

const OPEN_APP: [&str; 2] = [
    "微信开放平台 → 管理中心 → 网站应用/移动应用 → 查看",
    "open.weixin.qq.com → management → web or mobile app → details",
];

const OPEN: Pages = Pages { secret: OPEN_APP, addresses: OPEN_APP, push: OPEN_APP, permissions: OPEN_APP };

fn pages(kind: AccountKind) -> &'static Pages {
    match kind {
        AccountKind::Official => &OFFICIAL,
        AccountKind::Mini => &MINI,
        AccountKind::Open => &OPEN,
    }
}

fn words([zh, en]: [&'static str; 2]) -> Words {
    Words::new(zh, en)
}

/// AppID and AppSecret.
pub fn secret(kind: AccountKind) -> Words {
    words(pages(kind).secret)
}

/// The list of addresses that may call.
pub fn addresses(kind: AccountKind) -> Words {
    words(pages(kind).addresses)
}

/// Where messages are pushed to, and how they are signed.
pub fn push(kind: AccountKind) -> Words {
    words(pages(kind).push)
}

/// What the account may call.
pub fn permissions(kind: AccountKind) -> Words {
    words(pages(kind).permissions)
}

/// What to do about an address that isn't listed: completes "the address is not listed: …".
pub fn list_address(kind: AccountKind, ip: Option<&str>) -> Words {
    let place = addresses(kind);
    let (ip_zh, ip_en) = match ip {
        Some(ip) => (ip.to_owned(), ip.to_owned()),
        None => (
            "wxgate 这台机器的出口 IP（微信没有报出是哪一个）".to_owned(),
            "the egress IP of wxgate's machine (WeChat doesn't say which)".to_owned(),
        ),
    };
    Words::new(
        format!("到 {} 添加 {ip_zh}（也可写 CIDR 网段），几分钟后生效，再重试", place.zh),
        format!(
            "add {ip_en} at {} (a CIDR range will do); it takes a few minutes to work, then retry",
            place.en
        ),
    )
}

/// Where wxgate learns of a new AppSecret.
fn new_secret(app: &AppEntry) -> Words {
    match app.origin {
        Origin::File { .. } => Words::fixed(
            "更新 wxgate 配置里的 secret 后运行 wxgate reload",
            "put it into wxgate's configuration as `secret` and run wxgate reload",
        ),
        _ => Words::fixed(
            "再在控制台的账号页改 secret（或 PATCH /api/v1/apps/…）",
            "and change `secret` on the account's page of the console (or by PATCH /api/v1/apps/…)",
        ),
    }
}

/// What is wrong with `app`, and where it is mended, if WeChat's `error` is about its addresses or its AppSecret: 40001 is
/// that of a token call.
pub fn mend(app: &AppEntry, error: &ApiError) -> Option<Words> {
    let appid = &app.appid;
    match error.errcode {
        40164 | 45035 | 61004 => {
            let ip = error.refused_ip();
            let named = ip.map(|ip| format!(" {ip}")).unwrap_or_default();
            let cure = list_address(app.kind, ip);
            Some(Words::new(
                format!("出口 IP{named} 不在 {appid} 的 IP白名单：{}", cure.zh),
                format!("egress IP{named} is not on the IP allow-list of {appid}: {}", cure.en),
            ))
        }
        40001 | 40125 => {
            let (place, then) = (secret(app.kind), new_secret(app));
            Some(Words::new(
                format!("{appid} 的 AppSecret 不正确：到 {} 核对或重置，{}", place.zh, then.zh),
                format!("the AppSecret of {appid} is wrong: check or reset it at {}, {}", place.en, then.en),
            ))
        }
        40243 => {
            let (place, then) = (secret(app.kind), new_secret(app));
            Some(Words::new(
                format!("{appid} 的 AppSecret 已被冻结：到 {} 解冻或重置，{}", place.zh, then.zh),
                format!(
                    "the AppSecret of {appid} is frozen: unfreeze or reset it at {}, {}",
                    place.en, then.en
                ),
            ))
        }
        _ => None,
    }
}

/// What WeChat's `error` says about `app`, and what to do: of its own words nothing, which may hold anything. Empty if nobody
/// knows the code.
pub fn advice(app: &AppEntry, error: &ApiError) -> Words {
    let known = || error.entry().map_or(Words::fixed("", ""), |entry| Words::fixed(entry.zh, entry.en));
    mend(app, error).unwrap_or_else(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_named_in_both_languages() {
        for kind in [AccountKind::Official, AccountKind::Mini, AccountKind::Open] {
            for place in [secret(kind), addresses(kind), push(kind), permissions(kind)] {
                assert!(place.zh.contains(" → ") && !place.zh.contains('('), "{}", place.zh);
                assert_eq!(
                    place.en.matches(" → ").count(),
                    place.zh.matches(" → ").count() + place.zh.matches("）→").count()
                );
                assert!(place.en.replace('→', "").is_ascii(), "{}", place.en);
            }
        }
        let told = list_address(AccountKind::Official, Some("1.2.3.4"));
        assert!(told.zh.contains("1.2.3.4") && told.en.contains("1.2.3.4") && told.zh.contains("CIDR"));
    }
}
