//! Which endpoint a path means.

use http::{Method, StatusCode};

use super::{ENDPOINTS, Operation};
use crate::problem::{Code, Problem};

/// The endpoint, or 404 / 405.
pub(in super::super) fn find(name: &str, method: &Method) -> Result<&'static Operation, Problem> {
    let Some(operation) = ENDPOINTS.iter().find(|operation| id_of(name, operation.name).is_some()) else {
        return Err(unknown(name));
    };
    if operation.method == *method {
        return Ok(operation);
    }
    let allow = if operation.method == Method::GET { "GET" } else { "POST" };
    let problem = Problem::new(Code::NotFound, format!("请用 {allow} 方法"), format!("use {allow}"));
    Err(Problem { status: StatusCode::METHOD_NOT_ALLOWED, allow, ..problem })
}

/// What stands in `name` for the `{id}` of the operation's name; else "".
pub(in super::super) fn id_in<'a>(name: &'a str, operation: &Operation) -> &'a str {
    id_of(name, operation.name).unwrap_or_default()
}

/// The same, if `name` is what `pattern` says.
fn id_of<'a>(name: &'a str, pattern: &str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once("{id}") else { return (name == pattern).then_some("") };
    let id = name.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// What is further away than so many letters is another word.
const NEAR: usize = 3;

/// No such endpoint; perhaps one is meant. The name itself isn't repeated: it may hold anything.
fn unknown(name: &str) -> Problem {
    // WeChat's own names, versions that end in a slash, other cases: all of it is near.
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', '.', '/', ' '], "");
    let given: String = plain(name).chars().take(64).collect();
    let far = |endpoint: &&Operation| strsim::osa_distance(&plain(endpoint.name), &given);
    let is_near = |endpoint: &&Operation| {
        let (own, distance) = (plain(endpoint.name), far(endpoint));
        distance <= NEAR.min(own.len() / 3) || (own.len() > 5 && given.contains(&own))
    };
    let (zh, en) = match ENDPOINTS.iter().filter(is_near).min_by_key(far) {
        Some(near) => (
            format!("，是不是 {}？（区分大小写）", near.name),
            format!(", did you mean {}? (case matters)", near.name),
        ),
        None => (String::new(), String::new()),
    };
    Problem::new(
        Code::NotFound,
        format!("没有这个接口{zh}；接口列表见 /v1/service/wx/openapi.json"),
        format!("no such endpoint{en}; /v1/service/wx/openapi.json lists them"),
    )
}
