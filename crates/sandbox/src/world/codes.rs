//! Single-use codes of users, and the user tokens that OAuth codes buy.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rand::RngExt as _;
use serde_json::{Value, json};

use super::{Kind, Outcome, Refusal, User, World, random_text};

const LIFE_MS: i64 = 300_000;
const USER_TOKEN_MS: i64 = 7_200_000;
const REFRESH_TOKEN_MS: i64 = 30 * 86_400_000;
/// Codes and tokens remembered.
const KEPT: usize = 100_000;
const EXAMPLE: (&str, &str) = ("wx3cc8fd6963e31a32", "031pdDGa1FvFCI0lWyIa1Y0nJC0pdDGt");

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CodeKind {
    /// With its scope.
    Oauth(String),
    Login,
    Phone,
}

#[derive(Clone, Debug)]
pub(super) struct Code {
    kind: CodeKind,
    appid: String,
    openid: String,
    made_at: i64,
    used: bool,
}

/// What an OAuth code buys.
#[derive(Clone, Debug)]
pub(crate) struct UserToken {
    appid: String,
    openid: String,
    scope: String,
    expires_at: i64,
}

/// Codes that never run out, for the first user.
pub(crate) fn is_eternal(appid: &str, code: &str, kind: &CodeKind) -> bool {
    match kind {
        CodeKind::Oauth(_) => code == "demo-oauth" || (appid, code) == EXAMPLE,
        CodeKind::Login => code == "demo-login",
        CodeKind::Phone => code == "demo-phone",
    }
}

impl World {
    /// A code as WeChat hands it to a page or mini program.
    pub(crate) fn make_code(&mut self, appid: &str, openid: &str, kind: CodeKind) -> String {
        let length = if kind == CodeKind::Phone { 64 } else { 32 };
        let code = random_text(length);
        if self.codes.len() >= KEPT {
            self.codes.clear();
        }
        let made = Code {
            kind,
            appid: appid.to_owned(),
            openid: openid.to_owned(),
            made_at: self.now(),
            used: false,
        };
        self.codes.insert(code.clone(), made);
        code
    }

    /// Takes a code; returns scope (of OAuth) and openid.
    fn spend(&mut self, appid: &str, code: &str, kind: &CodeKind) -> Outcome<(String, String)> {
        if is_eternal(appid, code, kind) {
            let openid = self.users.first().and_then(|user| user.openids.get(appid));
            let openid = openid.cloned().ok_or(Refusal::from(40029))?;
            return Ok(("snsapi_userinfo".to_owned(), openid));
        }
        let now = self.now();
        let same = |a: &CodeKind, b: &CodeKind| std::mem::discriminant(a) == std::mem::discriminant(b);
        let found = self.codes.get_mut(code).filter(|found| found.appid == appid && same(&found.kind, kind));
        let found = found.ok_or(Refusal::from(40029))?;
        if found.used {
            return Err(if *kind == CodeKind::Phone { 40029 } else { 40163 }.into());
        }
        if now - found.made_at >= LIFE_MS {
            return Err(40029.into());
        }
        found.used = true;
        let scope = match &found.kind {
            CodeKind::Oauth(scope) => scope.clone(),
            _ => String::new(),
        };
        Ok((scope, found.openid.clone()))
    }

    fn user_of(&self, appid: &str, openid: &str) -> Outcome<&User> {
        self.user(appid, openid).ok_or(Refusal::from(40003))
    }

    fn grant_type(given: &str, wanted: &str) -> Outcome<()> {
        if given == wanted { Ok(()) } else { Err(40002.into()) }
    }

    /// `GET /sns/oauth2/access_token`
    pub(crate) fn oauth_token(
        &mut self,
        appid: &str,
        secret: &str,
        code: &str,
        grant: &str,
    ) -> Outcome<Value> {
        self.check_secret(appid, secret)?;
        if code.is_empty() {
            return Err(41008.into());
        }
        Self::grant_type(grant, "authorization_code")?;
        let (scope, openid) = self.spend(appid, code, &CodeKind::Oauth(String::new()))?;
        let unionid = self.user_of(appid, &openid)?.unionid.clone();
        let token = UserToken {
            appid: appid.to_owned(),
            openid: openid.clone(),
            scope: scope.clone(),
            expires_at: self.now() + USER_TOKEN_MS,
        };
        let mut answer = self.grant(token, None);
        if scope != "snsapi_base" {
            answer["unionid"] = unionid.into();
        }
        Ok(answer)
    }

    fn grant(&mut self, token: UserToken, refresh: Option<String>) -> Value {
        for map_is_full in [self.user_tokens.len() >= KEPT, self.refresh_tokens.len() >= KEPT] {
            if map_is_full {
                self.user_tokens.clear();
                self.refresh_tokens.clear();
            }
        }
        let value = format!("{}_{}", rand::rng().random_range(10..100), random_text(86));
        let refresh =
            refresh.unwrap_or_else(|| format!("{}_{}", rand::rng().random_range(10..100), random_text(86)));
        let answer = json!({
            "access_token": value, "expires_in": USER_TOKEN_MS / 1000, "refresh_token": refresh,
            "openid": token.openid, "scope": token.scope,
        });
        let end = self.now() + REFRESH_TOKEN_MS;
        self.refresh_tokens.entry(refresh).or_insert((token.clone(), end));
        self.user_tokens.insert(value, token);
        answer
    }

    /// `GET /sns/oauth2/refresh_token`
    pub(crate) fn oauth_refresh(&mut self, appid: &str, grant: &str, refresh: &str) -> Outcome<Value> {
        if refresh.is_empty() {
            return Err(41003.into());
        }
        Self::grant_type(grant, "refresh_token")?;
        let (token, end) = self.refresh_tokens.get(refresh).cloned().ok_or(Refusal::from(40030))?;
        if token.appid != appid {
            return Err(40030.into());
        }
        if end <= self.now() {
            return Err(42002.into());
        }
        let renewed = UserToken { expires_at: self.now() + USER_TOKEN_MS, ..token };
        Ok(self.grant(renewed, Some(refresh.to_owned())))
    }

    fn check_user_token(&self, token: &str, openid: &str) -> Outcome<&UserToken> {
        if token.is_empty() {
            return Err(41001.into());
        }
        let found = self.user_tokens.get(token).ok_or(Refusal::from(40001))?;
        if found.expires_at <= self.now() {
            return Err(42001.into());
        }
        if openid.is_empty() {
            return Err(41009.into());
        }
        if found.openid != openid {
            return Err(40003.into());
        }
        Ok(found)
    }

    /// `GET /sns/auth`
    pub(crate) fn user_auth(&self, token: &str, openid: &str) -> Outcome<Value> {
        self.check_user_token(token, openid)?;
        Ok(json!({"errcode": 0, "errmsg": "ok"}))
    }

    /// `GET /sns/userinfo`
    pub(crate) fn user_info(&self, token: &str, openid: &str) -> Outcome<Value> {
        let token = self.check_user_token(token, openid)?;
        if token.scope == "snsapi_base" {
            return Err(48001.into());
        }
        let user = self.user_of(&token.appid, openid)?;
        Ok(json!({
            "openid": openid, "nickname": user.nickname, "sex": 0, "language": "", "city": "", "province": "",
            "country": "", "headimgurl": format!("https://thirdwx.qlogo.cn/mmopen/vi_32/{}/132", user.id),
            "privilege": [], "unionid": user.unionid,
        }))
    }

    /// `GET /sns/jscode2session`
    pub(crate) fn session(&mut self, appid: &str, secret: &str, code: &str, grant: &str) -> Outcome<Value> {
        let is_mini = self.check_secret(appid, secret)?.kind == Kind::Mini;
        if !is_mini && !is_eternal(appid, code, &CodeKind::Login) {
            return Err(40029.into());
        }
        if code.is_empty() {
            return Err(41008.into());
        }
        Self::grant_type(grant, "authorization_code")?;
        let (_, openid) = self.spend(appid, code, &CodeKind::Login)?;
        let session_key: [u8; 16] = rand::rng().random();
        let unionid = &self.user_of(appid, &openid)?.unionid;
        Ok(json!({"session_key": BASE64_STANDARD.encode(session_key), "openid": openid, "unionid": unionid}))
    }

    /// `POST /wxa/business/getuserphonenumber`
    pub(crate) fn phone_number(&mut self, appid: &str, code: &str, openid: Option<&str>) -> Outcome<Value> {
        if code.is_empty() {
            return Err(41008.into());
        }
        if self.codes.get(code).is_some_and(|code| code.kind == CodeKind::Phone && code.appid != appid) {
            return Err(40013.into());
        }
        let (_, owner) = self.spend(appid, code, &CodeKind::Phone)?;
        if openid.is_some_and(|openid| !openid.is_empty() && openid != owner) {
            return Err(40003.into());
        }
        let phone = &self.user_of(appid, &owner)?.phone;
        let country = if self.quirks.country_code_is_number { json!(86) } else { json!("86") };
        Ok(json!({
            "errcode": 0, "errmsg": "ok",
            "phone_info": {
                "phoneNumber": phone, "purePhoneNumber": phone, "countryCode": country,
                "watermark": {"timestamp": self.now_secs(), "appid": appid},
            },
        }))
    }
}
