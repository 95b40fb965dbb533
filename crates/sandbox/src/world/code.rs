//! Single-use codes: web OAuth, mini-program login, phone number.

use super::lately::{OVERHEAD, Weighs};
use super::newest::Newest;
use super::quota::LOGIN_MINUTE;
use super::{Kind, World};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};

/// What a code is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CodeKind {
    OAuth,
    Login,
    Phone,
}

impl CodeKind {
    /// Whether this kind of account has such codes.
    pub(crate) fn is_of(self, kind: Kind) -> bool {
        match self {
            Self::OAuth => kind != Kind::Mini,
            Self::Login | Self::Phone => kind == Kind::Mini,
        }
    }
}

/// Codes that never run out and belong to the first user, of every account that has such codes.
pub(crate) const DEMO_CODES: [(&str, CodeKind); 3] =
    [("demo-oauth", CodeKind::OAuth), ("demo-login", CodeKind::Login), ("demo-phone", CodeKind::Phone)];

/// The code of the README's first example, and its account.
const EXAMPLE: (&str, &str) = ("031pdDGa1FvFCI0lWyIa1Y0nJC0pdDGt", "wx3cc8fd6963e31a32");

/// Life of a code.
const LIFE: i64 = 300_000;
/// Codes remembered.
const MAX_CODES: usize = 200_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Code {
    kind: CodeKind,
    appid: String,
    openid: String,
    scope: String,
    expires: i64,
    used: bool,
}

impl Weighs for Code {
    fn weight(&self) -> usize {
        OVERHEAD + self.appid.len() + self.openid.len() + self.scope.len()
    }
}

/// All codes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Codes(Newest<Code>);

impl Codes {
    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// What a code stood for.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) openid: String,
    pub(crate) scope: String,
}

impl World {
    /// A new code for this user of this account.
    pub(crate) fn give_code(&mut self, kind: CodeKind, appid: &str, openid: &str, scope: &str) -> String {
        let text = match kind {
            CodeKind::Phone => self.random.hex::<32>(),
            CodeKind::OAuth | CodeKind::Login => self.random.alphanumeric(32),
        };
        let code = Code {
            kind,
            appid: appid.to_owned(),
            openid: openid.to_owned(),
            scope: scope.to_owned(),
            expires: self.now + LIFE,
            used: false,
        };
        self.codes.0.keep(text.clone(), code, MAX_CODES);
        text
    }

    /// Exchanges a code. Only its own account may, once, within five minutes.
    ///
    /// A used phone code is just invalid (40029), the others say so (40163); a phone code of another
    /// account, or asked for by an account that has none, is a wrong appid (40013). One user logs in a hundred times a
    /// minute at most (45011).
    pub(crate) fn spend_code(&mut self, kind: CodeKind, appid: &str, text: &str) -> Result<Spent, Refusal> {
        let phone = kind == CodeKind::Phone;
        if !self.apps.get(appid).is_some_and(|app| kind.is_of(app.kind)) {
            return Err(refuse(if phone { 40013 } else { 40029 }));
        }
        if let Some(spent) = self.eternal(kind, appid, text) {
            self.count_login(kind, appid, &spent.openid)?;
            return Ok(spent);
        }
        let Some(code) = self.codes.0.get(text).filter(|code| code.kind == kind) else {
            return Err(refuse(40029));
        };
        if code.appid != appid {
            return Err(refuse(if phone { 40013 } else { 40029 }));
        }
        if code.used {
            return Err(refuse(if phone { 40029 } else { 40163 }));
        }
        if self.now >= code.expires {
            return Err(refuse(40029));
        }
        let spent = Spent { openid: code.openid.clone(), scope: code.scope.clone() };
        self.count_login(kind, appid, &spent.openid)?;
        if let Some(code) = self.codes.0.get_mut(text) {
            code.used = true;
        }
        Ok(spent)
    }

    fn count_login(&mut self, kind: CodeKind, appid: &str, openid: &str) -> Result<(), Refusal> {
        match kind {
            CodeKind::Login => self.quotas.take(&format!("{appid}/{openid}"), LOGIN_MINUTE, self.now),
            CodeKind::OAuth | CodeKind::Phone => Ok(()),
        }
    }

    fn eternal(&self, kind: CodeKind, appid: &str, text: &str) -> Option<Spent> {
        let demo = DEMO_CODES.contains(&(text, kind));
        let example = kind == CodeKind::OAuth && (text, appid) == EXAMPLE;
        let app = self.apps.get(appid).filter(|_| demo || example)?;
        let scope = match app.kind {
            Kind::Open => "snsapi_login",
            Kind::Official | Kind::Mini => "snsapi_userinfo",
        };
        Some(Spent { openid: self.users.first()?.openid(appid).to_owned(), scope: scope.to_owned() })
    }
}
