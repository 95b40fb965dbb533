//! What viewers see of messages and people: that there are some.

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value;

/// An answer is no longer.
const LONGEST: usize = 16 << 20;

/// Members that name a person: their ends are shown.
const PEOPLE: [&str; 4] = ["openid", "openids", "FromUserName", "ToUserName"];
/// Members that hold what somebody wrote or got.
const CONTENTS: [&str; 6] = ["message", "raw", "answer", "before", "after", "scene"];
/// Members of a message that say what it is, and nothing of what is in it.
const PLAIN: [&str; 3] = ["MsgType", "Event", "CreateTime"];

/// The same answer for a viewer.
pub(super) async fn for_viewers(response: Response) -> Response {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !is_json {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LONGEST).await else {
        return http::StatusCode::BAD_GATEWAY.into_response();
    };
    let Ok(mut value) = serde_json::from_slice(&bytes) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    mask(&mut value);
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(value.to_string()))
}

/// Masks what is about people, wherever it stands.
pub(super) fn mask(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => {
            // Of a condition it says elsewhere what it is about.
            let is_about = |what| members.get("cond").and_then(Value::as_str) == Some(what);
            let (is_of_person, is_of_scene) = (is_about("openids"), is_about("scenes"));
            for (key, value) in members {
                let is_said = matches!(key.as_str(), "given" | "wanted");
                if CONTENTS.contains(&key.as_str()) || (key == "given" && is_of_scene) {
                    hide(value);
                } else if PEOPLE.contains(&key.as_str()) || (is_said && is_of_person) {
                    shorten(value);
                } else if let ("target", Value::String(url)) = (key.as_str(), &mut *value) {
                    *url = without_query(url);
                } else {
                    mask(value);
                }
            }
        }
        _ => {}
    }
}

/// Leaves the ends of names.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = ends(text),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        other => mask(other),
    }
}

/// An address without what may be secret in it.
pub(super) fn without_query(url: &str) -> String {
    match url.split_once('?') {
        Some((address, _)) => format!("{address}?***"),
        None => url.to_owned(),
    }
}

/// Hides all but what kind it is.
fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if PEOPLE.contains(&key.as_str()) => *text = ends(text),
                    value if PLAIN.contains(&key.as_str()) => _ = value,
                    value => hide(value),
                }
            }
        }
        Value::Null => {}
        other => *other = "***".into(),
    }
}

/// Its ends, enough to tell one from another.
fn ends(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() < 10 {
        return "***".to_owned();
    }
    let (first, last): (String, String) =
        (letters[..5].iter().collect(), letters[letters.len() - 2..].iter().collect());
    format!("{first}***{last}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_viewer_sees_that_there_are_messages_and_people() {
        let mut value = json!({"items": [{
            "id": 1, "openid": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "event": "SCAN",
            "message": {"MsgType": "text", "Content": "secret", "FromUserName": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "List": [1, "a"]},
            "scene": "phone=secret", "why": [{"cond": "openids", "given": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "wanted": ["o6_bmjrPTlm6_2sgVt7hMZOPfL2M"]},
                {"cond": "scenes", "given": "secret", "wanted": ["login_*"]}], "target": "http://10.0.0.5/x?key=secret",
            "raw": "<xml>secret</xml>", "deliveries": [{"attempts": [{"status": 200, "answer": "secret"}]}],
        }]});
        mask(&mut value);
        assert!(!value.to_string().contains("secret"));
        let item = &value["items"][0];
        assert!(!value.to_string().contains("jrPTlm6"), "{value}");
        assert_eq!(
            (&item["target"], &item["why"][1]["wanted"]),
            (&json!("http://10.0.0.5/x?***"), &json!(["login_*"]))
        );
        assert_eq!((&item["openid"], &item["event"]), (&json!("o6_bm***2M"), &json!("SCAN")));
        assert_eq!(item["message"]["MsgType"], "text");
        assert_eq!(item["message"]["FromUserName"], "o6_bm***2M");
        assert_eq!((&item["message"]["List"], &item["raw"]), (&json!(["***", "***"]), &json!("***")));
        assert_eq!(item["deliveries"][0]["attempts"][0], json!({"status": 200, "answer": "***"}));
    }
}
