//! The book of who changed what.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::{Api, PAGE, Refusal, limit, number, page, parameters, unknown};
use crate::store::{Audit, AuditQuery};

/// `GET /audit`
pub(super) async fn audit(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let mut query = AuditQuery { limit: PAGE, ..AuditQuery::default() };
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "actor" => query.actor = Some(value),
            "target" => query.target = Some(value),
            "cursor" => query.before = Some(number("cursor", &value)?),
            "limit" => query.limit = limit(&value)?,
            _ => return Err(unknown(&name, &["actor", "target", "cursor", "limit"])),
        }
    }
    let limit = query.limit;
    let lines = api.parts.store.audit(query).await?;
    Ok(page(&lines, limit, audit_json, |line| line.id))
}

fn audit_json(line: &Audit) -> Value {
    let Audit { id, at, actor, role, ip, action, target, before, after } = line;
    json!({
        "id": id, "at": at / 1000, "actor": actor, "role": role, "ip": ip, "action": action, "target": target,
        "before": before, "after": after,
    })
}
