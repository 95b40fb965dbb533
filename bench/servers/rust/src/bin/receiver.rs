//! A backend that takes every delivery: answers 200, and to a GET how many there were. `receiver ADDRESS`
use std::cell::Cell;
use std::rc::Rc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use yardsticks::wire;

async fn receive(mut stream: TcpStream, received: Rc<Cell<u64>>) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(4096);
    while wire::read(&mut stream, &mut request).await?.is_some() {
        if request.starts_with(b"GET ") {
            let body = received.get().to_string();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await?;
        } else {
            received.set(received.get() + 1);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
        }
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let (listener, received) = (TcpListener::bind(address).await?, Rc::new(Cell::new(0)));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let received = received.clone();
            tokio::task::spawn_local(async move { receive(stream, received).await });
        }
    })
}
