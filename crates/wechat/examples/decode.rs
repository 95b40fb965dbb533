//! Verifies, decrypts and parses one callback of 1 KB as often as told: `decode TIMES [DIRECTORY]`. What it reads is put into
//! the directory, as `query` and `body`, for others to do the same. For counting and timing what that takes.

use std::hint::black_box;
use std::path::PathBuf;

use wechat::crypt::AesKey;
use wechat::envelope::{Account, Keys, Push, Query, Stamp, push};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let times: u32 = arguments.next().unwrap_or_default().parse()?;
    let key = AesKey::parse(&"a".repeat(43))?;
    let text = format!(
        "<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><FromUserName><![CDATA[oi2gjcX9COk0CXktAhOgmjS7_01E]]></FromUserName><CreateTime>1700000000</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{}]]></Content><MsgId>3921234567890123456</MsgId></xml>",
        "x".repeat(720)
    );
    let stamp = Stamp { timestamp: 1_700_000_000, nonce: "415670741", random: [7; 16] };
    let (appid, token) = ("wx3cc8fd6963e31a32", "benchtoken");
    let sent = push(&Keys { appid, token, key: Some(&key) }, text.as_bytes(), &stamp);
    if let Some(folder) = arguments.next().map(PathBuf::from) {
        std::fs::write(folder.join("query"), &sent.query)?;
        std::fs::write(folder.join("body"), &sent.body)?;
    }
    let accounts = [Account { appid, tokens: vec![token], keys: vec![&key] }];
    for _ in 0..times {
        let query = Query::parse(black_box(&sent.query))?;
        let opened = Push::read(&query, black_box(&sent.body)).open(&accounts)?;
        assert_eq!(black_box(opened.message).content().len(), 720);
    }
    Ok(())
}
