//! WeChat as it pushes: encrypted texts, each of another user, over kept connections, for one app or many in turn.
//! `callbacks ADDRESS SECONDS COUNT RATE CONNECTIONS APPID|@FILE TOKEN AESKEY LENGTH`; with a LENGTH of 700 a message has 1 KB.

use std::time::{SystemTime, UNIX_EPOCH};

use aes::cipher::{BlockModeEncrypt as _, KeyIvInit as _, block_padding::NoPadding};
use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest as _, Sha1};
use yardsticks::load;

struct Maker {
    /// In turn.
    apps: Vec<String>,
    next: usize,
    token: String,
    key: Vec<u8>,
    seed: u64,
    /// Bytes of the text.
    length: usize,
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
        self.next = (self.next + 1) % self.apps.len();
        let (a, b, id) = (self.random(), self.random(), self.random() >> 1);
        let openid = format!("o{a:016x}{:011x}", b >> 20);
        let inner = format!(
            "<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><FromUserName><![CDATA[{openid}]]></FromUserName><CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{}]]></Content><MsgId>{id}</MsgId></xml>",
            "x".repeat(self.length)
        );
        let mut plain = vec![7; 16];
        plain.extend_from_slice(&(inner.len() as u32).to_be_bytes());
        plain.extend_from_slice(inner.as_bytes());
        plain.extend_from_slice(self.apps[self.next].as_bytes());
        let pad = 32 - plain.len() % 32;
        plain.resize(plain.len() + pad, pad as u8);
        let length = plain.len();
        let cipher =
            cbc::Encryptor::<aes::Aes256>::new_from_slices(&self.key, &self.key[..16]).expect("a key");
        cipher.encrypt_padded::<NoPadding>(&mut plain, length).expect("whole blocks");
        let encrypted = base64::prelude::BASE64_STANDARD.encode(&plain);
        let (timestamp, nonce) = (now.to_string(), (self.random() >> 33).to_string());
        let sign = |parts: &mut [&str]| {
            parts.sort_unstable();
            Sha1::digest(parts.concat().as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let signature = sign(&mut [&self.token, &timestamp, &nonce]);
        let msg_signature = sign(&mut [&self.token, &timestamp, &nonce, &encrypted]);
        let body = format!(
            "<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        );
        format!(
            "POST /v1/service/wx/wxmsg/{}?signature={signature}&timestamp={timestamp}&nonce={nonce}&openid={openid}&encrypt_type=aes&msg_signature={msg_signature} HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
            self.apps[self.next], body.len()
        )
        .into_bytes()
    }
}

fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let engine = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let key = engine.decode(format!("{}=", a[7])).expect("a key");
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64 | 1;
    let (apps, length) = (load::apps(&a[5]), a[8].parse().expect("a number"));
    let mut maker = Maker { apps, next: 0, token: a[6].clone(), key, seed, length };
    load::run(load::Plan::parse(&a), move || maker.request());
}
