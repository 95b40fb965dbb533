//! WeChat's edge takes no POST whose body has no length.

use crate::rig::{MINI, Rig, START};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends bytes on a connection of their own; the answer's status line and what follows the head.
async fn raw(rig: &Rig, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(rig.sandbox.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}")
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

#[tokio::test]
async fn a_chunked_post_is_refused_unread() {
    let rig = Rig::start().await;
    rig.control("fault", json!({"path": "/cgi-bin/stable_token", "errcode": -1})).await;
    for (path, body) in [
        ("/cgi-bin/stable_token", "2\r\n{}\r\n0\r\n\r\n"),
        ("/cgi-bin/media/upload?type=image", "1\r\nx\r\n0\r\n\r\n"),
        ("/sns/jscode2session", "0\r\n\r\n"),
        ("/anything", "0\r\n\r\n"),
    ] {
        let (head, answer) = raw(&rig, &request("POST", path, CHUNKED, body)).await;
        assert!(head.starts_with("HTTP/1.1 412 Precondition Failed\r\n"), "{path}: {head}");
        assert!(
            head.to_lowercase().contains("content-length: 0") && answer.is_empty(),
            "{path}: {head}{answer}"
        );
        assert!(!head.to_lowercase().contains("content-type"), "{path}: {head}");
    }
    let state = rig.state().await;
    let first = json!({"seq": 1, "appid": "", "path": "/cgi-bin/stable_token", "status": 412, "errcode": 0});
    assert_eq!((state["calls"].as_array().unwrap().len(), &state["calls"][0]), (4, &first));
    assert_eq!(rig.get("/sandbox/faults").await.json()["faults"][0]["times"], 1, "the fault is for a call");
    let journal = rig.get("/sandbox/calls?path=/cgi-bin/stable_token").await.json()["calls"][0].clone();
    assert_eq!(
        (&journal["status"], &journal["body_base64"], &journal["answer_base64"], &journal["at"]),
        (&json!(412), &json!("e30="), &json!(""), &json!(START))
    );
}

#[tokio::test]
async fn what_has_no_body_or_is_no_post_is_not_refused_for_it() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(MINI, false).await;
    let errcode = |answer: &str| serde_json::from_str::<Value>(answer).unwrap()["errcode"].clone();
    let path = format!("/wxa/getwxacodeunlimit?access_token={token}");
    let (head, answer) = raw(&rig, &request("POST", &path, "", "")).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(errcode(&answer), 44002, "an empty body is WeChat's own matter");
    let addresses = format!("/cgi-bin/get_api_domain_ip?access_token={token}");
    let (head, _) = raw(&rig, &request("GET", &addresses, CHUNKED, "0\r\n\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (head, _) = raw(&rig, &request("POST", "/sandbox/users", CHUNKED, "2\r\n{}\r\n0\r\n\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "control calls are no calls of WeChat's: {head}");
}
