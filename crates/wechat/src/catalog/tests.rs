//! What holds for every row.

use super::*;
use std::collections::HashSet;

#[test]
fn names_and_paths_are_unique() {
    let names: HashSet<_> = ALL.iter().map(|e| e.name).collect();
    let paths: HashSet<_> = ALL.iter().map(|e| e.path).collect();
    assert_eq!((names.len(), paths.len()), (ALL.len(), ALL.len()));
    assert!(ALL.iter().all(|e| e.path.starts_with('/') && !e.path.ends_with('/')));
}

#[test]
fn all_is_complete() {
    let rows = |text: &str| text.matches(": Endpoint =").count();
    let files = [
        include_str!("../catalog.rs"),
        include_str!("account.rs"),
        include_str!("checks.rs"),
        include_str!("content.rs"),
        include_str!("login.rs"),
        include_str!("message.rs"),
        include_str!("mini.rs"),
        include_str!("people.rs"),
    ];
    let rows: usize = files.into_iter().map(rows).sum();
    assert_eq!(ALL.len(), rows);
    assert!(ALL.is_sorted_by_key(|endpoint| endpoint.path), "or `by_path` finds nothing");
}

#[test]
fn rows_are_found_by_path() {
    assert_eq!(by_path("/cgi-bin/stable_token"), Some(&STABLE_TOKEN));
    assert_eq!(by_path("/cgi-bin/stable_token/"), None);
    assert_eq!(by_path("cgi-bin/token"), None);
    for endpoint in ALL {
        assert_eq!(by_path(endpoint.path), Some(*endpoint));
    }
}

#[test]
fn rows_say_what_a_gateway_does() {
    for endpoint in ALL {
        let fits = match endpoint.treat {
            Treat::Token | Treat::Code(_) | Treat::Secret => endpoint.auth == Auth::Secret,
            Treat::Ticket | Treat::Plain => endpoint.auth == Auth::AccessToken,
            Treat::Refresh | Treat::Page => endpoint.auth == Auth::None,
            Treat::Open => matches!(endpoint.auth, Auth::UserToken | Auth::None),
        };
        assert!(fits, "{}: {:?} with {:?}", endpoint.name, endpoint.treat, endpoint.auth);
        assert_eq!(endpoint.host == Host::Open, endpoint.treat == Treat::Page, "{}", endpoint.name);
    }
    assert_eq!(by_path("/sns/oauth2/access_token").unwrap().treat, Treat::Code("code"));
    assert_eq!(by_path("/sns/jscode2session").unwrap().treat, Treat::Code("js_code"));
    assert_eq!(by_path("/sns/oauth2/refresh_token").unwrap().treat, Treat::Refresh);
    assert_eq!(by_path("/cgi-bin/showqrcode").unwrap().treat, Treat::Open);
}

#[test]
fn what_concerns_every_caller_is_known_in_every_spelling() {
    for path in [
        "/cgi-bin/clear_quota",
        "/cgi-bin/clear_quota/v2",
        "/CGI-BIN/Clear_Quota/V2",
        "/cgi-bin/clear_quota/v3",
        "/cgi-bin/clear_quotas",
        "/cgi-bin/openapi/quota/clear",
        "/cgi-bin/OpenAPI/quota/clear",
        "/cgi-bin/openapi/rid/get",
        "/cgi-bin/openapi/RID/get",
    ] {
        assert!(by_name_only(path), "{path}");
    }
    for path in [
        "",
        "/",
        "/cgi-bin/clear_quot",
        "/cgi-bin/clear_quot汉",
        "/x/cgi-bin/clear_quota",
        "/cgi-bin/openapi/quota/get",
        "/cgi-bin/openapi/rid/get/x",
        "/cgi-bin/menu/get",
    ] {
        assert!(!by_name_only(path), "{path}");
    }
    assert!(ALL.iter().all(|endpoint| by_name_only(endpoint.path) == endpoint.by_name));
}

#[test]
fn a_platforms_paths_are_known_in_every_spelling() {
    for path in [
        "/cgi-bin/component/api_query_auth",
        "/CGI-bin/Component/api_query_auth",
        "/cgi-bin/component/",
        "/sns/component/jscode2session",
        "/SNS/component/jscode2session",
        "/sns/oauth2/component/access_token",
    ] {
        assert!(wants_other_credential(path), "{path}");
    }
    for path in ["", "/cgi-bin/component", "/cgi-bin/components/x", "/sns/componen汉", "/a/sns/component/x"]
    {
        assert!(!wants_other_credential(path), "{path}");
    }
    assert!(ALL.iter().all(|endpoint| !wants_other_credential(endpoint.path)));
}
