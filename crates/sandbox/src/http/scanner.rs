//! The part of the page where a user scans a code.

use super::home::escape;
use super::worlds::Below;
use crate::world::{User, World};
use serde_json::json;

/// Codes to choose from.
const SHOWN: usize = 20;

/// A user, a code, and a button; what the account answered is shown below.
pub(super) fn render(
    world: &World,
    below: &Below,
    say: impl Fn(&'static str, &'static str) -> &'static str,
) -> String {
    let user = |user: &User| {
        let openids = escape(&json!(user.openids).to_string());
        format!("<option data-openids=\"{openids}\">{}", escape(&user.nickname))
    };
    let users: String = world.users.all.iter().map(user).collect();
    let codes: String = world
        .qr
        .latest(SHOWN)
        .into_iter()
        .map(|code| {
            let (ticket, appid) = (escape(&code.ticket), escape(&code.appid));
            let scene = escape(&code.scene.to_string());
            format!("<option value=\"{ticket}\" data-appid=\"{appid}\">{scene} · {appid}")
        })
        .collect();
    let none = say(
        "还没有二维码：先建一个（如 getwxqrcode），再刷新本页",
        "no code yet: make one, as by getwxqrcode, and reload",
    );
    let codes = if codes.is_empty() { format!("<option value=\"\">{none}") } else { codes };
    format!(
        "<h2>{}</h2><form id=\"scan\" data-control=\"{}\"><select name=\"user\" aria-label=\"{}\">{users}</select> \
         <select name=\"code\" aria-label=\"{}\">{codes}</select> <button>{}</button> \
         <button type=\"button\" name=\"more\">{}</button></form><pre id=\"said\" aria-live=\"polite\"></pre>\
         <script>{SCRIPT}</script>",
        say("扫码", "Scan a code"),
        below.link("/sandbox/"),
        say("用户", "user"),
        say("二维码，新的在前", "code, newest first"),
        say("扫码", "Scan"),
        say("新增用户", "Another user"),
    )
}

const SCRIPT: &str = r"
const scan = document.getElementById('scan'), said = document.getElementById('said');
const control = async (name, body) => {
  const answer = await fetch(scan.dataset.control + name, {method: 'POST', body: JSON.stringify(body)});
  return answer.json();
};
scan.addEventListener('submit', async event => {
  event.preventDefault();
  const user = scan.user.selectedOptions[0], code = scan.code.selectedOptions[0];
  const openid = JSON.parse(user.dataset.openids)[code.dataset.appid];
  const answer = await control('scan', {ticket: code.value, openid});
  said.textContent = answer.error || answer.pushes.flatMap(push =>
    push.attempts.map(attempt => push.url + ' → ' + attempt.status + ' ' + attempt.body)).join('\n') || '–';
});
scan.more.addEventListener('click', async () => { await control('users', {}); location.reload(); });
";
