//! Who may look at the admin side and change what it shows: users, their passwords and sessions, and the code that makes the
//! first of them. All of it is kept as documents, so every node knows it and the book says who logged in.

mod passwords;
mod setup;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::lang::Words;
use crate::parts::Parts;
use crate::store::{Audit, Document, DocumentChange, Shelf};
use crate::stored;
use crate::text::hex;

/// A session ends after so long.
const SESSION_MS: i64 = 12 * 3600 * 1000;
/// Sessions of one user; the oldest ends.
const SESSIONS: usize = 20;
/// Passwords that are checked or wait for it at once, from wherever: a second's work.
const WAITING: usize = 16;
/// Users.
const MOST: usize = 200;
/// Who is made first.
pub const FIRST: &str = "admin";
/// Somebody else may change the same user at that moment: it is tried so often.
const TRIES: u32 = 5;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Look and change.
    Admin,
    /// Look, but at nobody's messages.
    Viewer,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::Viewer].into_iter().find(|role| role.as_str() == text)
    }
}

/// Somebody who has logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// The user.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// Goes with every change, in a header that other pages can't send.
    pub csrf: String,
    /// Unix milliseconds.
    pub expires_at: i64,
}

/// A user as people see him.
#[derive(Clone, Debug)]
pub struct User {
    /// His name.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub last_login_at: Option<i64>,
}

/// Why something wasn't done.
#[derive(Clone, Debug)]
pub enum Refused {
    /// Name, password or code is wrong.
    Wrong,
    /// There is no such user.
    Missing,
    /// What is asked for can't be.
    Rule(Words),
    /// The store didn't take it.
    Store,
    /// Too many passwords are being checked.
    Busy,
}

/// What a change leaves of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    User,
    Nobody,
}

/// Who does something, and from where.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The user's name, or `token`.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// Where from.
    pub ip: IpAddr,
}

impl Actor {
    /// A line of the book about what he does at `now`.
    pub fn line(&self, now: i64, action: &str, target: String, before: Value, after: Value) -> Audit {
        Audit {
            id: 0,
            at: now,
            actor: self.name.clone(),
            role: self.role.as_str().to_owned(),
            ip: self.ip.to_canonical().to_string(),
            action: action.to_owned(),
            target,
            before,
            after,
        }
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct People {
    parts: Parts,
    /// A password takes 19 MiB and some tens of milliseconds to check.
    hashing: Arc<Semaphore>,
    /// Passwords that are checked or wait for it.
    waiting: Arc<Semaphore>,
    links: Arc<setup::Links>,
    /// Where the setup code stands.
    file: Arc<Path>,
}

impl People {
    /// Over what the store keeps; the setup code is written to `run_dir`.
    pub fn new(parts: Parts, run_dir: &Path) -> Self {
        let file = run_dir.join(setup::FILE).into();
        Self {
            parts,
            hashing: Arc::new(Semaphore::new(1)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            links: Arc::default(),
            file,
        }
    }

    fn documents(&self, shelf: Shelf) -> Vec<Document> {
        self.parts.registry.documents.load().iter().filter(|one| one.shelf == shelf).cloned().collect()
    }

    fn found(&self, name: &str) -> Option<Document> {
        let all = self.parts.registry.documents.load();
        all.iter().find(|one| one.shelf == Shelf::Users && one.name == name).cloned()
    }

    /// Whether nobody can log in yet.
    pub fn is_empty(&self) -> bool {
        !self.parts.registry.documents.load().iter().any(|one| one.shelf == Shelf::Users)
    }

    /// Everybody.
    pub fn all(&self) -> Vec<User> {
        self.documents(Shelf::Users).iter().map(shown).collect()
    }

    /// Whose session it is that shows `token`.
    pub fn session(&self, token: &str) -> Option<Session> {
        let digest = digest(token);
        let now = self.parts.clock.now();
        let all = self.parts.registry.documents.load();
        all.iter().filter(|one| one.shelf == Shelf::Users).find_map(|user| {
            let session = sessions(user).iter().find(|one| one["digest"] == *digest)?;
            let expires_at = session["expires_at"].as_i64().filter(|at| *at > now)?;
            Some(Session { name: user.name.clone(), role: role(user), csrf: csrf(token), expires_at })
        })
    }

    /// Opens a session for whoever knows the password; its token goes into a cookie.
    pub async fn log_in(&self, name: &str, password: &str, ip: IpAddr) -> Result<(String, Session), Refused> {
        let user = self.found(name);
        let kept = user.as_ref().and_then(|user| user.members.get("password")?.as_str()).map(str::to_owned);
        let fits = self.verified(password, kept.clone()).await?;
        if user.is_none() || !fits {
            return Err(Refused::Wrong);
        }
        self.open(name, ip, kept.as_deref()).await
    }

    /// Opens a session for a user, whose password is to be this one still.
    async fn open(
        &self,
        name: &str,
        ip: IpAddr,
        password: Option<&str>,
    ) -> Result<(String, Session), Refused> {
        let user = self.found(name).ok_or(Refused::Wrong)?;
        let actor = Actor { name: name.to_owned(), role: role(&user), ip };
        let token = hex(&self.parts.random.bytes::<32>());
        let now = self.parts.clock.now();
        let expires_at = now + SESSION_MS;
        let line = actor.line(now, "login", target(name), Value::Null, Value::Null);
        let kept = digest(&token);
        self.change(name, line, |user| {
            let is_another =
                |password| user.members.get("password").and_then(Value::as_str) != Some(password);
            if password.is_some_and(is_another) {
                return Err(Refused::Wrong);
            }
            let mut open: Vec<Value> = sessions(user).to_vec();
            open.retain(|one| one["expires_at"].as_i64().is_some_and(|at| at > now));
            open.push(json!({"digest": kept, "expires_at": expires_at}));
            let over = open.len().saturating_sub(SESSIONS);
            open.drain(..over);
            user.members.insert("sessions".to_owned(), open.into());
            user.members.insert("last_login_at".to_owned(), now.into());
            Ok(Left::User)
        })
        .await?;
        let session = self.session(&token).ok_or(Refused::Store)?;
        Ok((token, session))
    }

    /// Ends a session, or all of its user's.
    pub async fn log_out(&self, token: &str, all: bool, actor: &Actor) -> Result<(), Refused> {
        let Some(session) = self.session(token) else { return Ok(()) };
        let kept = digest(token);
        let line =
            actor.line(self.parts.clock.now(), "logout", target(&session.name), Value::Null, Value::Null);
        self.change(&session.name, line, |user| {
            let left: Vec<Value> =
                sessions(user).iter().filter(|one| !all && one["digest"] != *kept).cloned().collect();
            user.members.insert("sessions".to_owned(), left.into());
            Ok(Left::User)
        })
        .await
    }

    /// Makes a user.
    pub async fn add(&self, name: &str, role: &str, password: &str, actor: &Actor) -> Result<User, Refused> {
        let role = Role::parse(role).ok_or(Refused::Rule(NO_SUCH_ROLE))?;
        if !is_name(name) {
            return Err(Refused::Rule(NO_NAME));
        }
        if self.documents(Shelf::Users).len() >= MOST {
            return Err(Refused::Rule(Words::fixed("最多 200 个用户", "200 users at most")));
        }
        let hashed = self.hashed(password).await?;
        let now = self.parts.clock.now();
        let members = json!({"role": role.as_str(), "password": hashed, "created_at": now});
        let line = actor.line(now, "create", target(name), Value::Null, json!({"role": role.as_str()}));
        let members = members.as_object().cloned();
        let change = DocumentChange { shelf: Shelf::Users, name: name.to_owned(), expected: 0, members };
        if !self.store(vec![change], vec![line]).await? {
            return Err(Refused::Rule(Words::fixed("已有同名用户", "there is a user of that name")));
        }
        self.found(name).as_ref().map(shown).ok_or(Refused::Store)
    }

    /// Gives a user another role or password, which ends his sessions but that of the token `kept`.
    pub async fn edit(
        &self,
        name: &str,
        (new_role, password): (Option<&str>, Option<&str>),
        kept: Option<&str>,
        actor: &Actor,
    ) -> Result<User, Refused> {
        let had = self.found(name).ok_or(Refused::Missing)?;
        let new_role = match new_role {
            Some(text) => Some(Role::parse(text).ok_or(Refused::Rule(NO_SUCH_ROLE))?),
            None => None,
        };
        let hashed = match password {
            Some(password) => Some(self.hashed(password).await?),
            None => None,
        };
        let kept = kept.map(digest);
        let before = json!({"role": role(&had).as_str()});
        let after =
            json!({"role": new_role.unwrap_or(role(&had)).as_str(), "password_changed": hashed.is_some()});
        let line = actor.line(self.parts.clock.now(), "update", target(name), before, after);
        self.change(name, line, |user| {
            if let Some(role) = new_role {
                user.members.insert("role".to_owned(), role.as_str().into());
            }
            if let Some(hashed) = &hashed {
                user.members.insert("password".to_owned(), hashed.clone().into());
                let is_kept = |one: &&Value| kept.as_ref().is_some_and(|kept| one["digest"] == **kept);
                let left: Vec<Value> = sessions(user).iter().filter(is_kept).cloned().collect();
                user.members.insert("sessions".to_owned(), left.into());
            }
            Ok(Left::User)
        })
        .await?;
        self.found(name).as_ref().map(shown).ok_or(Refused::Store)
    }

    /// Ends a user and his sessions.
    pub async fn remove(&self, name: &str, actor: &Actor) -> Result<(), Refused> {
        let had = self.found(name).ok_or(Refused::Missing)?;
        let before = json!({"role": role(&had).as_str()});
        let line = actor.line(self.parts.clock.now(), "delete", target(name), before, Value::Null);
        self.change(name, line, |_| Ok(Left::Nobody)).await
    }

    /// Whether `password` is this user's.
    pub async fn knows(&self, name: &str, password: &str) -> Result<bool, Refused> {
        let kept =
            self.found(name).and_then(|user| user.members.get("password")?.as_str().map(str::to_owned));
        self.verified(password, kept).await
    }

    /// Changes a user who may be changed by somebody else at that moment.
    async fn change(
        &self,
        name: &str,
        line: Audit,
        change: impl Fn(&mut Document) -> Result<Left, Refused>,
    ) -> Result<(), Refused> {
        for _ in 0..TRIES {
            let had = self.found(name).ok_or(Refused::Missing)?;
            let mut user = had.clone();
            let left = change(&mut user)?;
            let is_admin_no_more = left == Left::Nobody || role(&user) != Role::Admin;
            let members = (left == Left::User).then_some(user.members);
            let mut changes = vec![replaced(&had, members)];
            if role(&had) == Role::Admin && is_admin_no_more {
                // Another admin is held on to, who might be about to go as well.
                let is_other = |one: &Document| one.name != name && role(one) == Role::Admin;
                let other = self.documents(Shelf::Users).into_iter().find(is_other);
                let other = other.ok_or(Refused::Rule(LAST_ADMIN))?;
                changes.push(replaced(&other, Some(other.members.clone())));
                // In one order, so that nobody waits for each other.
                changes.sort_by(|one, other| one.name.cmp(&other.name));
            }
            if self.store(changes, vec![line.clone()]).await? {
                return Ok(());
            }
            stored::load(&self.parts).await.map_err(|_| Refused::Store)?;
        }
        Err(Refused::Store)
    }

    async fn store(&self, changes: Vec<DocumentChange>, book: Vec<Audit>) -> Result<bool, Refused> {
        match stored::change_documents(&self.parts, changes, book).await {
            Ok(changed) => Ok(changed.is_some()),
            Err(error) => {
                tracing::error!(
                    %error, "{}",
                    crate::lang::say("用户存不进数据库", "a user can't be written to the database")
                );
                Err(Refused::Store)
            }
        }
    }
}

const NO_SUCH_ROLE: Words = Words::fixed("role 只能是 admin 或 viewer", "role must be admin or viewer");
const NO_NAME: Words = Words::fixed(
    "用户名是 1 到 64 个字母、数字、. _ - @，不能是 token、wxgate、. 或 ..",
    "a user's name is 1 to 64 letters, digits and . _ - @, and none of token, wxgate, . and ..",
);
const LAST_ADMIN: Words =
    Words::fixed("这是最后一个 admin：先另建一个", "this is the last admin: make another first");

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
    (1..=64).contains(&name.len())
        && name.chars().all(fits)
        && !["token", "wxgate", ".", ".."].contains(&name)
}

fn replaced(had: &Document, members: Option<Map<String, Value>>) -> DocumentChange {
    DocumentChange { shelf: had.shelf, name: had.name.clone(), expected: had.revision, members }
}

fn target(name: &str) -> String {
    format!("users/{name}")
}

fn role(user: &Document) -> Role {
    user.members.get("role").and_then(Value::as_str).and_then(Role::parse).unwrap_or(Role::Viewer)
}

fn sessions(user: &Document) -> &[Value] {
    user.members.get("sessions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn shown(user: &Document) -> User {
    let number = |key: &str| user.members.get(key).and_then(Value::as_i64);
    User {
        name: user.name.clone(),
        role: role(user),
        created_at: number("created_at").unwrap_or(user.changed_at),
        last_login_at: number("last_login_at"),
    }
}

fn digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

fn csrf(token: &str) -> String {
    hex(&Sha256::digest(["csrf", token].concat().as_bytes())[..16])
}
