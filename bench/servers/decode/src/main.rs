//! Verifies, decrypts and parses one callback again and again, with wxgate's own code. `decode make DIRECTORY APPID TOKEN
//! AESKEY` writes one of 1 KB there, as `query` and `body`; `decode run DIRECTORY APPID TOKEN AESKEY SECONDS` prints
//! `count cpu_s`.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use wechat::crypt::AesKey;
use wechat::envelope::{Account, Keys, Push, Query, Stamp, push};

/// Seconds of this process's own time: others on the core don't count.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let (folder, appid, token, key) = (Path::new(&a[1]), a[2].as_str(), a[3].as_str(), AesKey::parse(&a[4])?);
    if a[0] == "make" {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64;
        let text = format!(
            "<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><FromUserName><![CDATA[oi2gjcX9COk0CXktAhOgmjS7_01E]]></FromUserName><CreateTime>{timestamp}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{}]]></Content><MsgId>3921234567890123456</MsgId></xml>",
            "x".repeat(720)
        );
        let stamp = Stamp { timestamp, nonce: "415670741", random: [7; 16] };
        let sent = push(&Keys { appid, token, key: Some(&key) }, text.as_bytes(), &stamp);
        fs::write(folder.join("query"), sent.query)?;
        fs::write(folder.join("body"), sent.body)?;
        return Ok(());
    }
    let (query, body) = (fs::read_to_string(folder.join("query"))?, fs::read(folder.join("body"))?);
    let accounts = [Account { appid, tokens: vec![token], keys: vec![&key] }];
    let (mut count, began, seconds) = (0_u64, cpu(), a[5].parse::<f64>()?);
    while cpu() - began < seconds {
        for _ in 0..100 {
            let opened = Push::read(&Query::parse(black_box(&query))?, black_box(&body)).open(&accounts)?;
            assert_eq!(opened.message.content().len(), 720);
        }
        count += 100;
    }
    println!("{count} {}", cpu() - began);
    Ok(())
}
