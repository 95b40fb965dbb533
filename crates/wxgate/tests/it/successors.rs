//! Whose the state is that was made under a caller's name, when keys and names change in a reload.

use serde_json::json;

use crate::app::{EXAMPLE, MINI, Reply, TestApp};

const SESSION: &str = "/sns/jscode2session";

fn key(letter: char) -> String {
    format!("key_{}", letter.to_string().repeat(24))
}

/// Callers of (name, key, previous key).
fn callers(of: &[(&str, char, Option<char>)]) -> String {
    let caller = |(name, current, previous): &(&str, char, Option<char>)| {
        let previous = previous.map(|letter| format!("previous_key = \"{}\"\n", key(letter)));
        let (current, previous) = (key(*current), previous.unwrap_or_default());
        format!(
            "[[callers]]\nname = \"{name}\"\nkey = \"{current}\"\n{previous}apps = [\"*\"]\napis = [\"*\"]\n"
        )
    };
    of.iter().map(caller).collect()
}

async fn session(app: &TestApp, letter: char, code: &str) -> Reply {
    let bearer = format!("Bearer {}", key(letter));
    app.call_with("code2session", &[("authorization", &bearer)], json!({"appid": MINI, "code": code})).await
}

async fn passed(app: &TestApp, letter: char, code: &str) -> i64 {
    let query = format!("appid={MINI}&secret={}&js_code={code}&grant_type=authorization_code", key(letter));
    app.get(&format!("{SESSION}?{query}"), &[]).await.json()["errcode"].as_i64().unwrap_or(0)
}

fn reload(app: &mut TestApp, from: &str, to: &str) {
    let config = app.config(&app.text().replace(from, to)).unwrap();
    app.gateway().reload(config).unwrap();
}

#[tokio::test]
async fn a_name_that_is_given_to_another_key_takes_no_answer_along() {
    let before = callers(&[("shop", 'a', None), ("erp", 'b', None)]);
    let swapped = callers(&[("shop", 'b', None), ("erp", 'a', None)]);
    let mut app = TestApp::configured(&before).await;
    let openid = app.user(MINI).await;
    let (code, other) = (app.code("login", MINI, &openid).await, app.code("login", MINI, &openid).await);
    let answer = session(&app, 'a', &code).await.ok();
    assert_eq!(passed(&app, 'a', &other).await, 0);

    reload(&mut app, &before, &swapped);
    session(&app, 'b', &code).await.fails(3_584_006, false, 40163);
    session(&app, 'a', &code).await.fails(3_584_006, false, 40163);
    for letter in ['a', 'b'] {
        assert_eq!(passed(&app, letter, &other).await, 40163);
    }

    reload(&mut app, &swapped, &before);
    assert_eq!(session(&app, 'a', &code).await.ok(), answer, "the name has its key again");
    assert_eq!(passed(&app, 'a', &other).await, 0);

    // A restart forgets nothing of it.
    app.restart_with(&app.text().replace(&before, &swapped)).await;
    session(&app, 'b', &code).await.fails(3_584_006, false, 40163);
    app.restart_with(&app.text().replace(&swapped, &before)).await;
    assert_eq!(session(&app, 'a', &code).await.ok(), answer);
}

#[tokio::test]
async fn a_key_that_takes_over_takes_the_answers_over() {
    let steps = [
        callers(&[("shop", 'a', None)]),
        callers(&[("shop", 'b', Some('a'))]),
        callers(&[("shop", 'b', None)]),
        callers(&[("shop", 'c', Some('b'))]),
    ];
    let mut app = TestApp::configured(&steps[0]).await;
    let openid = app.user(MINI).await;
    let code = app.code("login", MINI, &openid).await;
    let answer = session(&app, 'a', &code).await.ok();
    for (next, letters) in steps[1..].iter().zip([&['a', 'b'][..], &['b'], &['b', 'c']]) {
        reload(&mut app, &steps[0], next);
        for letter in letters {
            assert_eq!(session(&app, *letter, &code).await.ok(), answer, "{letter}");
        }
        app.advance(std::time::Duration::from_secs(2)).await;
    }
    // Another key without a word of the one before is another's.
    reload(&mut app, &steps[0], &callers(&[("shop", 'd', None)]));
    session(&app, 'd', &code).await.fails(3_584_006, false, 40163);
    assert_eq!(app.calls(SESSION, None).await, 2);
}

#[tokio::test]
async fn usage_and_rate_belong_to_the_name() {
    let rated = |text: String| text.replace("apps =", "rate = 3\napps =");
    let before = rated(callers(&[("shop", 'a', None), ("erp", 'b', None)]));
    let swapped = rated(callers(&[("shop", 'b', None), ("erp", 'a', None)]));
    let mut app = TestApp::configured(&before).await;
    let ask = async |app: &TestApp, letter: char| {
        let bearer = format!("Bearer {}", key(letter));
        let request = json!({"appid": EXAMPLE, "scene": "s"});
        app.call_with("getwxqrcode", &[("authorization", &bearer)], request).await.status.as_u16()
    };
    for _ in 0..3 {
        assert_eq!(ask(&app, 'a').await, 200);
    }
    assert_eq!(ask(&app, 'a').await, 429);
    reload(&mut app, &before, &swapped);
    assert_eq!(ask(&app, 'b').await, 429, "the name's rate is used up");
    assert_eq!(ask(&app, 'a').await, 200);
    let listed = app.api("callers").await;
    let calls = |name: &str| {
        let of = listed["items"].as_array().unwrap().iter().find(|caller| caller["name"] == name).unwrap();
        (of["calls"]["/v1/service/wx/getwxqrcode"].as_u64(), of["refused"].as_u64())
    };
    assert_eq!((calls("shop"), calls("erp")), ((Some(3), Some(2)), (Some(1), Some(0))));
}
