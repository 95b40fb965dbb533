//! Opening what WeChat sends.

use super::{Account, Keys, Query, Refused};
use crate::crypt;
use crate::message::{Format, Message};
use serde_json::Value;

/// How a push came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing is encrypted; the signature doesn't cover the body.
    Plain,
    /// Encrypted, with the same in the clear beside it, which wasn't read.
    Compatible,
    /// Encrypted.
    Secure,
}

impl Mode {
    /// As people call it: `plain`, `compatible` or `safe`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Compatible => "compatible",
            Self::Secure => "safe",
        }
    }
}

/// A push whose body has been read, but not verified.
#[derive(Clone, Debug)]
pub struct Push<'b> {
    query: &'b Query,
    body: &'b [u8],
    outer: Message,
    /// What may be the ciphertext, the likeliest first.
    sealed: Vec<String>,
}

/// A verified push.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    /// Which of the accounts it is for.
    pub account: usize,
    /// What fitted: a reply goes out with the same.
    pub keys: Keys<'a>,
    /// How it came.
    pub mode: Mode,
    /// The message as WeChat wrote it, decrypted.
    pub body: Vec<u8>,
    /// The same, read.
    pub message: Message,
}

/// Checks the signature of a URL verification; which account's token it fits first. The answer is
/// [`Query::echostr`], bare.
pub fn verify_url(query: &Query, accounts: &[Account<'_>]) -> Result<usize, Refused> {
    if query.echostr.is_empty() {
        return Err(Refused::Query("echostr is missing"));
    }
    if accounts.is_empty() {
        return Err(Refused::NoAccount);
    }
    let fits = |account: &Account<'_>| plain_token(query, account).is_some();
    accounts.iter().position(fits).ok_or(Refused::Signature)
}

impl<'b> Push<'b> {
    /// Reads the body of a push, whatever it is: whose it is, the signature tells.
    pub fn read(query: &'b Query, body: &'b [u8]) -> Self {
        let outer = Message::read(body);
        let sealed = ciphertexts(&outer, body);
        Self { query, body, outer, sealed }
    }

    /// The parameters.
    pub fn query(&self) -> &Query {
        self.query
    }

    /// `ToUserName`, the account's original id, in the clear in every mode but not verified: good
    /// for choosing which account to try, for nothing else.
    pub fn to_user(&self) -> String {
        self.outer.to_user().into_owned()
    }

    /// The format of the outer body.
    pub fn format(&self) -> Format {
        self.outer.format()
    }

    /// How it came.
    pub fn mode(&self) -> Mode {
        match (self.sealed.is_empty(), self.outer.text("MsgType").is_empty()) {
            (true, _) => Mode::Plain,
            (false, false) => Mode::Compatible,
            (false, true) => Mode::Secure,
        }
    }

    /// Verifies, decrypts and reads it. Of several accounts an encrypted push names its own; a plain
    /// one must fit exactly one.
    pub fn open<'a>(&self, accounts: &[Account<'a>]) -> Result<Opened<'a>, Refused> {
        let mut furthest = Refused::NoAccount;
        for (index, account) in accounts.iter().enumerate() {
            match self.open_encrypted(account) {
                Ok((keys, body)) => {
                    let message = Message::read(&body);
                    return Ok(Opened { account: index, keys, mode: self.mode(), body, message });
                }
                Err(refused) => furthest = furthest.max(refused),
            }
        }
        let mut fitting = accounts
            .iter()
            .enumerate()
            .filter_map(|(index, account)| Some((index, self.plain_keys(account)?)));
        let Some((index, keys)) = fitting.next() else {
            return Err(furthest);
        };
        if fitting.next().is_some() {
            return Err(Refused::Ambiguous);
        }
        let (body, message) = (self.body.to_vec(), self.outer.clone());
        Ok(Opened { account: index, keys, mode: Mode::Plain, body, message })
    }

    fn open_encrypted<'a>(&self, account: &Account<'a>) -> Result<(Keys<'a>, Vec<u8>), Refused> {
        match (self.sealed.is_empty(), account.keys.is_empty()) {
            (true, false) => return Err(Refused::Plain),
            // A plain push to a plain account that got here didn't fit its token.
            (true, true) => return Err(Refused::Signature),
            (false, true) if self.mode() == Mode::Secure => return Err(Refused::NoKey),
            (false, true) => return Err(Refused::Signature),
            (false, false) => {}
        }
        let Query { msg_signature, timestamp, nonce, .. } = self.query;
        let mut furthest = Refused::Signature;
        for sealed in &self.sealed {
            match open_sealed(account, msg_signature, [timestamp, nonce, sealed]) {
                Err(refused) => furthest = furthest.max(refused),
                opened => return opened,
            }
        }
        Err(furthest)
    }

    fn plain_keys<'a>(&self, account: &Account<'a>) -> Option<Keys<'a>> {
        if self.mode() == Mode::Secure || !account.keys.is_empty() {
            return None;
        }
        let token = plain_token(self.query, account)?;
        Some(Keys { appid: account.appid, token, key: None })
    }
}

/// The ciphertexts that may be WeChat's. In compatible mode a user's text stands in the clear beside it, and may hold
/// another one, or spoil the document; WeChat's own is the first or the last then.
fn ciphertexts(outer: &Message, body: &[u8]) -> Vec<String> {
    let found = match outer.fields().get("Encrypt") {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ if outer.is_malformed() => search(&String::from_utf8_lossy(body), outer.format()),
        _ => vec![outer.text("Encrypt").into_owned()],
    };
    let mut found: Vec<String> = found.into_iter().filter(|text| !text.is_empty()).collect();
    if found.len() > 2 {
        found.drain(1..found.len() - 1);
    }
    found.dedup();
    found
}

/// What stands as `Encrypt` in what can't be read as a document.
fn search(text: &str, format: Format) -> Vec<String> {
    let (begin, end) = match format {
        Format::Xml => ("<Encrypt>", "</Encrypt>"),
        Format::Json => ("\"Encrypt\"", ","),
    };
    let value = |from: usize| {
        let rest = &text[from + begin.len()..];
        let value = rest.split(end).next().unwrap_or_default().trim();
        match format {
            Format::Xml => value.trim_start_matches("<![CDATA[").trim_end_matches("]]>").to_owned(),
            Format::Json => {
                let value = value.trim_start_matches(':').trim_start().trim_start_matches('"');
                value.split('"').next().unwrap_or_default().replace("\\/", "/")
            }
        }
    };
    text.find(begin).into_iter().chain(text.rfind(begin)).map(value).collect()
}

fn plain_token<'a>(query: &Query, account: &Account<'a>) -> Option<&'a str> {
    let fits = |token: &&str| crypt::verify(&query.signature, &[token, &query.timestamp, &query.nonce]);
    account.tokens.iter().copied().find(fits)
}

/// Verifies and decrypts `signed` (timestamp, nonce, ciphertext) with what `account` has.
pub(super) fn open_sealed<'a>(
    account: &Account<'a>,
    claimed: &str,
    signed: [&str; 3],
) -> Result<(Keys<'a>, Vec<u8>), Refused> {
    let [timestamp, nonce, encrypted] = signed;
    let fits = |token: &&str| crypt::verify(claimed, &[token, timestamp, nonce, encrypted]);
    let token = account.tokens.iter().copied().find(fits).ok_or(Refused::Signature)?;
    let mut furthest = Refused::Cipher;
    for key in account.keys.iter().copied() {
        match key.decrypt(encrypted) {
            Ok(plain) if plain.receive_id == account.appid.as_bytes() => {
                return Ok((Keys { appid: account.appid, token, key: Some(key) }, plain.message));
            }
            Ok(_) => furthest = Refused::ReceiveId,
            Err(_) => {}
        }
    }
    Err(furthest)
}
