//! The world of a file: control calls as data, applied when the sandbox starts.
//!
//! `{"apps": {…}, "users": [{…}, {…}], "quirks": {…}}`: names of control calls, each with a body or a list of bodies,
//! applied in the file's order by the very routes that answer the calls.

use crate::Shared;
use crate::world::World;
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tower::ServiceExt;

/// Makes a world as a text says, or says what is wrong and in which line.
pub(super) async fn lay(shared: &Shared, router: &Router, text: &str) -> Result<(), String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Members).and_then(|members| reader.end().map(|()| members));
    let members = members.map_err(|e| e.to_string())?;
    if members.iter().any(|(name, _)| name == "version") {
        shared.put(World::restored(text.as_bytes(), (shared.now)())?);
        return Ok(());
    }
    for (name, value) in members {
        let bodies: Vec<&RawValue> = match value.get().starts_with('[') {
            true => serde_json::from_str(value.get()).map_err(|e| e.to_string())?,
            false => vec![value],
        };
        for body in bodies {
            call(router, &name, text, body).await?;
        }
    }
    Ok(())
}

/// One call. Its body stands where it stands in the file, so that a mistake's line and column are the file's.
async fn call(router: &Router, name: &str, text: &str, body: &RawValue) -> Result<(), String> {
    let before = &text[..body.get().as_ptr().addr() - text.as_ptr().addr()];
    let line = 1 + before.matches('\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let wrong = |what: &str| format!("line {line}: {name}: {what}");
    if ["reset", "restore"].contains(&name) {
        return Err(wrong("belongs to no start"));
    }
    let body = format!("{}{}{}", "\n".repeat(line - 1), " ".repeat(column), body.get());
    let request = Request::post(format!("/sandbox/{name}")).body(Body::from(body));
    let Ok(answer) = router.clone().oneshot(request.map_err(|e| wrong(&e.to_string()))?).await;
    let status = answer.status();
    let answer = answer.into_body().collect().await.map_err(|e| wrong(&e.to_string()))?.to_bytes();
    if status == StatusCode::OK {
        return Ok(());
    }
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    Err(wrong(answer.get("error").and_then(Value::as_str).unwrap_or(status.as_str())))
}

/// An object's members in their order, one name as often as it comes.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of control calls")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
