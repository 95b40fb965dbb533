//! Verifies, decrypts and parses one callback of 1 KB as often as told: `decode TIMES`. For counting what that takes.

use std::hint::black_box;

use wechat::crypt::AesKey;
use wechat::envelope::{Account, Keys, Push, Query, Stamp, push};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let times: u32 = std::env::args().nth(1).unwrap_or_default().parse()?;
    let key = AesKey::parse(&"a".repeat(43))?;
    let text = format!(
        "<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><FromUserName><![CDATA[oi2gjcX9COk0CXktAhOgmjS7_01E]]></FromUserName><CreateTime>1700000000</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{}]]></Content><MsgId>3921234567890123456</MsgId></xml>",
        "x".repeat(720)
    );
    let stamp = Stamp { timestamp: 1_700_000_000, nonce: "415670741", random: [7; 16] };
    let sent = push(&Keys { appid: "wx1", token: "token", key: Some(&key) }, text.as_bytes(), &stamp);
    let accounts = [Account { appid: "wx1", tokens: vec!["token"], keys: vec![&key] }];
    for _ in 0..times {
        let query = Query::parse(black_box(&sent.query))?;
        let opened = Push::read(&query, black_box(&sent.body)).open(&accounts)?;
        assert_eq!(black_box(opened.message).content().len(), 720);
    }
    Ok(())
}
