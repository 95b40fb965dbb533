//! Tests over the crate's public functions: published vectors, round trips, hostile input.

mod envelope;
mod hostile;
mod malformed;
mod message;
mod vectors;

use wechat::crypt::AesKey;
use wechat::envelope::{Account, Keys, Stamp};

/// WeChat's own sample keys.
const KEY_1: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const KEY_2: &str = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR";

fn key(text: &str) -> AesKey {
    AesKey::parse(text).expect("a sample key")
}

fn account<'a>(appid: &'a str, tokens: &[&'a str], keys: &[&'a AesKey]) -> Account<'a> {
    Account { appid, tokens: tokens.to_vec(), keys: keys.to_vec() }
}

fn keys<'a>(appid: &'a str, token: &'a str, key: Option<&'a AesKey>) -> Keys<'a> {
    Keys { appid, token, key }
}

const STAMP: Stamp<'_> = Stamp { timestamp: 1_714_036_504, nonce: "1514711492", random: [7; 16] };
