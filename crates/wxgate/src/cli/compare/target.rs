//! Whom the cases are run against: a WeChat with accounts of ours, or a sandbox, whose scenes can be set.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sandbox::cases::{Body, Case, Gives, On, filled};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::{Host as Name, Url};
use wechat::answer;
use wechat::catalog::{Auth, Host, STABLE_TOKEN};
use wechat::shape::Seen;

use crate::config::{self, Config};
use crate::entries::{AccountKind, AppEntry, Secret};
use crate::lang::Words;
use crate::limits::Limits;
use crate::net::{Client, causes};
use crate::tls::Authorities;
use crate::transport::OUR_NAME;

/// Bytes of an answer that are read.
const LONGEST: usize = 20 << 20;
/// A form with one file: a picture of one pixel, of the one format that every kind of media takes.
const BOUNDARY: &str = "wxgate-cases-0f1e2d3c";
const PIXEL: &[u8] = include_bytes!("pixel.jpg");

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answered {
    /// 0 for success, and for what has none.
    pub(super) fn errcode(&self) -> i64 {
        answer::errcode(&self.body).map_or(0, |error| error.errcode)
    }

    pub(super) fn header_names(&self) -> Vec<&str> {
        self.headers.keys().map(http::HeaderName::as_str).collect()
    }

    pub(super) fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn seen<'a>(&'a self, path: &'a str, headers: &'a [&'a str]) -> Seen<'a> {
        Seen {
            path,
            status: self.status,
            content_type: self.content_type(),
            headers,
            body: &self.body,
            is_whole: true,
        }
    }
}

/// What came of a case.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered(Answered),
    /// What it needs isn't there: an account of its kind, a scene, a value.
    Skipped,
    Lost(String),
}

/// How the target is reached.
#[derive(Debug)]
pub(super) struct Way {
    client: Client,
    timeout: Duration,
}

impl Way {
    /// Without a proxy.
    pub(super) fn direct() -> anyhow::Result<Self> {
        let client = Client::new(None, Authorities::default().client_config()?, &Limits::default(), 1);
        Ok(Self { client, timeout: Duration::from_secs(10) })
    }

    fn of(wechat: &config::Wechat, app: &AppEntry) -> anyhow::Result<Self> {
        let proxy = app.proxy.as_ref().or(wechat.proxy.as_ref());
        let client = Client::new(proxy, wechat.authorities.client_config()?, &Limits::default(), 1);
        Ok(Self { client, timeout: wechat.timeout })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answered, String> {
        let exchange = async {
            let response = self.client.send(request).await.map_err(|error| causes(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LONGEST).collect().await.map_err(|error| causes(error.as_ref()))?;
            Ok::<_, String>(Answered {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        let late = |_| Err(format!("{:?}", self.timeout));
        tokio::time::timeout(self.timeout, exchange).await.unwrap_or_else(late)
    }
}

struct Account {
    on: On,
    appid: String,
    secret: Secret,
    way: Way,
    token: Option<Secret>,
}

/// See the module.
pub(super) struct Target {
    api: Url,
    mp: Url,
    accounts: Vec<Account>,
    is_sandbox: bool,
    /// What answers gave.
    values: BTreeMap<String, String>,
}

impl Target {
    /// The WeChat of `config`, with the first account of each kind, or those that are named.
    pub(super) fn new(config: &Config, appids: &[String]) -> anyhow::Result<Self> {
        let apps = &config.entries.apps;
        if let Some(unknown) = appids.iter().find(|appid| !apps.iter().any(|app| app.appid == **appid)) {
            bail!(Words::new(format!("配置里没有 {unknown}"), format!("{unknown} isn't configured")));
        }
        let mut accounts: Vec<Account> = Vec::new();
        for app in apps.iter().filter(|app| appids.is_empty() || appids.contains(&app.appid)) {
            let on = match app.kind {
                AccountKind::Official => On::Official,
                AccountKind::Mini => On::Mini,
                AccountKind::Open => continue,
            };
            if accounts.iter().any(|account| account.on == on) {
                continue;
            }
            let (appid, secret) = (app.appid.clone(), app.secret.clone());
            accounts.push(Account { on, appid, secret, way: Way::of(&config.wechat, app)?, token: None });
        }
        let (api, mp) = (config.wechat.api_base.clone(), config.wechat.mp_base.clone());
        Ok(Self { api, mp, accounts, is_sandbox: false, values: BTreeMap::new() })
    }

    /// A sandbox with these accounts.
    pub(super) fn sandbox(url: &str, way: Way, of: Vec<(On, &str, String)>) -> anyhow::Result<Self> {
        let url: Url = url.parse()?;
        let Way { client, timeout } = way;
        let account = |(on, appid, secret): (On, &str, String)| Account {
            on,
            appid: appid.to_owned(),
            secret: secret.into(),
            way: Way { client: client.clone(), timeout },
            token: None,
        };
        let accounts = of.into_iter().map(account).collect();
        Ok(Self { api: url.clone(), mp: url, accounts, is_sandbox: true, values: BTreeMap::new() })
    }

    pub(super) fn is_sandbox(&self) -> bool {
        self.is_sandbox
    }

    /// Asks whether it is a sandbox: only on this machine, for nobody else has to answer that.
    pub(super) async fn find_out(&mut self) {
        let is_here = match self.api.host() {
            Some(Name::Ipv4(ip)) => ip.is_loopback(),
            Some(Name::Ipv6(ip)) => ip.is_loopback(),
            Some(Name::Domain(name)) => name == "localhost",
            None => false,
        };
        let (Some(account), true) = (self.accounts.first(), is_here) else { return };
        let request = Request::get(format!("{}sandbox/state", self.api)).body(Full::default());
        let Ok(request) = request else { return };
        let state = account.way.send(request).await.ok().and_then(|answered| answer::json(&answered.body));
        self.is_sandbox = state.is_some_and(|state| state["apps"].is_array());
    }

    /// Makes the call of `case`, after its scenes.
    pub(super) async fn run(&mut self, case: &Case) -> anyhow::Result<Outcome> {
        let Some(at) = self.accounts.iter().position(|account| account.on == case.on) else {
            return Ok(Outcome::Skipped);
        };
        if !case.scenes.is_empty() && !self.is_sandbox {
            return Ok(Outcome::Skipped);
        }
        for scene in case.scenes {
            let Ok(body) = filled(scene.body, |name| self.value(at, name).map(|value| in_json(&value)))
            else {
                return Ok(Outcome::Skipped);
            };
            let request =
                Request::post(format!("{}sandbox/{}", self.api, scene.call)).body(Full::from(body))?;
            match self.accounts[at].way.send(request).await {
                Ok(answered) if answered.status == 200 => self.take(scene.gives, &answered.body),
                Ok(answered) => bail!("{}: {}", case.name, String::from_utf8_lossy(&answered.body)),
                Err(why) => return Ok(Outcome::Lost(why)),
            }
        }
        let wants_token = case.at.auth == Auth::AccessToken && !case.query.contains("access_token=");
        if (wants_token || case.wants().any(|name| name == "token"))
            && let Err(why) = self.fetch_token(at).await
        {
            return Ok(Outcome::Lost(why));
        }
        let Some(request) = self.request(case, at, wants_token)? else { return Ok(Outcome::Skipped) };
        let answered = match self.accounts[at].way.send(request).await {
            Ok(answered) => answered,
            Err(why) => return Ok(Outcome::Lost(why)),
        };
        self.take(case.gives, &answered.body);
        Ok(Outcome::Answered(answered))
    }

    /// `None`: nobody gave what it wants.
    fn request(
        &self,
        case: &Case,
        at: usize,
        wants_token: bool,
    ) -> anyhow::Result<Option<Request<Full<Bytes>>>> {
        let encoded = |name: &str| {
            self.value(at, name).map(|value| utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string())
        };
        let query = match (wants_token, case.query) {
            (true, "") => "access_token=<token>".to_owned(),
            (true, rest) => format!("access_token=<token>&{rest}"),
            (false, query) => query.to_owned(),
        };
        let Ok(query) = filled(&query, encoded) else { return Ok(None) };
        let base = if case.at.host == Host::Mp { &self.mp } else { &self.api };
        let url = format!("{}{}?{query}", base.as_str().trim_end_matches('/'), case.at.path);
        let mut request = Request::builder().method(case.method()).uri(url).header(USER_AGENT, OUR_NAME);
        let body = match case.body {
            Body::Nothing => Bytes::new(),
            Body::Text(text) => {
                let Ok(text) = filled(text, |name| self.value(at, name).map(|value| in_json(&value))) else {
                    return Ok(None);
                };
                request = request.header(CONTENT_TYPE, "application/json");
                text.into()
            }
            Body::Picture => {
                request = request.header(CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"));
                form()
            }
        };
        Ok(Some(request.body(Full::new(body))?))
    }

    fn value(&self, at: usize, name: &str) -> Option<String> {
        let account = &self.accounts[at];
        let of =
            |on| self.accounts.iter().find(|account| account.on == on).map(|account| account.appid.clone());
        match name {
            "appid" => Some(account.appid.clone()),
            "secret" => Some(account.secret.expose_secret().to_owned()),
            "token" => account.token.as_ref().map(|token| token.expose_secret().to_owned()),
            "official" => of(On::Official),
            "mini" => of(On::Mini),
            other => self.values.get(other).cloned(),
        }
    }

    /// In normal mode, which disturbs nobody.
    async fn fetch_token(&mut self, at: usize) -> Result<(), String> {
        let account = &self.accounts[at];
        if account.token.is_some() {
            return Ok(());
        }
        let body = json!({"grant_type": "client_credential", "appid": account.appid, "secret": account.secret.expose_secret()});
        let url = format!("{}{}", self.api.as_str().trim_end_matches('/'), STABLE_TOKEN.path);
        let request =
            Request::builder().method(Method::POST).uri(url).header(CONTENT_TYPE, "application/json");
        let request = request.body(Full::from(body.to_string())).map_err(|error| error.to_string())?;
        let answered = account.way.send(request).await?;
        let token =
            answer::json(&answered.body).and_then(|body| Some(body["access_token"].as_str()?.to_owned()));
        let token = token.ok_or_else(|| format!("{} {}", STABLE_TOKEN.path, answered.errcode()))?;
        self.accounts[at].token = Some(token.into());
        Ok(())
    }

    fn take(&mut self, gives: Gives, body: &[u8]) {
        let body = if gives.is_empty() { Value::Null } else { answer::json(body).unwrap_or_default() };
        for (name, pointer) in gives {
            let value = match body.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ => continue,
            };
            self.values.insert((*name).to_owned(), value);
        }
    }
}

/// As it stands between the quotes of a JSON text.
fn in_json(value: &str) -> String {
    let quoted = Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn form() -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"wxgate.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
    );
    [head.as_bytes(), PIXEL, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat().into()
}
