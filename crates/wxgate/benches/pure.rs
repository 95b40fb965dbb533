//! What costs nothing but reckoning: `cargo bench -p wxgate --bench pure`. Prints times and judges nothing; instructions are
//! counted and held by `bench/counts.py`.

use std::hint::black_box;
use std::path::Path;

use divan::Bencher;
use secrecy::SecretString;
use wechat::crypt::AesKey;
use wechat::envelope::{Account, Keys as MessageKeys, Push, Query, Stamp, push};
use wechat::message::Message;
use wxgate::clock::Clock;
use wxgate::config::{self, Config};
use wxgate::gateway::{self, Listeners};
use wxgate::keys::{Grant, Holder, Keys};
use wxgate::random::Random;
use wxgate::registry::Registry;
use wxgate::rules::filter::Subject;

const KEY: &str = "wxk_bench_0123456789abcdefghijklmnopqrstuv";
const NOW: i64 = 1_700_000_000_000;

fn main() {
    divan::main();
}

/// A text of 720 bytes, a message of 1 KB.
fn text() -> String {
    format!(
        "<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><FromUserName><![CDATA[oi2gjcX9COk0CXktAhOgmjS7_01E]]></FromUserName><CreateTime>1700000000</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{}]]></Content><MsgId>3921234567890123456</MsgId></xml>",
        "x".repeat(720)
    )
}

#[divan::bench]
fn verify_decrypt_and_parse_1_kb(bencher: Bencher<'_, '_>) {
    let key = AesKey::parse(&"a".repeat(43)).expect("a key");
    let stamp = Stamp { timestamp: NOW / 1000, nonce: "415670741", random: [7; 16] };
    let sent =
        push(&MessageKeys { appid: "wx1", token: "token", key: Some(&key) }, text().as_bytes(), &stamp);
    let accounts = [Account { appid: "wx1", tokens: vec!["token"], keys: vec![&key] }];
    bencher.bench_local(|| {
        let query = Query::parse(black_box(&sent.query)).expect("a query");
        Push::read(&query, black_box(&sent.body)).open(&accounts).expect("a message")
    });
}

fn keys() -> Keys {
    let key = SecretString::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    Keys::from_base64(&key, Random::System).expect("a key")
}

#[divan::bench]
fn gateway_token_issued(bencher: Bencher<'_, '_>) {
    let (keys, grant) = (keys(), Grant { holder: Holder::new(Some(KEY), ""), appid: "wx1".into() });
    bencher.bench_local(|| keys.issue(black_box(&grant), NOW));
}

#[divan::bench]
fn gateway_token_opened(bencher: Bencher<'_, '_>) {
    let keys = keys();
    let token = keys.issue(&Grant { holder: Holder::new(Some(KEY), ""), appid: "wx1".into() }, NOW);
    bencher.bench_local(|| keys.granted(black_box(&token), NOW));
}

fn config(apps: usize, routes: usize, folder: &Path) -> Config {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[[callers]]\nname = \"bench\"\nkey = \"{KEY}\"\napps = [\"*\"]\napis = [\"/cgi-bin/*\", \"!/cgi-bin/clear_quota\", \"/wxa/getwxacode*\"]\n"
    );
    for n in 0..apps {
        text += &format!("[[apps]]\nappid = \"wx{n:016x}\"\nkind = \"official\"\nsecret = \"{n:032x}\"\n");
    }
    for n in 0..routes {
        text += &format!(
            "[[routes]]\nname = \"r{n}\"\ntarget = \"http://127.0.0.1:9/{n}\"\nevents = [\"event:SCAN\"]\nscenes = [\"shop-{n}-*\"]\n"
        );
    }
    config::parse(&text, "bench.toml", folder, &Default::default()).expect("a configuration")
}

/// As a running gateway has it.
fn registry(apps: usize, routes: usize) -> Registry {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let config = config(apps, routes, folder.path());
        let listeners = Listeners::bind(&config.server).await.expect("two ports");
        gateway::start(config, Clock::System, listeners).await.expect("a gateway").registry().clone()
    })
}

#[divan::bench(args = [1, 10_000])]
fn rights(bencher: Bencher<'_, '_>, apps: usize) {
    let registry = registry(apps, 0);
    bencher.bench_local(|| {
        let live = registry.live();
        let (caller, _) = live.callers.holder(black_box(KEY)).expect("a caller");
        let app = live.app(black_box("wx0000000000000000")).expect("an app");
        (
            caller.apis.allows(black_box("/cgi-bin/user/info")),
            caller.apps.matches(&app.appid, &app.entry.tags),
        )
    });
}

#[divan::bench(args = [(1, 1), (1, 1000), (10_000, 1), (10_000, 1000)])]
fn routing(bencher: Bencher<'_, '_>, (apps, routes): (usize, usize)) {
    let registry = registry(apps, routes);
    let message = Message::read(
        b"<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1700000000</CreateTime><MsgType>event</MsgType><Event>SCAN</Event><EventKey>shop-0-1</EventKey><Ticket>t</Ticket></xml>",
    );
    bencher.bench_local(|| {
        let live = registry.live();
        let app = live.app(black_box("wx0000000000000000")).expect("an app");
        let taking = live.routes.matching(&app.appid, &app.entry.tags, &Subject::of(black_box(&message)));
        assert_eq!(taking.len(), 1);
        taking
    });
}
