//! Faults: the real binary, killed, on a disk that fails, beside a lock, stopped. Whatever happens,
//! a message that WeChat was told is taken reaches its backends. `make test-faults` runs these, one
//! after another, and shows what they print.

#![expect(clippy::unwrap_used, reason = "a failed step ends the test")]
#![expect(clippy::disallowed_methods, reason = "tests spawn what the product must not")]
#![expect(clippy::print_stdout, reason = "the figures are what one runs this for")]

mod batch;
mod storm;
mod world;

use std::time::{Duration, Instant};

use http::StatusCode;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use world::{Faults, GRACE, WECHAT_WAITS, World};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-faults"]
async fn killed_twenty_times_while_messages_come_in() {
    const ROUNDS: u32 = 20;
    let seed = std::env::var("FAULTS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("\nkill -9 at 200 messages a second; FAULTS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new().await;
    // So that deliveries, too, are under way when it is killed.
    world.backend.pause(Duration::from_millis(20));
    let mut again = Vec::new();
    for round in 1..=ROUNDS {
        world.start().await;
        // WeChat sends again what got no answer.
        let numbers: Vec<u64> = again.into_iter().chain(world.wechat.new_messages(300)).collect();
        let (wechat, killed) = (world.wechat.clone(), CancellationToken::new());
        let enough = killed.clone();
        let sending = tokio::spawn(async move { wechat.send_until(&enough, numbers, 200).await });
        let after = Duration::from_millis(random.random_range(300..1500));
        tokio::time::sleep(after).await;
        world.kill();
        killed.cancel();
        let tally = sending.await.unwrap();
        println!(
            "round {round:2}: killed after {:4} ms; {tally}; deliveries so far {}, duplicates {}",
            after.as_millis(),
            world.backend.distinct(),
            world.backend.duplicates()
        );
        assert!(!tally.acknowledged.is_empty() && tally.refused.is_empty(), "nothing but the kill is wrong");
        again = tally.unanswered();
    }
    world.start().await;
    let took = world.nothing_pending(60 * SECOND).await;
    println!("nothing pending {} ms after the last start", took.as_millis());
    world.nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_storm_loses_nothing() {
    storm::storm(Duration::from_secs(9), Duration::from_secs(3), 100).await;
}

/// `STORM_SECONDS=600` is the long form.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-faults"]
async fn a_storm_of_five_hundred_messages_a_second_loses_nothing() {
    let seconds = std::env::var("STORM_SECONDS").map_or(45, |seconds| seconds.parse().unwrap());
    println!("\n500 messages a second for {seconds} s, kill -9 every 15 s, a receiver that goes wrong");
    storm::storm(Duration::from_secs(seconds), Duration::from_secs(15), 500).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-faults"]
async fn a_disk_that_is_full_or_broken_or_hangs_costs_no_message_and_no_restart() {
    let Some(faults) = Faults::new() else { return };
    println!("\na disk that fails at the commit, 50 messages a second");
    let mut world = World::new().await;
    world.start_with(Some(&faults)).await;
    for fault in ["enospc", "eio", "fsync", "hang"] {
        let before = world.wechat.send(world.wechat.new_messages(100), 50).await;
        println!("{fault:6} before: {before}");
        assert_eq!(before.acknowledged.len(), before.sent());

        faults.begin(fault);
        let broken = Instant::now();
        let health = async {
            let both = tokio::join!(world.get("/readyz"), world.get("/readyz?for=callbacks"));
            (both, broken.elapsed())
        };
        let (during, ((ready, ready_for_callbacks), knew)) =
            tokio::join!(world.wechat.send(world.wechat.new_messages(100), 50), health);
        // A disk may hang for longer than anybody waits.
        if fault == "hang" {
            tokio::time::sleep((12 * SECOND).saturating_sub(broken.elapsed())).await;
        }
        faults.end();
        println!("{fault:6} during: {during}; health answered within {} ms", knew.as_millis());
        assert_eq!(during.refused.len(), during.sent(), "what can't be kept is never acknowledged");
        assert!(during.slowest < WECHAT_WAITS);
        let (status, health) = ready.unwrap();
        assert_eq!((status, &health["status"]), (StatusCode::OK, &json!("degraded")));
        assert!(knew < 3 * SECOND, "whoever asks for health doesn't wait for long");
        assert_eq!(ready_for_callbacks.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);

        let back = world.works_again().await;
        let after = world.wechat.send(world.wechat.new_messages(100), 50).await;
        println!("{fault:6} after:  {after}; took messages again after {} ms", back.as_millis());
        assert_eq!(after.acknowledged.len(), after.sent());
        assert_eq!(world.get("/readyz").await.unwrap().1["status"], "ok");
        // WeChat sends again what was refused.
        let again = world.wechat.send(during.refused, 50).await;
        assert_eq!(again.acknowledged.len(), again.sent());
    }
    world.kill();
    world.start().await;
    world.nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-faults"]
async fn a_message_that_was_kept_too_late_is_delivered_when_it_comes_again() {
    let Some(faults) = Faults::new() else { return };
    println!("\none message, while the disk hangs");
    let mut world = World::new().await;
    world.start_with(Some(&faults)).await;
    let message = 1;
    faults.begin("hang");
    let refused = world.wechat.send([message], 1).await;
    println!("at first: {refused}");
    assert_eq!(refused.refused.len(), 1);
    faults.end();
    tokio::time::sleep(SECOND).await;
    let again = world.wechat.send([message], 1).await;
    println!("again:    {again}");
    assert_eq!(again.acknowledged.len(), 1);
    // No other message comes that would wake the route.
    let took = world.nothing_pending(WECHAT_WAITS).await;
    println!("nothing pending after {} ms", took.as_millis());
    world.nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-faults"]
async fn a_locked_database_refuses_messages_until_it_is_free() {
    println!("\nthe database locked by another process for 8 s");
    let mut world = World::new().await;
    world.start().await;
    let before = world.wechat.send(world.wechat.new_messages(50), 50).await;
    println!("before: {before}");
    assert_eq!(before.acknowledged.len(), before.sent());

    let other = rusqlite::Connection::open(world.database()).unwrap();
    other.busy_timeout(WECHAT_WAITS).unwrap();
    other.execute_batch("begin exclusive").unwrap();
    let locked = Instant::now();
    // Sent in the first three seconds: the answers to all of them come while the lock stands.
    let during = world.wechat.send(world.wechat.new_messages(16), 5).await;
    println!("during: {during}; the last answer {} ms into the lock", locked.elapsed().as_millis());
    assert_eq!(during.refused.len(), during.sent());
    assert!(during.slowest < WECHAT_WAITS);
    tokio::time::sleep((8 * SECOND).saturating_sub(locked.elapsed())).await;
    other.execute_batch("rollback").unwrap();
    drop(other);

    let back = world.works_again().await;
    let after = world.wechat.send(world.wechat.new_messages(100), 50).await;
    println!("after:  {after}; took messages again after {} ms", back.as_millis());
    assert_eq!(after.acknowledged.len(), after.sent());
    let again = world.wechat.send(during.refused, 50).await;
    assert_eq!(again.acknowledged.len(), again.sent());
    world.nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-faults"]
async fn stopped_while_messages_come_in_and_a_backend_is_slow() {
    println!("\nSIGTERM at 100 messages a second, shutdown_grace {GRACE:?}");
    let mut world = World::new().await;
    // One that a stop waits for, and one that it can't wait for.
    for pause in [SECOND, 14 * SECOND] {
        world.start().await;
        world.backend.pause(pause);
        let wechat = world.wechat.clone();
        let sending = tokio::spawn(async move { wechat.send(wechat.new_messages(200), 100).await });
        tokio::time::sleep(SECOND).await;
        let (status, took) = world.stop().await;
        let tally = sending.await.unwrap();
        println!("backend takes {pause:?}: {tally}; {status} after {} ms", took.as_millis());
        assert!(status.success());
        assert!(took < GRACE + SECOND / 2);
        assert!(!tally.acknowledged.is_empty());
    }
    world.backend.pause(Duration::ZERO);
    world.start().await;
    world.nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-faults"]
async fn stopped_while_the_disk_hangs() {
    let Some(faults) = Faults::new() else { return };
    println!("\nSIGTERM while the disk hangs");
    let mut world = World::new().await;
    world.start_with(Some(&faults)).await;
    let before = world.wechat.send(world.wechat.new_messages(50), 50).await;
    println!("before: {before}");
    faults.begin("hang");
    let during = world.wechat.send(world.wechat.new_messages(10), 50).await;
    println!("during: {during}");
    assert_eq!(during.refused.len(), during.sent());
    let (status, took) = world.stop().await;
    println!("{status} after {} ms", took.as_millis());
    // Besides the grace, the store gets five seconds to end.
    assert!(status.success() && took < GRACE + 6 * SECOND);
    faults.end();
    world.start().await;
    world.nothing_lost().await;
}
