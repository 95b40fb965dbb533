use super::*;
use crate::errcode;

fn shape(samples: &[Value]) -> Shape {
    let mut shape = Shape::default();
    samples.iter().for_each(|sample| shape.merge(Shape::of(sample)));
    shape
}

/// What is told of `seen`, a line each.
fn told(shape: &Shape, seen: &Value) -> Vec<String> {
    let mut found = Vec::new();
    shape.compare(seen, &Place::Top, &mut found);
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn members_that_come_and_go_are_optional_and_others_are_missed() {
    let known = shape(&[
        json!({"openid": "a", "unionid": "b", "sex": 1, "tags": [1, 2]}),
        json!({"openid": "a", "sex": 0, "tags": []}),
    ]);
    assert_eq!(
        known.to_json(),
        json!({"openid": "text", "sex": "integer", "tags": ["integer"], "unionid?": "text"})
    );
    assert!(told(&known, &json!({"sex": 2, "openid": "c", "tags": [3]})).is_empty());
    assert_eq!(told(&known, &json!({"openid": "c", "tags": []})), ["gone sex: integer -> -"]);
    assert_eq!(
        told(&known, &json!({"openid": "c", "sex": 1, "tags": [], "age": 7})),
        ["new age: - -> integer"]
    );
    assert_eq!(
        told(&known, &json!({"openid": null, "sex": true, "tags": ["x", 1]})),
        ["type openid: text -> null", "type sex: integer -> bool", "type tags[]: integer -> text",]
    );
    assert_eq!(
        told(&known, &json!({"openid": "c", "sex": 1.5, "tags": {}})),
        ["type sex: integer -> fraction", "type tags: list -> object",]
    );
}

#[test]
fn objects_that_have_little_in_common_stay_apart() {
    let follower = json!({"subscribe": 1, "openid": "a", "nickname": "", "sex": 0, "city": "", "remark": ""});
    let stranger = json!({"subscribe": 0, "openid": "a"});
    let known = shape(&[json!([follower, stranger])]);
    let mut less = follower.clone();
    less.as_object_mut().unwrap().remove("city");
    assert!(told(&known, &json!([stranger, follower])).is_empty() && told(&known, &json!([])).is_empty());
    assert_eq!(told(&known, &json!([stranger, less, less])), ["gone [].city: text -> -"], "once");
    assert_eq!(told(&known, &json!([stranger, null])), ["type []: object -> null"]);
    assert_eq!(told(&known, &json!({"subscribe": 0})), ["type -: list -> object"]);
}

#[test]
fn what_was_never_seen_is_no_difference() {
    let known = shape(&[json!({"privilege": [], "n": 1})]);
    assert!(
        told(&known, &json!({"privilege": [{"a": 1}, "b", null], "n": 18446744073709551615u64})).is_empty()
    );
    assert!(told(&Shape::default(), &json!({"a": [1]})).is_empty());
}

#[test]
fn names_that_are_data_are_told_by_a_star() {
    let by_openid = |openid: &str| json!({"list": {openid: {"n": 1}}});
    let known =
        shape(&[by_openid("o6_bmjrPTlm6_2sgVt7hMZOPfL2M"), by_openid("oABcdEFghIJklMNopQRstUVwxYZa")]);
    assert_eq!(known.to_json(), json!({"list": {"*": {"n": "integer"}}}));
    assert!(told(&known, &by_openid("o7_Te9x2kq81Zm4pPq0wRr3sLl8M")).is_empty());
    assert!(told(&known, &json!({"list": {}})).is_empty());
    let secret = "Zx81kQpLmN20vBt7";
    assert_eq!(told(&shape(&[json!({"a": 1})]), &json!({"a": 1, secret: 2})), ["new *: - -> integer"]);
    for name in
        ["user_info_list", "phoneNumber", "qr_scene_str", "url", "MsgID", "URL", "is_snapshotuser", "p95"]
    {
        assert!(is_name(name), "{name}");
    }
    for data in ["", "13800138000", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "老王", "a b", "9a", "f3a9c1d2"] {
        assert!(!is_name(data), "{data}");
    }
}

#[test]
fn a_shape_survives_its_file() {
    let known = shape(&[
        json!({"a": [{"x": 1, "y": null}, {"z": [[]], "q": 1.5, "r": false}], "b": "t"}),
        json!({"a": [], "b": 3}),
        json!([1, {"k": {}}]),
    ]);
    assert_eq!(Shape::from_json(&known.to_json()), known, "{}", known.to_json());
}

#[test]
fn no_more_is_told_than_there_is_room_for() {
    let known = shape(&[json!({"a": 1})]);
    let many: Map<String, Value> =
        ('a'..='z').flat_map(|a| ('a'..='e').map(move |b| (format!("{a}{b}"), json!(1)))).collect();
    assert_eq!(told(&known, &Value::Object(many)).len(), MOST);
    let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    let deep: Value = serde_json::from_str(&deep).unwrap();
    let text = deep.to_string().replace('1', "\"x\"");
    let found = told(&Shape::of(&deep), &serde_json::from_str(&text).unwrap());
    assert!(found.len() == 1 && found[0].len() < 200 && found[0].contains('…'), "{found:?}");
}

fn seen<'a>(status: u16, content_type: &'a str, body: &'a [u8]) -> Seen<'a> {
    Seen {
        path: "/cgi-bin/user/info",
        status,
        content_type,
        headers: &["date", "x-kept"],
        body,
        is_whole: true,
    }
}

const JSON: &str = "application/json; encoding=utf-8";

fn known() -> Known {
    let mut known = Known::default();
    known.learn(&seen(200, JSON, br#"{"openid":"a","sex":1}"#));
    known.learn(&seen(
        200,
        JSON,
        br#"{"errcode":40003,"errmsg":"invalid openid rid: 65a33cd8-01234567-89abcdef"}"#,
    ));
    Known::from_json(&known.to_json())
}

fn all(known: &Known, seen: &Seen<'_>) -> Vec<String> {
    match known.compare(seen) {
        Compared::Whole(found) => found.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_compared_from_its_status_to_its_words() {
    let known = known();
    let rid = "rid: 65a33cd8-01234567-89abcdef";
    let refusal = |code: &str, words: &str| format!(r#"{{"errcode":{code},"errmsg":"{words}"}}"#);
    let of = |body: &str| all(&known, &seen(200, JSON, body.as_bytes()));
    assert!(of(r#"{"openid":"b","sex":2}"#).is_empty());
    assert!(of(&refusal("40003", &format!("invalid openid {rid}"))).is_empty());
    assert!(
        of(&refusal("40013", &format!("invalid appid hints: [ req_id: x1 ] {rid}"))).is_empty(),
        "of the table"
    );
    assert!(of(&refusal("-1000", &format!("whatever {rid}"))).is_empty(), "a family has no words");
    assert_eq!(of(&refusal("40003", "invalid openid")), ["rid errmsg: rid -> -"]);
    assert_eq!(
        of(&refusal("40003", &format!("zebra openid o6x {rid}"))),
        ["words errmsg: invalid openid -> * openid *"]
    );
    assert_eq!(of(&refusal("49123", rid)), ["code errcode: - -> 49123"]);
    assert_eq!(of(&refusal("13800138000", rid)), ["code errcode: - -> *"]);
    assert_eq!(
        of(&refusal("\"40003\"", &format!("invalid openid {rid}"))),
        ["type errcode: integer -> text"]
    );
    assert_eq!(of(""), ["body -: object -> empty"]);
    assert_eq!(of("{\"openid\""), ["body -: object -> no JSON"]);
    assert_eq!(of("\u{feff}{\"openid\":\"b\",\"sex\":2}"), ["mark -: - -> byte order mark"]);
    let odd = all(&known, &seen(201, "application/secret; charset=UTF-8", br#"{"openid":"b","sex":2}"#));
    assert_eq!(
        odd,
        ["status -: 200 -> 201".to_owned(), format!("content_type -: {JSON} -> *; charset=utf-8"),]
    );
    let without = Seen { headers: &["date"], ..seen(200, JSON, br#"{"openid":"b","sex":2}"#) };
    assert_eq!(all(&known, &without), ["header x-kept: header -> -"]);
    let more = Seen { headers: &["date", "x-kept", "x-more"], ..without };
    let news: Vec<String> = known.new_headers(&more).iter().map(ToString::to_string).collect();
    assert_eq!((all(&known, &more).len(), &*news), (0, &["header x-more: - -> header".to_owned()][..]));
    assert_eq!(
        all(&known, &seen(200, "text/html", b"<html>")),
        ["body -: object -> page".to_owned(), format!("content_type -: {JSON} -> text/html"),]
    );
}

#[test]
fn what_nobody_knows_and_what_the_edge_says_are_not_compared() {
    let known = known();
    let body = br#"{"openid":"b"}"#;
    assert_eq!(known.compare(&Seen { path: "/other", ..seen(200, JSON, body) }), Compared::Unknown);
    assert_eq!(known.compare(&seen(502, "text/html", b"<html>")), Compared::Broken);
    assert_eq!(known.compare(&seen(412, "", b"")), Compared::Broken);
    assert!(matches!(known.compare(&seen(500, JSON, body)), Compared::Whole(_)));
    let part = Seen { is_whole: false, ..seen(200, JSON, body) };
    assert_eq!(known.compare(&part), Compared::Part(Vec::new()), "a beginning lacks what comes later");
}

#[test]
fn the_file_of_the_sandbox_can_be_read_and_holds_official_words_only() {
    let known = Known::of_the_sandbox();
    assert!(known.paths().count() >= 20, "{}", known.paths().count());
    let file: Value = serde_json::from_str(Known::file()).unwrap();
    assert_eq!(known.to_json(), file, "it reads what it writes");
    assert_eq!(known.text(), Known::file());
    for code in file["words"].as_object().unwrap().keys() {
        assert!(errcode::lookup(code.parse().unwrap()).unwrap().official, "{code}");
    }
}
