//! Pages for people: what this is, and the consent page of web OAuth.

use crate::world::World;

const STYLE: &str = "<style>:root{color-scheme:light dark}body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;\
margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}\
td,th{border-bottom:1px solid #8885;padding:.3rem .6rem;text-align:left}code{font-size:.9em}\
a.button{display:block;padding:.7rem;margin:.5rem 0;border-radius:.5rem;background:#07c160;color:#fff;\
text-align:center;text-decoration:none}a.plain{background:#8883;color:inherit}</style>";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn document(lang: &str, title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>{STYLE}</head>\
         <body>{body}</body></html>"
    )
}

const CONTROL: &[(&str, &str, &str)] = &[
    ("POST apps", "添加或修改账号", "add or change an account"),
    ("POST reset", "回到初始状态", "back to the start"),
    ("POST users", "添加用户", "add a user"),
    ("POST callback", "设置并验证消息推送地址", "set and verify a callback"),
    ("POST oauth/code · login/code · phone/code", "发一次性 code", "hand out a single-use code"),
    ("POST subscribe", "用户允许若干条订阅消息", "a user allows subscription messages"),
    (
        "POST scan · message · event · unfollow",
        "用户扫码、发消息、触发事件、取关",
        "a user scans, writes, acts, unfollows",
    ),
    ("POST token/expire · token/rotate", "令牌到期、被别人刷新", "end a token, let somebody else refresh it"),
    ("POST fault", "注入故障", "script a fault"),
    ("POST clock", "拨快时钟", "move the clock"),
    ("POST quirks", "切换未经证实的行为", "switch unconfirmed facts"),
    ("GET state", "看到过的一切", "everything seen"),
];

/// `GET /`
pub(super) fn front(world: &World, english: bool) -> String {
    let pick = |zh: &'static str, en: &'static str| if english { en } else { zh };
    let mut accounts = String::new();
    for account in world.accounts.values() {
        let kind = format!("{:?}", account.kind).to_lowercase();
        accounts.push_str(&format!(
            "<tr><td><code>{}</code></td><td>{kind}</td><td><code>{}</code></td></tr>",
            escape(&account.appid),
            escape(&account.original_id)
        ));
    }
    let control: String = CONTROL
        .iter()
        .map(|(call, zh, en)| {
            format!("<tr><td><code>{call}</code></td><td>{}</td></tr>", if english { en } else { zh })
        })
        .collect();
    let body = format!(
        "<h1>{}</h1><p>{}</p><h2>{}</h2><table><tr><th>appid</th><th>kind</th><th>original id</th></tr>{accounts}</table>\
         <h2>{}</h2><p>{}</p><table>{control}</table>",
        pick("微信模拟器", "WeChat simulator"),
        pick(
            "api、mp、open 三个域名合为一体，令牌、限额、错误码都照微信的规矩。这里没有真实数据。",
            "The api, mp and open hosts in one, with WeChat's tokens, limits and error codes. Nothing here is real."
        ),
        pick("账号", "Accounts"),
        pick("控制接口", "Control"),
        pick("在 /sandbox/ 之下，JSON 进出：", "Below /sandbox/, JSON in and out:"),
    );
    document(if english { "en" } else { "zh-CN" }, pick("微信模拟器", "WeChat simulator"), &body)
}

/// Whom to be, and whether to agree.
pub(super) fn consent(world: &World, appid: &str, scope: &str, query: &str) -> String {
    let mut choices = String::new();
    for user in &world.users {
        choices.push_str(&format!(
            "<a class=\"button\" id=\"{0}\" href=\"?{1}&amp;sandbox_user={0}\">以 {2} 的身份允许</a>",
            escape(&user.id),
            escape(query),
            escape(&user.nickname)
        ));
    }
    let body = format!(
        "<h1>网页授权</h1><p><code>{}</code> 申请 <code>{}</code></p>{choices}\
         <a class=\"button plain\" id=\"refuse\" href=\"?{}&amp;sandbox_user=refuse\">拒绝</a>",
        escape(appid),
        escape(scope),
        escape(query)
    );
    document("zh-CN", "网页授权", &body)
}

/// WeChat's error page.
pub(super) fn oauth_error(code: i64, why: &str) -> String {
    document("zh-CN", "出错了", &format!("<h1>出错了</h1><p>{}</p><p>错误码 {code}</p>", escape(why)))
}
