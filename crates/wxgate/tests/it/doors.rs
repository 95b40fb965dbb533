//! Every call of the admin API, by everybody, from everywhere: allowed or refused as its document says. What comes new to the
//! document is tried here as well; what is not in it has no row and no door.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, Reply, TestApp};
use crate::people::{Browser, PASSWORD, with_admin};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    Viewer,
    Admin,
    Token,
}

/// Where the page is that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Own,
    /// With everything but the header that only the own page knows.
    None,
    Foreign,
}

/// Those who have logged in.
struct LoggedIn<'a> {
    viewer: Browser<'a>,
    admin: Browser<'a>,
}

impl<'a> LoggedIn<'a> {
    async fn at(app: &'a TestApp) -> Self {
        let (mut viewer, mut admin) = (Browser::new(app), Browser::new(app));
        assert_eq!(viewer.logs_in("vic", PASSWORD).await, StatusCode::OK);
        assert_eq!(admin.logs_in("admin", PASSWORD).await, StatusCode::OK);
        Self { viewer, admin }
    }
}

async fn asks(
    app: &TestApp,
    (who, from): (Who, From),
    all: &LoggedIn<'_>,
    method: &str,
    path: &str,
) -> Reply {
    let nobody = Browser::new(app);
    let browser = match who {
        Who::Viewer => &all.viewer,
        Who::Admin => &all.admin,
        Who::Nobody | Who::Token => &nobody,
    };
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let own = app.admin_url();
    let mut headers = vec![("accept-language", "en"), ("cookie", &*browser.cookie)];
    if who == Who::Token {
        headers.push(("authorization", &*bearer));
    }
    match from {
        From::Own => headers.extend([("origin", &*own), ("x-wxgate-csrf", &*browser.csrf)]),
        From::None => {}
        From::Foreign => {
            headers.extend([("origin", "http://127.0.0.1:1"), ("x-wxgate-csrf", &*browser.csrf)]);
        }
    }
    headers.retain(|(_, value)| !value.is_empty());
    let url = format!("{}{path}", app.admin_url());
    let method: Method = method.to_uppercase().parse().unwrap();
    // What would do something is told something impossible.
    let body = if method == Method::GET { String::new() } else { json!({"no_such_member": []}).to_string() };
    app.http.send(method, &url, &headers, body).await.unwrap()
}

/// Whether the document lets `who` in, from there; else with which status it is refused.
fn expected(role: &str, who: Who, from: From, is_read: bool) -> Result<(), StatusCode> {
    let is_foreign = from == From::Foreign && !is_read;
    if role == "everybody" {
        return if is_foreign { Err(StatusCode::FORBIDDEN) } else { Ok(()) };
    }
    match who {
        Who::Nobody => Err(StatusCode::UNAUTHORIZED),
        // The own page alone can change something by a cookie.
        Who::Viewer | Who::Admin if !is_read && from != From::Own => Err(StatusCode::FORBIDDEN),
        Who::Viewer if role == "admin" => Err(StatusCode::FORBIDDEN),
        Who::Token if is_foreign => Err(StatusCode::FORBIDDEN),
        Who::Viewer | Who::Admin | Who::Token => Ok(()),
    }
}

#[tokio::test]
async fn every_call_is_open_to_whom_its_document_says_and_to_nobody_else() {
    let app = TestApp::start().await;
    let admin = with_admin(&app).await;
    let user = json!({"name": "vic", "role": "viewer", "password": PASSWORD});
    assert_eq!(admin.asks(Method::POST, "users", user).await.status, StatusCode::CREATED);
    let document = app.admin("/openapi.json").await.json();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    let mut all = LoggedIn::at(&app).await;
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            let role =
                call["x-role"].as_str().unwrap_or_else(|| panic!("{method} {path} says nobody's role"));
            let is_read = method == "get";
            // What can't be told something impossible is done to nobody here.
            let by_all: &[Who] = match path.as_str() {
                "/api/v1/backup" | "/api/v1/reload" => &[Who::Nobody, Who::Viewer],
                _ => &[Who::Nobody, Who::Viewer, Who::Admin, Who::Token],
            };
            let url = path.replace("{appid}", "wxnone").replace("{name}", "none").replace("{id}", "none");
            // A stream has no end.
            let url = if path.ends_with("/live") { format!("{url}?no_such_parameter=1") } else { url };
            for who in by_all {
                for from in [From::Own, From::None, From::Foreign] {
                    let status = asks(&app, (*who, from), &all, method, &url).await.status;
                    if path == "/api/v1/session" && method == "delete" {
                        all = LoggedIn::at(&app).await;
                    }
                    let is_right = match expected(role, *who, from, is_read) {
                        Ok(()) => ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status),
                        Err(refused) => status == refused,
                    };
                    tried += 1;
                    if !is_right {
                        wrong.push(format!("{method} {path} ({role}) by {who:?} from {from:?}: {status}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "of {tried}:\n{}", wrong.join("\n"));
    assert!(tried > 500, "{tried}");
    let users: Value = app.api("users").await;
    assert_eq!(users["items"].as_array().unwrap().len(), 2, "nothing was changed: {users}");
}
