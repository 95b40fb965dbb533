//! How the first user comes in: by `WXGATE_ADMIN_PASSWORD`, or by a code for one use within an hour, which stands in the log and
//! in a file that only the process's own user reads. And links that are logged in, for whoever runs the process.
//!
//! The store keeps the code's digest and when it was made; the code itself follows from that under the master key, so that each
//! node can write it down while it is good.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::{Actor, FIRST, People, Refused, Role, Session, digest, target};
use crate::entries::Secret;
use crate::lang::{Words, say};
use crate::random::drawn_from;
use crate::store::{DocumentChange, Shelf};

/// Its name in `store.run_dir`.
pub(super) const FILE: &str = "setup-code";
/// A code is good for so long.
const CODE_MS: i64 = 3600 * 1000;
/// Its only document.
const NAME: &str = "code";
/// Without letters and digits that look alike.
const ALPHABET: &[u8] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// A link is good for so long.
const LINK_MS: i64 = 24 * 3600 * 1000;

/// Links that are logged in: digest, and until when.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<Vec<(String, i64)>>);

impl People {
    /// Makes sure that somebody can come in: the first user, if his password is given, else the code, as long as there is no user.
    pub async fn begin(&self, password: Option<&Secret>) -> anyhow::Result<()> {
        let here = self.here();
        if let Some(password) = password {
            let password = password.expose_secret();
            let done = if self.found(FIRST).is_none() {
                self.add(FIRST, Role::Admin.as_str(), password, &here).await.map(drop)
            } else if matches!(self.knows(FIRST, password).await, Ok(true)) {
                Ok(())
            } else {
                self.edit(FIRST, (Some(Role::Admin.as_str()), Some(password)), None, &here).await.map(drop)
            };
            match done {
                Ok(()) => {}
                Err(Refused::Rule(words)) => anyhow::bail!("WXGATE_ADMIN_PASSWORD: {words}"),
                Err(_) if !self.is_empty() => {}
                Err(_) => anyhow::bail!(say("存不下第一个用户", "the first user can't be stored")),
            }
        }
        if !self.is_empty() {
            let _ = std::fs::remove_file(&self.file);
            return Ok(());
        }
        let Some(code) = self.code().await else { return Ok(()) };
        write(&self.file, &code);
        let file = self.file.display().to_string();
        tracing::warn!(
            code,
            file,
            "{}",
            say(
                "控制台还没有用户：打开管理端口的 /setup，用这个设置码建第一个（一小时内有效，只能用一次）",
                "the console has no user yet: open /setup on the admin port and make the first with this code (good for an hour, once)",
            )
        );
        Ok(())
    }

    /// This process, where it does something by itself.
    fn here(&self) -> Actor {
        Actor { name: "wxgate".to_owned(), role: Role::Admin, ip: Ipv4Addr::LOCALHOST.into() }
    }

    /// The code that is good now; a new one is made if there is none.
    async fn code(&self) -> Option<String> {
        let now = self.parts.clock.now();
        let kept = self.documents(Shelf::Setup).into_iter().find(|one| one.name == NAME);
        if let Some(at) = kept.as_ref().and_then(|kept| kept.members.get("issued_at")?.as_i64())
            && now - at < CODE_MS
            && at <= now
        {
            return Some(self.code_of(at));
        }
        let code = self.code_of(now);
        let members = json!({"issued_at": now, "digest": digest(&code)}).as_object().cloned();
        let expected = kept.map_or(0, |kept| kept.revision);
        let change = DocumentChange { shelf: Shelf::Setup, name: NAME.to_owned(), expected, members };
        match self.store(vec![change], Vec::new()).await {
            Ok(true) => Some(code),
            // Another node made it at this moment.
            _ => {
                crate::stored::load(&self.parts).await.ok()?;
                let at = self.documents(Shelf::Setup).first()?.members.get("issued_at")?.as_i64()?;
                Some(self.code_of(at))
            }
        }
    }

    fn code_of(&self, issued_at: i64) -> String {
        let mac = self.parts.keys.mac(&[b"setup-code", &issued_at.to_be_bytes()]);
        let letters = |at: usize| {
            let seed = mac[at..at + 8].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
            let drawn: [u8; 6] = drawn_from(seed, ALPHABET);
            String::from_utf8_lossy(&drawn).into_owned()
        };
        format!("{}-{}", letters(0), letters(8))
    }

    /// Makes the first user for whoever knows the code, which is spent.
    pub async fn set_up(&self, code: &str, password: &str, ip: IpAddr) -> Result<(String, Session), Refused> {
        if !self.is_empty() {
            return Err(Refused::Missing);
        }
        let kept = self.documents(Shelf::Setup).into_iter().find(|one| one.name == NAME);
        let kept = kept.ok_or(Refused::Wrong)?;
        let member = |key: &str| kept.members.get(key).cloned().unwrap_or_default();
        let now = self.parts.clock.now();
        let shown = digest(&code.trim().to_ascii_uppercase());
        let fits =
            member("digest").as_str().is_some_and(|kept| bool::from(kept.as_bytes().ct_eq(shown.as_bytes())));
        if !fits {
            return Err(Refused::Wrong);
        }
        if member("issued_at").as_i64().is_none_or(|at| now - at >= CODE_MS) {
            return Err(Refused::Rule(Words::fixed(
                "设置码已过期：重启 wxgate，会有新的",
                "the code is over: restart wxgate for another",
            )));
        }
        let role = Role::Admin.as_str();
        let members = json!({"role": role, "password": self.hashed(password).await?, "created_at": now});
        let changes = vec![
            DocumentChange {
                shelf: Shelf::Users,
                name: FIRST.to_owned(),
                expected: 0,
                members: members.as_object().cloned(),
            },
            DocumentChange {
                shelf: Shelf::Setup,
                name: NAME.to_owned(),
                expected: kept.revision,
                members: None,
            },
        ];
        let actor = Actor { name: FIRST.to_owned(), role: Role::Admin, ip };
        let line = actor.line(now, "setup", target(FIRST), Value::Null, json!({"role": role}));
        if !self.store(changes, vec![line]).await? {
            return Err(Refused::Missing);
        }
        let _ = std::fs::remove_file(&self.file);
        self.open(FIRST, ip, None).await
    }

    /// What is shown instead of a password, once, to be logged in as the first user.
    pub fn link(&self) -> String {
        let token: String = crate::text::hex(&self.parts.random.bytes::<16>());
        let until = self.parts.clock.now() + LINK_MS;
        self.links.0.lock().unwrap_or_else(PoisonError::into_inner).push((digest(&token), until));
        token
    }

    /// Opens a session for whoever shows what [`Self::link`] gave.
    pub async fn enter(&self, once: &str, ip: IpAddr) -> Result<(String, Session), Refused> {
        let (shown, now) = (digest(once), self.parts.clock.now());
        {
            let mut links = self.links.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = links.iter().position(|(link, until)| *link == shown && *until > now);
            links.swap_remove(at.ok_or(Refused::Wrong)?);
        }
        self.open(FIRST, ip, None).await
    }
}

/// For the process's own user alone.
fn write(file: &Path, code: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = std::fs::remove_file(file);
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(format!("{code}\n").as_bytes()));
    if let Err(error) = written {
        let file = file.display().to_string();
        tracing::warn!(file, %error, "{}", say("设置码写不进文件，只在日志里", "the setup code can't be written to its file: it is in the log alone"));
    }
}
