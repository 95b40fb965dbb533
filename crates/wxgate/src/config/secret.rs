//! What must not be shown.

use std::fmt;
use std::ops::Deref;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Environment, Problem};

/// A secret of the configuration. Equal secrets are equal configuration, nothing more: this is no
/// comparison with what somebody sent.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for Secret {
    type Target = SecretString;

    fn deref(&self) -> &SecretString {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret() == other.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A Standard Webhooks secret, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// Reads `whsec_` and 24 to 64 bytes in base64.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The key of the HMAC.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The secret in the variable `name`, or in the file that `name_FILE` names.
pub(super) fn from_environment(
    name: &str,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Option<Secret> {
    let file = format!("{name}_FILE");
    let (key, text) = match (environment.get(name), environment.get(&file)) {
        (Some(value), _) => (name.to_owned(), Ok(value.clone())),
        (None, Some(path)) => (file, std::fs::read_to_string(path)),
        (None, None) => return None,
    };
    let problem = match text {
        Ok(text) if !text.trim().is_empty() => return Some(text.trim().to_owned().into()),
        Ok(_) => "是空的：给出值，或去掉这个环境变量".to_owned(),
        Err(error) => format!("读不到文件：{error}"),
    };
    problems.push(Problem { key, text: problem });
    None
}
