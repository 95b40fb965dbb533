//! What control calls and files of a start say is wrong, in Chinese: a row a sentence. Half of the sentences are the JSON
//! reader's, so all of them are English where they are made, and translated where they go out.

/// A sentence of the sandbox's, in Chinese; as it is if there is no row for it.
pub fn in_chinese(english: &str) -> String {
    let row = ROWS.iter().find_map(|(en, zh)| Some((holes(en, english)?, zh)));
    let Some((holes, zh)) = row else { return english.to_owned() };
    let filled = |text: String, (number, hole): (usize, &&str)| {
        // What stands in a sentence may be one.
        text.replace(&format!("{{{number}}}"), &in_chinese(hole))
    };
    holes.iter().enumerate().fold((*zh).to_owned(), filled)
}

/// What stands in a text in the places of a pattern's `{}`, if the text is of this pattern.
fn holes<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut parts = parts.peekable();
    let mut holes = Vec::new();
    while let Some(part) = parts.next() {
        let end = match parts.peek() {
            // The last hole goes on to the end.
            None => rest.strip_suffix(part)?.len(),
            Some(_) => rest.find(part)?,
        };
        holes.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    // Nothing may be left, and a hole holds something.
    (rest.is_empty() && holes.iter().all(|hole| !hole.is_empty())).then_some(holes)
}

/// English and Chinese, in which `{0}` is what stood at the first `{}`. Of several that fit the first counts.
#[rustfmt::skip]
const ROWS: &[(&str, &str)] = &[
    // A file of a start.
    ("line {}: {}: {}", "第 {0} 行，{1}：{2}"),
    ("belongs to no start", "不属于开始时的设置"),
    // The JSON reader.
    ("{} at line {} column {}", "{0}（第 {1} 行第 {2} 列）"),
    ("missing field `{}`", "缺少 {0}"),
    ("unknown field `{}`, expected one of {}", "没有 {0} 这个成员，可以用 {1}"),
    ("unknown field `{}`, expected {}", "没有 {0} 这个成员，可以用 {1}"),
    ("unknown field `{}`, there are no fields", "没有 {0} 这个成员，这里什么都不用给"),
    ("unknown variant `{}`, expected one of {}", "没有 {0}，可以是 {1}"),
    ("unknown variant `{}`, expected {}", "没有 {0}，可以是 {1}"),
    ("duplicate field `{}`", "{0} 给了两次"),
    ("invalid type: {}, expected {}", "类型不对：是 {0}，应为 {1}"),
    ("invalid value: {}, expected {}", "值不对：是 {0}，应为 {1}"),
    ("invalid length {}, expected {}", "长度不对：是 {0}，应为 {1}"),
    ("EOF while parsing {}", "JSON 没有写完（{0}）"),
    ("expected value", "这里应有一个值"),
    ("expected ident", "不是 JSON"),
    ("expected `{}`", "这里应有 {0}"),
    ("key must be a string", "成员的名字要放在引号里"),
    ("trailing characters", "后面还有多余的内容"),
    ("trailing comma", "多了一个逗号"),
    ("a number of at most {}", "不超过 {0} 的数"),
    ("string {}", "文字 {0}"),
    ("integer `{}`", "整数 {0}"),
    ("floating point `{}`", "小数 {0}"),
    ("boolean `{}`", "{0}"),
    ("map", "对象"),
    ("a map", "对象"),
    ("struct {} with {} elements", "对象"),
    ("struct {}", "对象"),
    ("sequence", "列表"),
    ("a sequence", "列表"),
    ("a string", "文字"),
    ("a boolean", "true 或 false"),
    ("i64", "整数"),
    ("u32", "不小于 0 的整数"),
    ("u64", "不小于 0 的整数"),
    ("usize", "不小于 0 的整数"),
    ("a value", "值"),
    ("an object", "对象"),
    ("a list", "列表"),
    ("an object of control calls", "由控制接口组成的对象"),
    ("Failed to deserialize query string: {}", "查询参数不对：{0}"),
    // Any call.
    ("there is no such control call, or not by this method", "没有这个控制接口，或者不是用这个方法"),
    ("a control call without a file has {} KiB at most", "不带文件的控制调用至多 {0} KiB"),
    ("Origin: a page of another origin may not change the sandbox", "Origin：别的网站的页面不能改动沙箱"),
    ("Host: the sandbox listens on this machine alone: ask for 127.0.0.1 or localhost, or --listen on another address",
     "Host：沙箱只在本机监听：请访问 127.0.0.1 或 localhost，或用 --listen 换个地址"),
    ("there are {} readers already", "已经有 {0} 个读者了"),
    ("appid: there is no account {}", "appid：没有账号 {0}"),
    ("openid: no user has {} in {}", "openid：{1} 没有用户的 openid 是 {0}"),
    ("user: there is no user {}", "user：没有用户 {0}"),
    // Worlds and snapshots.
    ("a world's name has 1 to {} letters, digits, - and _, not {}", "世界的名字是 1 到 {0} 个字母、数字、- 和 _，不能是 {1}"),
    ("name: there is a world {}; its POST /sandbox/reset begins it anew", "name：已有世界 {0}；它的 POST /sandbox/reset 让它重新开始"),
    ("there is no world {}", "没有世界 {0}"),
    ("{}: there is no such world, and a page of another site begins none", "{0}：没有这个世界，别的网站的页面也不能新建"),
    ("{}: gone", "{0}：已经结束"),
    ("the world ended", "这个世界已经结束"),
    ("version: this wxgate restores {}, not {}", "version：这个 wxgate 能恢复的是 {0}，不是 {1}"),
    ("world.now: more than a century away", "world.now：相差超过一个世纪"),
    ("world.order: not the AppIDs of world.apps", "world.order：不是 world.apps 的那些 AppID"),
    ("world.apps.{}: its appid, or its token_ttl, is impossible", "world.apps.{0}：appid 或 token_ttl 不可能"),
    ("world.calls: their numbers don't rise", "world.calls：序号没有递增"),
    ("world.cube: an hour, or a count, is impossible", "world.cube：小时或计数不可能"),
    ("a fault needs an id", "每个故障要有 id"),
    ("a scene is a text or a number of 32 bits", "场景值是文字，或 32 位的数"),
    ("no API has the path {}", "没有接口的路径是 {0}"),
    ("base64 of another length", "base64 的长度不对"),
    // Accounts, users, settings.
    ("appid and secret must not be empty", "appid 和 secret 不能为空"),
    ("aes_key: 43 characters out of A-Z, a-z, 0-9", "aes_key：43 个字符，A-Z、a-z、0-9"),
    ("token_ttl: 1 to 31536000 seconds", "token_ttl：1 到 31536000 秒"),
    ("pages: at most {}, without a leading slash or a query", "pages：至多 {0} 个，开头没有斜杠，不带查询参数"),
    ("ip_allow, oauth_domains, linked: at most {} of each", "ip_allow、oauth_domains、linked：各至多 {0} 个"),
    ("ip_allow: {} is neither an address nor a CIDR", "ip_allow：{0} 既不是地址也不是网段"),
    ("{}: a setting has at most {} bytes", "{0}：每项设置至多 {1} 字节"),
    ("there are {} accounts with {} users already", "已经有 {0} 个账号、{1} 个用户了"),
    ("the accounts' settings take {} MiB at most", "所有账号的设置至多 {0} MiB"),
    ("appid: a website has no access_token", "appid：网站应用没有 access_token"),
    ("appid: a website has no callbacks", "appid：网站应用没有消息推送"),
    ("appid: only official accounts have such codes", "appid：公众号才有这种码"),
    ("appid: this is no mini program", "appid：这不是小程序"),
    ("appid: this kind of account has no such codes", "appid：这类账号没有这种 code"),
    ("scope: snsapi_base, snsapi_userinfo or snsapi_login", "scope：snsapi_base、snsapi_userinfo 或 snsapi_login"),
    ("template_id: {} has no subscription template {}", "template_id：{0} 没有订阅模板 {1}"),
    ("advance_seconds: more than a century", "advance_seconds：超过一个世纪"),
    ("api: {} has no limit here; there is {}", "api：{0} 在这里没有限额；有限额的是 {1}"),
    ("{}: there is no such quirk", "{0}：没有这个开关"),
    ("client_platform_type: 1 (iOS), 2 (Android) or 3 (others)", "client_platform_type：1（iOS）、2（Android）或 3（其他）"),
    // Callbacks.
    ("url: at most {} bytes", "url：至多 {0} 字节"),
    ("url: must begin with http://", "url：必须以 http:// 开头"),
    ("url: verification failed: HTTP {} with {} instead of the echostr", "url：验证失败：应答是 HTTP {0} 和 {1}，不是 echostr"),
    ("url: verification failed: {}", "url：验证失败：{0}"),
    ("url: {}", "url：{0}"),
    ("no answer within 5 s", "5 秒内没有应答"),
    ("push: there is no push {}", "push：没有推送 {0}"),
    ("there is no push {}", "没有推送 {0}"),
    ("push: its account has no callback address", "push：它的账号没有推送地址"),
    ("push: its account's format is another one now", "push：它的账号换了消息格式"),
    // Faults.
    ("path must begin with /, or be * for every path", "path 必须以 / 开头，或者是 *（所有路径）"),
    ("one of errcode, status, delay_ms, body, body_base64, content_type, cut and receipt is required",
     "errcode、status、delay_ms、body、body_base64、content_type、cut、receipt 至少要有一个"),
    ("body and body_base64: give one of them", "body 和 body_base64 只给一个"),
    ("errmsg needs an errcode", "errmsg 要和 errcode 一起给"),
    ("body_base64 must be base64", "body_base64 必须是 base64"),
    ("probability must be over 0 and at most 1", "probability 必须大于 0、至多 1"),
    ("status must be 200 to 599", "status 必须是 200 到 599"),
    ("content_type must be plain ASCII", "content_type 只能用 ASCII"),
    ("delay_ms: min is over max", "delay_ms：min 大于 max"),
    ("delay_ms: p50 must be over 0 and at most p99", "delay_ms：p50 必须大于 0，且不超过 p99"),
    ("delay_ms: at most {}", "delay_ms：至多 {0}"),
    ("delay_ms: milliseconds, {}, not {}", "delay_ms：毫秒数，或 {0}，不能是 {1}"),
    ("too many faults: reset", "故障太多：请 reset"),
    ("faults take {} MiB at most: reset", "故障合计至多 {0} MiB：请 reset"),
    ("id: there is no fault {}", "id：没有故障 {0}"),
    // What users do.
    ("ticket: there is no such code", "ticket：没有这个码"),
    ("ticket: the code has expired", "ticket：这个码过期了"),
    ("text: no code says {}", "text：没有码的内容是 {0}"),
    ("there is no code {} on the screen", "屏幕上没有码 {0}"),
    ("scene: 1 to 64 characters", "scene：1 到 64 个字符"),
    ("seconds: 1 to 2592000", "seconds：1 到 2592000"),
    ("WeChat refuses it: {}", "微信不同意：{0}"),
    ("event must not be empty", "event 不能为空"),
    ("list: {} has none", "list：{0} 没有这个"),
    ("message.MsgType must be a text", "message.MsgType 必须是文字"),
    ("message: {} can't be an element's name", "message：{0} 不能作 XML 元素的名字"),
    ("link: there is no such link", "link：没有这个链接"),
    ("link: it has expired", "link：链接过期了"),
    ("link: as many as may be opened in a day were opened", "link：今天能打开的次数用完了"),
    ("openid: log the user in first, by jscode2session", "openid：先用 jscode2session 让用户登录"),
    ("the session key is not 16 bytes", "session_key 不是 16 字节"),
    // Files, pictures, words.
    ("content_type: image/…, audio/… or video/…", "content_type：image/…、audio/… 或 video/…"),
    ("body_base64: no code can be read in this picture", "body_base64：这张图里读不出码"),
    ("body_base64: {}", "body_base64：{0}"),
    ("base64 must be base64", "base64 必须是 base64"),
    ("there is no file {}, or no longer", "没有文件 {0}，或者已经不在了"),
    ("url, sha256 or base64: give one of them, or none", "url、sha256、base64：只给一个，或都不给"),
    ("label: of {}; 100 for what passes", "label：{0} 之一；通过的是 100"),
    ("word must not be empty", "word 不能为空"),
    ("word: an account has {} at most", "word：一个账号至多 {0} 个"),
    ("words and pictures take {} MiB at most: reset", "关键词和图片合计至多 {0} MiB：请 reset"),
    ("there are {} pictures already: reset", "已经有 {0} 张图片了：请 reset"),
    ("shows.comm: a list of lines", "shows.comm：由各行文字组成的列表"),
    ("shows.{}: an object", "shows.{0}：应为对象"),
    ("shows.{}: texts of {}", "shows.{0}：{1} 的文字"),
    ("shows.{}: comm, {}", "shows.{0}：可以用 comm、{1}"),
    // What accounts show, and their workers.
    ("mass_status: send fail, or err(10001) and the like", "mass_status：send fail，或 err(10001) 之类"),
    ("publish_status: 2, 3 or 4, with at most 8 fail_idx", "publish_status：2、3 或 4，fail_idx 至多 8 个"),
    ("mass_status, or publish_status with fail_idx", "给 mass_status，或 publish_status 和 fail_idx"),
    ("msg_data_id, index: there is no such article to read", "msg_data_id、index：没有这篇可以看的文章"),
    ("withdraw: this user has no such comment here", "withdraw：这个用户在这里没有这条留言"),
    ("content: 1 to {} characters", "content：1 到 {0} 个字"),
    ("the article takes no comments: comment/open opens it", "这篇文章没有打开留言：用 comment/open 打开"),
    ("openid: only followers may comment on this article", "openid：这篇文章只有关注者能留言"),
    ("content or withdraw, one of them", "content 和 withdraw 只给一个"),
    ("comments take {} MiB at most: reset", "留言合计至多 {0} MiB：请 reset"),
    ("kf_account: there is no {}", "kf_account：没有 {0}"),
    ("kf_account: nobody is invited to be {}", "kf_account：没有邀请谁当 {0}"),
    ("kf_account: {} is bound to no WeChat id", "kf_account：{0} 没有绑定微信号"),
    ("to: {} is not at work", "to：{0} 不在线"),
    ("openid: {} is not served by {}", "openid：{0} 不是 {1} 在接待"),
    ("no table knows {}", "没有收录 {0}"),
    ("{}: {} or {}, not {}", "{0}：{1} 或 {2}，不能是 {3}"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_in_sentences() {
        for (en, zh) in [
            (
                "line 3: apps: missing field `secret` at line 3 column 9",
                "第 3 行，apps：缺少 secret（第 3 行第 9 列）",
            ),
            ("appid: there is no account \"wx1\"", "appid：没有账号 \"wx1\""),
            ("hyaline: png or jpeg, not \"gif\"", "hyaline：png 或 jpeg，不能是 \"gif\""),
            ("url: verification failed: no answer within 5 s", "url：验证失败：5 秒内没有应答"),
            (
                "invalid type: string \"x\", expected u64 at line 1 column 9",
                "类型不对：是 文字 \"x\"，应为 不小于 0 的整数（第 1 行第 9 列）",
            ),
            ("something else", "something else"),
            ("", ""),
        ] {
            assert_eq!(in_chinese(en), zh);
        }
    }

    /// The texts in a file that are said as what is wrong: `Wrong("…`, `Err("…`, `ok_or("…`, `format!("…` and the like
    /// after one of these.
    fn said(source: &str) -> Vec<String> {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let begins = [
            "Wrong(\"",
            "Wrong(format!(\"",
            "Err(\"",
            "Err(format!(\"",
            "ok_or(\"",
            "|| format!(\"",
            "wrong(\"",
        ];
        let one_line: String = source.split('\n').map(str::trim_start).collect();
        let mut said = Vec::new();
        for begin in begins {
            for rest in one_line.split(begin).skip(1) {
                let mut text = String::new();
                let mut escaped = false;
                for c in rest.chars() {
                    match c {
                        '"' if !escaped => break,
                        '\\' if !escaped => escaped = true,
                        c => {
                            text.push(c);
                            escaped = false;
                        }
                    }
                }
                said.push(text);
            }
        }
        said
    }

    /// A format's `{name:?}` and the like as `{}`.
    fn plain(format: &str) -> String {
        let mut plain = String::new();
        for (number, part) in format.split('{').enumerate() {
            match part.split_once('}') {
                Some((_, rest)) if number > 0 => plain += &format!("{{}}{rest}"),
                _ => plain += part,
            }
        }
        plain
    }

    #[test]
    fn every_sentence_has_a_row() {
        let files = [
            include_str!("faults.rs"),
            include_str!("faults/delay.rs"),
            include_str!("http/control.rs"),
            include_str!("http/control/act.rs"),
            include_str!("http/control/content.rs"),
            include_str!("http/control/kf.rs"),
            include_str!("http/control/mini.rs"),
            include_str!("http/control/phone.rs"),
            include_str!("http/control/set.rs"),
            include_str!("http/live.rs"),
            include_str!("http/setup.rs"),
            include_str!("http/worlds.rs"),
            include_str!("push.rs"),
            include_str!("world.rs"),
            include_str!("world/app.rs"),
            include_str!("world/content.rs"),
            include_str!("world/cube.rs"),
            include_str!("world/desk.rs"),
            include_str!("world/link.rs"),
            include_str!("world/log.rs"),
            include_str!("world/publication.rs"),
            include_str!("world/quirks.rs"),
            include_str!("world/quota.rs"),
            include_str!("world/session.rs"),
            include_str!("world/snapshot.rs"),
        ];
        let all: Vec<String> = files.into_iter().flat_map(said).collect();
        assert!(all.len() > 80, "{}", all.len());
        let texts = all.iter().map(|text| plain(text).replace("{}", "x")).filter(|text| text.contains(' '));
        let missing: Vec<String> =
            texts.filter(|text| in_chinese(text) == *text && text != "url: x").collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
