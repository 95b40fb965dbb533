//! The same GET over kept connections, at a fixed rate or as fast as it is answered, for one app or many in turn: `{app}` in
//! target and headers is filled in. `load ADDRESS SECONDS COUNT RATE CONNECTIONS APPID|@FILE TARGET [HEADER…]`
use yardsticks::load;

fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let headers: String = a[7..].iter().map(|header| format!("{header}\r\n")).collect();
    let request = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n", a[6]);
    let all: Vec<_> =
        load::apps(&a[5]).iter().map(|app| request.replace("{app}", app).into_bytes()).collect();
    let mut next = 0;
    load::run(load::Plan::parse(&a), move || {
        next = (next + 1) % all.len();
        all[next].clone()
    });
}
