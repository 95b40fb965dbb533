//! WeChat as it pushes: encrypted texts of about 1 KB, each of another user, over kept connections.
//! `callbacks ADDRESS APPID TOKEN AESKEY SECONDS CONNECTIONS` prints `count took_s p50_us p99_us`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aes::cipher::{BlockModeEncrypt as _, KeyIvInit as _, block_padding::NoPadding};
use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct Maker {
    appid: String,
    token: String,
    key: Vec<u8>,
    seed: u64,
}

impl Maker {
    fn random(&mut self) -> u64 {
        // xorshift64*
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        self.seed.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn request(&mut self) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let (a, b, id) = (self.random(), self.random(), self.random() >> 1);
        let openid = format!("o{a:016x}{:011x}", b >> 20);
        let inner = format!(
            "<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><FromUserName><![CDATA[{openid}]]></FromUserName><CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{}]]></Content><MsgId>{id}</MsgId></xml>",
            "x".repeat(700)
        );
        let mut plain = vec![7; 16];
        plain.extend_from_slice(&(inner.len() as u32).to_be_bytes());
        plain.extend_from_slice(inner.as_bytes());
        plain.extend_from_slice(self.appid.as_bytes());
        let pad = 32 - plain.len() % 32;
        plain.resize(plain.len() + pad, pad as u8);
        let length = plain.len();
        let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(&self.key, &self.key[..16]).expect("a key");
        cipher.encrypt_padded::<NoPadding>(&mut plain, length).expect("whole blocks");
        let encrypted = base64::prelude::BASE64_STANDARD.encode(&plain);
        let (timestamp, nonce) = (now.to_string(), (self.random() >> 33).to_string());
        let sign = |parts: &mut [&str]| {
            parts.sort_unstable();
            Sha1::digest(parts.concat().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let signature = sign(&mut [&self.token, &timestamp, &nonce]);
        let msg_signature = sign(&mut [&self.token, &timestamp, &nonce, &encrypted]);
        let body = format!("<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>");
        format!(
            "POST /v1/service/wx/wxmsg/{}?signature={signature}&timestamp={timestamp}&nonce={nonce}&openid={openid}&encrypt_type=aes&msg_signature={msg_signature} HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
            self.appid, body.len()
        )
        .into_bytes()
    }
}

async fn run(address: String, maker: Rc<RefCell<Maker>>, end: Instant, took: Rc<RefCell<Vec<u32>>>) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("an option");
    let mut answer = vec![0; 4096];
    while Instant::now() < end {
        let request = maker.borrow_mut().request();
        let began = Instant::now();
        stream.write_all(&request).await.expect("sent");
        let read = stream.read(&mut answer).await.expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
        took.borrow_mut().push(began.elapsed().as_micros() as u32);
    }
}

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    let key = engine.decode(format!("{}=", a[4])).expect("a key");
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64 | 1;
    let maker = Rc::new(RefCell::new(Maker { appid: a[2].clone(), token: a[3].clone(), key, seed }));
    let (seconds, connections): (f64, usize) = (a[5].parse().expect("seconds"), a[6].parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let (began, took) = (Instant::now(), Rc::new(RefCell::new(Vec::new())));
    let end = began + Duration::from_secs_f64(seconds);
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let all: Vec<_> = (0..connections)
            .map(|_| tokio::task::spawn_local(run(a[1].clone(), maker.clone(), end, took.clone())))
            .collect();
        for one in all {
            one.await.expect("a connection to its end");
        }
    });
    let elapsed = began.elapsed().as_secs_f64();
    let mut took = took.borrow_mut();
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    println!("{} {elapsed} {} {}", took.len(), at(0.5), at(0.99));
}
