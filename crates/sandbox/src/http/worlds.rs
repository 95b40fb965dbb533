//! Worlds apart, for tests that run side by side: whatever there is on this host, is once more below
//! `/sandbox/worlds/{w}`, and on the host `{w}.localhost`. A world begins when it is first used.

use super::control::{Done, Reply, Wrong, members};
use super::{origin, setup};
use crate::Shared;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, State};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderMap, Request, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tower::ServiceExt;

/// Where worlds are.
const PREFIX: &str = "/sandbox/worlds/";
/// Longest name: what a host's may have between two dots.
const LONGEST: usize = 63;
/// Worlds at once; beyond, the one that is unused longest ends.
const MAX_WORLDS: usize = 1000;
/// Bytes in all of them; likewise.
const MAX_BYTES: usize = 512 << 20;

/// What stands before every path of a request's world: nothing, or `/sandbox/worlds/{w}`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Below(String);

impl Below {
    /// A path on this host that leads into this world.
    pub(super) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for Below {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// A world and its routes.
struct Held {
    shared: Arc<Shared>,
    router: Router,
    used: Instant,
}

impl Held {
    fn new(shared: Arc<Shared>) -> Self {
        Self { router: super::router(shared.clone()), shared, used: Instant::now() }
    }
}

/// All worlds of a sandbox.
pub(crate) struct Worlds {
    /// The one without a name.
    first: Held,
    named: Mutex<BTreeMap<String, Held>>,
}

impl Worlds {
    pub(crate) fn new(first: Arc<Shared>) -> Self {
        Self { first: Held::new(first), named: Mutex::default() }
    }

    pub(crate) const fn first(&self) -> &Arc<Shared> {
        &self.first.shared
    }

    /// Makes the first world as a text says; those that begin later begin like it.
    pub(crate) async fn lay(&self, text: &str) -> Result<(), String> {
        setup::lay(&self.first.shared, &self.first.router, text).await?;
        self.first.shared.start.lay(self.first.shared.world().clone());
        Ok(())
    }

    fn named(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The routes of the world that a request asks for, which is told its path in there.
    fn enter(&self, request: &mut Request<Body>) -> Result<Router, Wrong> {
        let is_stranger = origin::is_cross_site(request.headers());
        let Some((name, rest)) = by_path(request.uri()) else {
            return match by_host(request) {
                Some(name) => self.of(&name, is_stranger),
                None => Ok(self.first.router.clone()),
            };
        };
        let router = self.of(&name, is_stranger)?;
        *request.uri_mut() = rest.map_err(|e| Wrong(e.to_string()))?;
        request.extensions_mut().insert(Below(format!("{PREFIX}{name}")));
        Ok(router)
    }

    /// The world of this name. A page of another site begins none: a thousand of its pictures would end all others.
    fn of(&self, name: &str, is_stranger: bool) -> Result<Router, Wrong> {
        let mut named = self.named();
        if !named.contains_key(name) {
            if is_stranger {
                return Err(Wrong(format!(
                    "{name}: there is no such world, and a page of another site begins none"
                )));
            }
            self.begin(&mut named, name, None)?;
        }
        let Some(held) = named.get_mut(name) else { return Err(Wrong(format!("{name}: gone"))) };
        held.used = Instant::now();
        let router = held.router.clone();
        make_room(&mut named, self.excess());
        Ok(router)
    }

    fn begin(&self, named: &mut BTreeMap<String, Held>, name: &str, seed: Option<u64>) -> Result<(), Wrong> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=LONGEST).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(Wrong(format!(
                "a world's name has 1 to {LONGEST} letters, digits, - and _, not {name:?}"
            )));
        }
        named.insert(name.to_owned(), Held::new(self.first.shared.beside(name, seed)));
        make_room(named, self.excess());
        Ok(())
    }

    /// Bytes that all worlds hold beyond what they may.
    fn excess(&self) -> usize {
        self.first.shared.start.weight.load(Ordering::Relaxed).saturating_sub(MAX_BYTES)
    }
}

/// Ends worlds that are unused longest, until they hold `excess` bytes less and are few enough; the one that was used
/// last stays.
fn make_room(named: &mut BTreeMap<String, Held>, mut excess: usize) {
    while named.len() > MAX_WORLDS || (excess > 0 && named.len() > 1) {
        let oldest = named.iter().min_by_key(|(_, held)| held.used).map(|(name, _)| name.clone());
        let Some(freed) = oldest.and_then(|oldest| end(named, &oldest)) else { return };
        excess = excess.saturating_sub(freed);
    }
}

/// Ends a world, if there is one: about how many bytes it held.
fn end(named: &mut BTreeMap<String, Held>, name: &str) -> Option<usize> {
    let Held { shared, .. } = named.remove(name)?;
    let freed = shared.weight.load(Ordering::Relaxed);
    shared.end();
    Some(freed)
}

/// The world that a path names, and the rest of the URI.
fn by_path(uri: &Uri) -> Option<(String, Result<Uri, http::Error>)> {
    let whole = uri.path().strip_prefix(PREFIX)?;
    let (name, path) = whole.split_at(whole.find('/').unwrap_or(whole.len()));
    let path = if path.is_empty() { "/" } else { path };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let rest = Uri::builder().path_and_query(format!("{path}{query}")).build();
    Some((name.to_owned(), rest))
}

/// The world that a host names: `{w}.localhost`, with any port.
fn by_host(request: &Request<Body>) -> Option<String> {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(|authority| authority.as_str()).or(header)?;
    let host = host.split_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
    host.strip_suffix(".localhost").map(str::to_owned)
}

/// Every route there is.
pub(super) fn router(worlds: Arc<Worlds>) -> Router {
    Router::new()
        .route("/sandbox/worlds", get(list).post(another).layer(from_fn(origin::own)).fallback(pass))
        .route("/sandbox/worlds/{w}", get(root).delete(remove).layer(from_fn(origin::own)).fallback(pass))
        .fallback(pass)
        .with_state(worlds)
}

async fn pass(State(worlds): State<Arc<Worlds>>, mut request: Request<Body>) -> Response {
    match worlds.enter(&mut request) {
        Ok(router) => router.oneshot(request).await.into_response(),
        Err(wrong) => wrong.into_response(),
    }
}

/// A page's own links lead into its world only from behind the last slash.
async fn root(uri: Uri) -> Redirect {
    Redirect::permanent(&format!("{}/", uri.path()))
}

async fn list(State(worlds): State<Arc<Worlds>>) -> Json<Value> {
    let view = |(name, held): (&String, &Held)| {
        let unused = held.used.elapsed().as_secs();
        let world = held.shared.world();
        let calls = world.calls.brief().len();
        json!({
            "name": name, "users": world.users.all.len(), "calls": calls, "bytes": world.bytes(),
            "unused_seconds": unused,
        })
    };
    Json(json!({"worlds": worlds.named().iter().map(view).collect::<Vec<_>>()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Another {
    /// Made up if there is none.
    name: Option<String>,
    /// Instead of the sandbox's own.
    seed: Option<u64>,
}

async fn another(State(worlds): State<Arc<Worlds>>, headers: HeaderMap, body: Bytes) -> Reply {
    let asked: Another = members(&body)?;
    let mut named = worlds.named();
    let free = || (1..).map(|number| format!("w{number}")).find(|name| !named.contains_key(name));
    let name = asked.name.or_else(free).unwrap_or_default();
    if named.contains_key(&name) {
        return Err(Wrong(format!(
            "name: there is a world {name:?}; its POST /sandbox/reset begins it anew"
        )));
    }
    worlds.begin(&mut named, &name, asked.seed)?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    Ok(Done(json!({"name": name, "url": format!("http://{host}{PREFIX}{name}")})))
}

async fn remove(State(worlds): State<Arc<Worlds>>, Path(name): Path<String>) -> Reply {
    if end(&mut worlds.named(), &name).is_none() {
        return Err(Wrong(format!("there is no world {name:?}")));
    }
    Ok(Done(json!({"ok": true})))
}
