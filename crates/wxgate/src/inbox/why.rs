//! Why a callback is refused, for the log: whoever sets callbacks up looks there first, for WeChat tells nothing.

use wechat::envelope::Refused;

use crate::lang::Words;
use crate::registry::Live;

/// What the protocol says.
pub(super) fn words(refused: &Refused) -> Words {
    match refused {
        Refused::Query(what) => Words::new(
            format!(
                "地址里的参数不是微信的样子（{}）：浏览器直接打开就会这样；是微信发来的，就看反向代理改了什么",
                query(what)
            ),
            format!(
                "the URL's parameters aren't WeChat's ({what}): a browser that opens it gets this; if WeChat sent it, see what a proxy changes"
            ),
        ),
        Refused::Body(why) => Words::new(
            format!("消息体读不懂（{why}）：看反向代理有没有改动它"),
            format!("the body can't be read ({why}): see whether a proxy changes it"),
        ),
        Refused::NoAccount => Words::fixed(
            "没有账号可以验证它：给账号写上 callback_token",
            "there is no account to check it with: give the account a callback_token",
        ),
        Refused::Plain => Words::fixed(
            "消息是明文，而账号配置了 aes_key：把公众平台上的加解密方式改成安全模式，或设 allow_plain = true",
            "the message is plain, and the account has an aes_key: choose safe mode at WeChat, or set allow_plain = true",
        ),
        Refused::NoKey => Words::fixed(
            "消息是加密的，而账号没有 aes_key：写上公众平台上的 EncodingAESKey",
            "the message is encrypted, and the account has no aes_key: write the EncodingAESKey from WeChat's page",
        ),
        Refused::Signature => Words::fixed(
            "签名与 callback_token 不符：公众平台上的 Token 要与配置一致（不是微信发来的也会这样）",
            "the signature doesn't fit callback_token: the Token at WeChat must be the same (what isn't WeChat's gets this as well)",
        ),
        Refused::Cipher => Words::fixed(
            "用 aes_key 解不开：公众平台上的 EncodingAESKey 要与配置一致",
            "aes_key doesn't decrypt it: the EncodingAESKey at WeChat must be the same",
        ),
        Refused::ReceiveId => Words::fixed(
            "消息是加密给另一个 appid 的：检查回调地址里的 appid",
            "the message was encrypted for another appid: look at the appid in the callback's URL",
        ),
        Refused::Ambiguous => Words::fixed(
            "几个账号的 callback_token 相同，分不清是谁的：回调地址写成 wxmsg/{appid}",
            "several accounts have this callback_token: use wxmsg/{appid} as the callback's URL",
        ),
        Refused::NotReply => Words::fixed(
            "没有 MsgType，不是回复：看后端的应答",
            "there is no MsgType, so it is no reply: look at the backend's answer",
        ),
    }
}

fn query(what: &str) -> &str {
    match what {
        "a parameter occurs twice" => "有参数出现了两次",
        "timestamp isn't a number of seconds" => "timestamp 不是秒数",
        "nonce is missing" => "缺少 nonce",
        "not UTF-8" => "不是 UTF-8",
        "holds NUL" => "含有 NUL",
        other => other,
    }
}

/// The app that the path names takes no callbacks.
pub(super) fn no_callbacks(live: &Live, appid: &str) -> Words {
    match live.app(appid) {
        None => Words::fixed(
            "地址里的 appid 没有配置：加上这个账号，或改公众平台上的回调地址",
            "the appid in the URL is not configured: add the account, or change the URL at WeChat",
        ),
        Some(app) if !app.entry.kind.has_callbacks() => Words::fixed(
            "这类账号没有回调：核对账号的 kind",
            "an account of this kind has no callbacks: check its kind",
        ),
        Some(_) => Words::fixed(
            "账号没有 callback_token：写上公众平台上的 Token",
            "the account has no callback_token: write the Token from WeChat's page",
        ),
    }
}
