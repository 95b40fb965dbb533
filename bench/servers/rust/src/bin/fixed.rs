//! Bare hyper that answers everything with the same bytes: the limit of a token read. `fixed ADDRESS FILE`
use bytes::Bytes;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let body = Bytes::from(std::fs::read(&arguments[2])?);
    yardsticks::serve(arguments[1].parse().expect("an address"), move |_| yardsticks::json(body.clone()))
}
