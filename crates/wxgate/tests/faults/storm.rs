//! Messages come in, the gateway is killed again and again, and a receiver does all that receivers do wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use wechat::message::Message;

use crate::world::{World, number};

const SECOND: Duration = Duration::from_secs(1);
/// Of both routes.
const TIMEOUT: Duration = Duration::from_secs(1);
/// One in so many requests goes wrong, in some way.
const WRONG: u64 = 10;

/// What a receiver does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Refuses,
    Hangs,
    Cuts,
    CutsHalfWay,
    Moves,
    Garbage,
}

/// `/rough` goes wrong now and then, and for a while altogether; `/steady` never does.
#[derive(Clone, Default)]
struct Receiver {
    /// How often each message was answered with 200, by path.
    answered: Arc<Mutex<HashMap<(String, u64), usize>>>,
    wrong: Arc<Mutex<BTreeMap<Wrong, u64>>>,
    is_down: Arc<AtomicBool>,
}

impl Receiver {
    async fn start(&self) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, this) = (listener.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let this = this.clone();
                // A killed gateway ends its connections in every state.
                tokio::spawn(async move { drop(this.serve(stream).await) });
            }
        });
        address
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut got = Vec::new();
        loop {
            let Some((path, body)) = request(&mut stream, &mut got).await? else { return Ok(()) };
            let wrong = self.goes_wrong(&path);
            if let Some(wrong) = wrong {
                *self.wrong.lock().unwrap().entry(wrong).or_default() += 1;
            }
            let answer: &[u8] = match wrong {
                None => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                Some(Wrong::Refuses) => b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
                Some(Wrong::Moves) => b"HTTP/1.1 302 Gone\r\nlocation: /steady\r\ncontent-length: 0\r\n\r\n",
                Some(Wrong::Garbage) => b"\x00\xffnothing that anybody reads\r\n\r\n",
                Some(Wrong::CutsHalfWay) => b"HTTP/1.1 20",
                Some(Wrong::Cuts) => return Ok(()),
                Some(Wrong::Hangs) => {
                    tokio::time::sleep(3 * TIMEOUT).await;
                    return Ok(());
                }
            };
            stream.write_all(answer).await?;
            match wrong {
                None => {
                    let openid = Message::parse(&body).unwrap().from_user().into_owned();
                    *self.answered.lock().unwrap().entry((path, number(&openid))).or_default() += 1;
                }
                Some(Wrong::Garbage | Wrong::CutsHalfWay) => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn goes_wrong(&self, path: &str) -> Option<Wrong> {
        const KINDS: [Wrong; 6] =
            [Wrong::Refuses, Wrong::Hangs, Wrong::Cuts, Wrong::CutsHalfWay, Wrong::Moves, Wrong::Garbage];
        if path != "/rough" {
            return None;
        }
        let drawn = rand::random::<u64>();
        let is_wrong = self.is_down.load(Ordering::Relaxed) || drawn.is_multiple_of(WRONG);
        is_wrong.then(|| KINDS[(drawn / WRONG % 6) as usize])
    }

    /// Acknowledged messages that didn't arrive, messages that arrived, and how often one arrived again.
    fn lost(&self, acknowledged: impl IntoIterator<Item = u64>) -> (Vec<u64>, usize, usize) {
        let answered = self.answered.lock().unwrap();
        let has = |path: &str, n| answered.contains_key(&(path.to_owned(), n));
        let lost = acknowledged.into_iter().filter(|n| !has("/rough", *n) || !has("/steady", *n)).collect();
        (lost, answered.len(), answered.values().map(|times| times - 1).sum())
    }
}

/// Path and body of the next request; `None`: there is none.
async fn request(stream: &mut TcpStream, got: &mut Vec<u8>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    loop {
        let head = got.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = head {
            let text = String::from_utf8_lossy(&got[..end]).to_ascii_lowercase();
            let length =
                text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let length: usize = length.unwrap_or_default();
            if got.len() >= end + 4 + length {
                let path = text.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
                let (path, body) = (path.to_owned(), got[end + 4..end + 4 + length].to_vec());
                got.drain(..end + 4 + length);
                return Ok(Some((path, body)));
            }
        }
        if stream.read_buf(got).await? == 0 {
            return Ok(None);
        }
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Sends `rate` messages a second for so long, kills the gateway every so often, and looks that nothing was lost and hardly
/// anything came twice.
pub(crate) async fn storm(length: Duration, every: Duration, rate: u64) {
    let receiver = Receiver::default();
    let target = receiver.start().await;
    let route = |name: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\ntarget = \"http://{target}/{name}\"\nconcurrency = 64\ntimeout = \"{}s\"\nretry = [{}]\n",
            TIMEOUT.as_secs(),
            ["\"1s\""; 90].join(", ")
        )
    };
    let mut world = World::with(&(route("rough") + &route("steady")), "http://127.0.0.1:9");
    let (began, mut again, mut memory, mut kills) = (Instant::now(), Vec::new(), Vec::new(), 0);
    while began.elapsed() < length {
        world.start().await;
        // Half of the rounds it takes nothing for a while.
        receiver.is_down.store(kills % 2 == 1, Ordering::Relaxed);
        let new = world.wechat.new_messages(rate * every.as_secs() * 2);
        let numbers: Vec<u64> = again.into_iter().chain(new).collect();
        let (wechat, enough) = (world.wechat.clone(), CancellationToken::new());
        let stop = enough.clone();
        let sending = tokio::spawn(async move { wechat.send_until(&stop, numbers, rate).await });
        let round = Instant::now();
        while round.elapsed() < every {
            tokio::time::sleep(SECOND / 4).await;
            if round.elapsed() > every / 2 {
                receiver.is_down.store(false, Ordering::Relaxed);
            }
            memory.push((began.elapsed(), world.resident()));
        }
        world.kill();
        enough.cancel();
        let tally = sending.await.unwrap();
        kills += 1;
        println!("{:4} s, kill {kills}: {tally}", began.elapsed().as_secs());
        assert!(tally.refused.is_empty(), "nothing but the kill is wrong");
        again = tally.unanswered();
    }
    world.start().await;
    let took = world.nothing_pending(120 * SECOND).await;
    let acknowledged = world.wechat.acknowledged();
    let (lost, arrived, twice) = receiver.lost(acknowledged.iter().copied());
    let quarter = |n: u32| {
        let within = |at: Duration| at >= length * (n - 1) / 4 && at < length * n / 4;
        median(memory.iter().filter(|(at, _)| within(*at)).map(|(_, kb)| *kb).collect())
    };
    println!(
        "acknowledged {}, arrived {arrived}, lost {}, twice {twice} ({:.3} %), {kills} kills; wrong: {:?}; nothing pending after {} ms; resident {} KB in the second quarter, {} KB in the last",
        acknowledged.len(),
        lost.len(),
        twice as f64 * 100.0 / arrived as f64,
        receiver.wrong.lock().unwrap(),
        took.as_millis(),
        quarter(2),
        quarter(4)
    );
    assert!(acknowledged.len() as u64 > length.as_secs() * rate / 2, "messages came in");
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(world.items("deliveries?status=dead&").await.is_empty(), "nothing is given up");
    assert!(twice as f64 <= arrived as f64 * 0.005 + f64::from(kills) * 8.0, "{twice} came twice");
}
