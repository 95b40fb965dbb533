//! A batch of template messages, whose gateway is killed: nobody gets his twice, and everybody's end is known.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use http::Method;
use sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wxgate::clock::Clock;

use crate::world::{APPID, World};

const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";
const SECOND: Duration = Duration::from_secs(1);

/// A user who follows the account.
async fn follower(world: &World, sandbox: &str) -> String {
    let user = world.send(Method::POST, &format!("{sandbox}/sandbox/users"), "{}").await.unwrap();
    let openid = user["openids"][APPID].as_str().unwrap().to_owned();
    let follows = json!({"appid": APPID, "openid": openid, "event": "subscribe", "key": ""}).to_string();
    world.send(Method::POST, &format!("{sandbox}/sandbox/event"), follows).await.unwrap();
    openid
}

/// Who got a message, by the sandbox's own count.
async fn receivers(world: &World, sandbox: &str) -> Vec<String> {
    let state = world.send(Method::GET, &format!("{sandbox}/sandbox/state"), "").await.unwrap();
    let all = state["messages"].as_array().unwrap().iter();
    all.map(|message| message["touser"].as_str().unwrap().to_owned()).collect()
}

async fn job(world: &World, id: &str, more: &str) -> Value {
    let path = format!("/v1/service/wx/jobs/{id}?limit=1000{more}");
    world.send(Method::GET, &path, "").await.unwrap()["body"].take()
}

/// Where each line ended, and the job's last page.
async fn results(world: &World, id: &str) -> (Vec<String>, Value) {
    let (mut ends, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = job(world, id, &cursor).await;
        let lines = page["results"].as_array().unwrap().iter();
        ends.extend(lines.map(|one| one["status"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return (ends, page) };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-faults"]
async fn a_batch_whose_gateway_is_killed_three_times() {
    let count: usize = std::env::var("FAULTS_BATCH").map_or(100_000, |count| count.parse().unwrap());
    println!("\nkill -9 in a batch of {count} template messages at 1,000 a second");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, Arc::new(|| Clock::System.now()));
    let url = sandbox.url();
    let mut world = World::with("", &url);
    world.start().await;
    let openids: Vec<String> =
        stream::iter(0..count).map(|_| follower(&world, &url)).buffer_unordered(64).collect().await;
    let line = |openid: &String| {
        let data = json!({"keyword1": {"value": "k"}});
        format!("{}\n", json!({"openid": openid, "template_id": TEMPLATE, "data": data}))
    };
    let began = Instant::now();
    let body: String = openids.iter().map(line).collect();
    let path = format!("/v1/service/wx/sendwxtemplatemsg/batch?rate=1000&source=t&appid={APPID}");
    let answer = world.send(Method::POST, &path, body).await.unwrap();
    assert_eq!(answer["body"]["accepted"], count, "{answer}");
    let id = answer["body"]["job_id"].as_str().unwrap().to_owned();
    println!("uploaded within {} ms", began.elapsed().as_millis());
    for part in 1..=3 {
        loop {
            tokio::time::sleep(SECOND / 10).await;
            let sent = job(&world, &id, "").await["sent"].as_u64().unwrap() as usize;
            if sent >= count * part / 4 {
                println!("killed after {sent}, {} ms", began.elapsed().as_millis());
                break;
            }
        }
        world.kill();
        world.start().await;
    }
    while job(&world, &id, "").await["status"] == "running" {
        assert!(began.elapsed() < 600 * SECOND, "it never ends");
        tokio::time::sleep(SECOND / 10).await;
    }
    let (ends, done) = results(&world, &id).await;
    let got = receivers(&world, &url).await;
    let distinct = got.iter().collect::<HashSet<_>>().len();
    println!(
        "{} ms: sent {}, failed {}, unknown {}; the sandbox counts {} messages to {distinct} users",
        began.elapsed().as_millis(),
        done["sent"],
        done["failed"],
        done["unknown"],
        got.len()
    );
    assert_eq!(got.len(), distinct, "nobody twice");
    assert_eq!(ends.len(), count);
    assert!(ends.iter().all(|end| ["sent", "failed", "unknown"].contains(&end.as_str())));
    assert_eq!(done["sent"], got.len());
}
