//! The WeChat platform protocol, pure: no IO, no clock, no tasks, no globals.
//!
//! Time, nonces and random bytes are parameters, so every function gives the same answer to the same
//! question, and the published test vectors can be run byte for byte. A tour, in the order in which a
//! gateway meets things:
//!
//! - [`catalog`]: WeChat's endpoints as data, one row each: method, path, host, credential, effect.
//! - [`answer`]: whether an answer is a failure, which its body alone tells.
//! - [`errcode`]: every documented code: how to react, and what to tell whom in Chinese and English.
//! - [`crypt`]: signatures, the callback's AES envelope, a mini program's `encryptedData`.
//! - [`message`]: messages and events from XML or JSON, with every field kept.
//! - [`shape`]: the form of answers, and how one differs from what is known.
//! - [`envelope`]: callbacks as a whole: verify and open what WeChat sends, seal what goes back or on.
//!
//! Opening a push and answering it:
//!
//! ```
//! use wechat::crypt::AesKey;
//! use wechat::envelope::{Account, Keys, Push, Query, Stamp, push, seal_reply};
//!
//! let key = AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")?;
//! let stamp = Stamp { timestamp: 1_714_036_504, nonce: "415670741", random: [7; 16] };
//!
//! // What WeChat would send ...
//! let theirs = Keys { appid: "wx0000000000000001", token: "AAAAA", key: Some(&key) };
//! let text = br#"<xml><MsgType><![CDATA[text]]></MsgType><Content>hello</Content></xml>"#;
//! let sent = push(&theirs, text, &stamp);
//!
//! // ... and what a gateway does with it.
//! let account = Account { appid: "wx0000000000000001", tokens: vec!["AAAAA"], keys: vec![&key] };
//! let opened = Push::read(&Query::parse(&sent.query)?, &sent.body).open(&[account])?;
//! assert_eq!(opened.message.content(), "hello");
//! let answer = b"<xml><MsgType>text</MsgType><Content>hi</Content></xml>";
//! let sealed = seal_reply(&opened.keys, opened.message.format(), answer, &stamp);
//! assert!(sealed.starts_with(b"<xml><Encrypt>"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

pub mod answer;
pub mod catalog;
pub mod crypt;
pub mod envelope;
pub mod errcode;
pub mod message;
pub mod shape;
