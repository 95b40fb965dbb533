//! Whether a page of somebody else's asks.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

/// Control calls that change something are refused to pages of other origins. Tools and SDKs name none.
pub(super) async fn own(request: Request, next: Next) -> Response {
    if !request.method().is_safe() && is_foreign(request.headers()) {
        let error = json!({"error": "Origin: a page of another origin may not change the sandbox"});
        return (StatusCode::FORBIDDEN, axum::Json(error)).into_response();
    }
    next.run(request).await
}

/// An Origin must be the very host and port that is asked.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok();
    let origin = origin.and_then(|origin| {
        let (scheme, host) = origin.split_once("://")?;
        ["http", "https"].contains(&scheme).then_some(host)
    });
    match (origin, host) {
        (Some(origin), Some(host)) => !origin.eq_ignore_ascii_case(host),
        _ => true,
    }
}
