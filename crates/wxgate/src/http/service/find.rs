//! Which endpoint a path means.

use http::{Method, StatusCode};

use super::table::{ENDPOINTS, Operation};
use crate::problem::{Code, Problem};

/// Whether `path` is a path of the endpoint `name`, in which a segment in braces stands for any other.
fn fits(name: &str, path: &str) -> bool {
    name == path || (name.contains('{') && pairs(name, path).is_some())
}

/// The segments of both side by side, if they fit.
fn pairs<'a>(name: &'a str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (names, given): (Vec<_>, Vec<_>) = (name.split('/').collect(), path.split('/').collect());
    let fits = |(name, given): (&&str, &&str)| name == given || (name.starts_with('{') && !given.is_empty());
    let do_fit = names.len() == given.len() && names.iter().zip(&given).all(fits);
    do_fit.then(|| names.into_iter().zip(given).collect())
}

impl Operation {
    /// What stands in `path` for the segment in braces.
    pub(super) fn segment<'a>(&'a self, path: &'a str) -> &'a str {
        let mut pairs = pairs(self.name, path).into_iter().flatten();
        pairs.find(|(name, _)| name.starts_with('{')).map_or("", |(_, given)| given)
    }
}

/// The endpoint, or 404 / 405.
pub(super) fn find(name: &str, method: &Method) -> Result<&'static Operation, Problem> {
    let Some(operation) = ENDPOINTS.iter().find(|operation| fits(operation.name, name)) else {
        return Err(unknown(name));
    };
    if operation.method == *method {
        return Ok(operation);
    }
    let allow = if operation.method == Method::GET { "GET" } else { "POST" };
    let problem = Problem::new(Code::NotFound, format!("请用 {allow} 方法"), format!("use {allow}"));
    Err(Problem { status: StatusCode::METHOD_NOT_ALLOWED, allow, ..problem })
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
