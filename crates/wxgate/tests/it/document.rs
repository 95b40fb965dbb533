//! The admin API does what its document says: every call is there, and what comes out has the shape that is promised.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Maker, text};

/// What is wrong with `value`, by the document's `schema`; none: nothing.
fn wrong(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#')).unwrap();
        return wrong(document, schema, value, at);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        let all: Vec<_> = either.iter().map(|schema| wrong(document, schema, value, at)).collect();
        return if all.iter().any(Vec::is_empty) { Vec::new() } else { all.concat() };
    }
    let is_of = match schema["type"].as_str() {
        None => true,
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        Some(other) => panic!("{other}"),
    };
    let is_one = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    if !is_of || !is_one {
        return vec![format!("{at}: {value} is not {schema}")];
    }
    let mut found = Vec::new();
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(wrong(document, &schema["items"], item, &format!("{at}[{n}]")));
    }
    let Some(members) = value.as_object().filter(|_| schema["type"] == "object") else { return found };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            found.push(format!("{at}: no {name}"));
        }
    }
    for (name, value) in members {
        let at = format!("{at}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(true)) => {}
            (Value::Null, Value::Bool(false)) => found.push(format!("{at}: not in the document")),
            (Value::Null, more) => found.extend(wrong(document, more, value, &at)),
            (schema, _) => found.extend(wrong(document, schema, value, &at)),
        }
    }
    found
}

async fn send(app: &TestApp, method: &str, path: &str, body: Value) -> Reply {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let url = format!("{}{path}", app.admin_url());
    app.http.send(method, &url, &[("authorization", &bearer), ("accept-language", "en")], body).await.unwrap()
}

/// A gateway in which there is something of everything; its backend takes nothing.
async fn lived_in() -> TestApp {
    let backend = Backend::start().await;
    backend.does(|_| says(502, ""));
    let callers = "[[callers]]\nname = \"demo\"\nkey = \"key_demo_0123456789abcdefghij\"\napps = [\"*\"]\napis = [\"*\"]\n";
    let route = format!("[[routes]]\nname = \"crm\"\ntarget = \"{}\"\nretry = []\n", backend.url);
    let app = TestApp::configured(&format!("[auth]\nmode = \"off\"\n{callers}{route}")).await;
    let openid = app.user(OFFICIAL).await;
    app.qr_code(OFFICIAL).await.ok();
    let template = json!({"appid": OFFICIAL, "openid": openid, "template_id": "none", "data": {}});
    app.call("sendwxtemplatemsg", template).await;
    app.callback(Some(OFFICIAL), &Maker::new(OFFICIAL, app.now()).safe(&text("gh_none", "hello"))).await;
    app.until("the route gives up", async || !app.deliveries("status=dead").await.is_empty()).await;
    app
}

#[tokio::test]
async fn answers_have_the_shapes_of_the_document() {
    let app = lived_in().await;
    let document = app.admin("/openapi.json").await.json();
    let event = app.api("events").await["items"][0]["id"].to_string();
    let replay = send(&app, "post", "/api/v1/replay", json!({"filter": {"route": "crm"}})).await;
    let job = replay.json()["job_id"].as_str().unwrap().to_owned();
    let mut wrongs =
        wrong(&document, &json!({"$ref": "#/components/schemas/ReplayJob"}), &replay.json(), "replay");
    for (path, calls) in document["paths"].as_object().unwrap() {
        let Some(get) = calls.get("get") else { continue };
        let Some(schema) = get["responses"]["200"]["content"]["application/json"].get("schema") else {
            continue;
        };
        // Nobody has logged in.
        if path == "/api/v1/session" {
            continue;
        }
        let id = if path.contains("/jobs/") { &job } else { &event };
        let mut url = path.replace("{appid}", OFFICIAL).replace("{id}", id).replace("{code}", "40001");
        url = url.replace("{name}", if path.contains("/routes/") { "crm" } else { "demo" });
        match path.as_str() {
            "/api/v1/series" => url.push_str("?metric=calls"),
            "/api/v1/search" => url.push_str("?q=demo"),
            _ => {}
        }
        let reply = send(&app, "get", &url, Value::Null).await;
        if reply.status != StatusCode::OK {
            wrongs.push(format!("{url}: {}", reply.status));
            continue;
        }
        wrongs.extend(wrong(&document, &schema["schema"], &reply.json(), path));
    }
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

#[tokio::test]
async fn every_call_of_the_document_is_there_and_each_refusal_is_a_problem() {
    let app = TestApp::configured("").await;
    let document = app.admin("/openapi.json").await.json();
    let problem = json!({"$ref": "#/components/schemas/Refusal"});
    for (path, calls) in document["paths"].as_object().unwrap() {
        for method in calls.as_object().unwrap().keys().filter(|method| *method != "get") {
            let url = path.replace("{appid}", "wxnone").replace("{name}", "none").replace("{id}", "none");
            // What would do something is told something impossible.
            if ["/api/v1/backup", "/api/v1/reload", "/api/v1/session"].contains(&path.as_str()) {
                continue;
            }
            let reply = send(&app, method, &url, json!({"no_such_member": []})).await;
            assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            if reply.status.is_success() {
                continue;
            }
            let said = reply.json();
            assert!(!said["detail"].as_str().unwrap().starts_with("no such call"), "{method} {path}");
            let wrongs = wrong(&document, &problem, &said, path);
            assert!(wrongs.is_empty(), "{wrongs:?}");
        }
    }
    let missing = send(&app, "post", "/api/v1/nothing", json!({})).await;
    assert!(missing.json()["detail"].as_str().unwrap().starts_with("no such call"), "{:?}", missing.json());
}
