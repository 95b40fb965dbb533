//! A backend that takes deliveries: answers 200, or 500 to the first attempt of some; and to a GET how many there were, and how
//! many arrived after a later one of their user's. `receiver ADDRESS [PERCENT_THAT_FAIL USERS]`: a message's user is its id
//! modulo USERS.
use std::cell::RefCell;
use std::rc::Rc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use yardsticks::wire;

#[derive(Default)]
struct Seen {
    percent: u64,
    arrived: u64,
    disorder: u64,
    /// The last id of each user.
    last: Vec<u64>,
}

fn header<'a>(head: &'a [u8], name: &str) -> &'a str {
    let text = std::str::from_utf8(head).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.strip_prefix(": ")).unwrap_or_default()
}

/// A number that looks like chance, and is the same again.
fn mixed(id: u64) -> u64 {
    let id = (id ^ id >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let id = (id ^ id >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^ id >> 31
}

impl Seen {
    /// Whether it is taken.
    fn takes(&mut self, head: &[u8]) -> bool {
        let id: u64 = header(head, "x-wxgate-event-id").parse().expect("an id");
        let is_first = header(head, "x-wxgate-attempt") == "1";
        if is_first && mixed(id) % 100 < self.percent {
            return false;
        }
        self.arrived += 1;
        if !self.last.is_empty() {
            let users = self.last.len() as u64;
            let last = &mut self.last[(id % users) as usize];
            self.disorder += u64::from(id < *last);
            *last = id.max(*last);
        }
        true
    }
}

async fn receive(mut stream: TcpStream, seen: Rc<RefCell<Seen>>) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(4096);
    while let Some(head) = wire::read(&mut stream, &mut request).await? {
        if request.starts_with(b"GET ") {
            let body = match &*seen.borrow() {
                seen if seen.last.is_empty() => seen.arrived.to_string(),
                seen => format!("[{}, {}]", seen.arrived, seen.disorder),
            };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await?;
            continue;
        }
        let status = if seen.borrow_mut().takes(&request[..head]) { "200 OK" } else { "500 No" };
        stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("an address");
    let mut number = || arguments.next().map_or(0, |text| text.parse().expect("a number"));
    let (percent, users) = (number(), number());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let seen = Seen { percent, last: vec![0; users as usize], ..Seen::default() };
        let (listener, seen) = (TcpListener::bind(address).await?, Rc::new(RefCell::new(seen)));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let seen = seen.clone();
            tokio::task::spawn_local(async move { receive(stream, seen).await });
        }
    })
}
