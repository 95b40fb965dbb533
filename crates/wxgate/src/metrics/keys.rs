//! What counters go by: in numbers, as they are counted, and in names, as they are told.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::Arc;

/// A name that counters go by, numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u32);

impl Id {
    /// Nobody's, or nobody knows whose: `-`.
    pub const NONE: Self = Self(0);
    /// One that isn't told apart: `other`.
    pub const OTHER: Self = Self(1);
}

/// A path of the catalogue, one of our own, or `other`: a constant, which its address tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path(pub(super) &'static str);

impl Path {
    fn place(self) -> (usize, usize) {
        (self.0.as_ptr() as usize, self.0.len())
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Path {}

impl std::hash::Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.place().0);
    }
}

/// A name where there is none.
pub const NOBODY: &str = "-";
/// What is called where nobody tells it apart.
pub const OTHER: &str = "other";

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Called {
    /// As its caller wished.
    Ok,
    /// WeChat refused, or gave no usable answer.
    Failed,
    /// wxgate said no.
    Refused,
    /// Something of ours broke.
    Broken,
}

/// What became of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// It was kept.
    Received,
    /// It had been.
    Duplicate,
    /// It is no message of WeChat's.
    Refused,
    /// It couldn't be kept.
    Failed,
}

/// How an attempt to deliver went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// It arrived.
    Delivered,
    /// There will be another.
    Retried,
    /// There won't.
    Dead,
}

/// What a call to WeChat is counted by where no answer of its API came.
pub const LOST: i64 = i64::MIN;
/// What stands for several codes other than 0.
pub const SEVERAL: i64 = i64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Calls(Id, Id, Called),
    Api(Id, Path, i64),
    Callbacks(Id, Received),
    Deliveries(Id, Sent),
    Refreshes(Id, bool),
    Upstream(Id, Path, i64),
}

impl Key {
    /// The same among those that aren't told apart.
    pub(super) fn gathered(self) -> Self {
        match self {
            Self::Calls(_, _, end) => Self::Calls(Id::OTHER, Id::OTHER, end),
            Self::Api(_, _, code) => Self::Api(Id::OTHER, Path(OTHER), gathered(code)),
            Self::Callbacks(_, end) => Self::Callbacks(Id::OTHER, end),
            Self::Deliveries(_, end) => Self::Deliveries(Id::OTHER, end),
            Self::Refreshes(_, well) => Self::Refreshes(Id::OTHER, well),
            Self::Upstream(_, _, code) => Self::Upstream(Id::OTHER, Path(OTHER), gathered(code)),
        }
    }
}

fn gathered(code: i64) -> i64 {
    if code == 0 { 0 } else { SEVERAL }
}

/// A counter for people: what it counts, by which names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// Calls: app, caller, how they ended.
    Calls(Arc<str>, Arc<str>, &'static str),
    /// What calls were answered: app, path, code.
    Api(Arc<str>, &'static str, i64),
    /// Callbacks: app, what became of them.
    Callbacks(Arc<str>, &'static str),
    /// Attempts to deliver: route, how they went.
    Deliveries(Arc<str>, &'static str),
    /// Fetches of access_tokens: app, how they went.
    Refreshes(Arc<str>, &'static str),
    /// Calls to WeChat: app, path, what it said.
    Upstream(Arc<str>, &'static str, i64),
}

/// Numbers, hashed: nobody chooses them.
#[derive(Default)]
pub(super) struct Quick(u64);

impl Quick {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        // A table looks at both ends.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.add(u64::from(*byte)));
    }

    fn write_u32(&mut self, n: u32) {
        self.add(u64::from(n));
    }

    fn write_i64(&mut self, n: i64) {
        self.add(n.cast_unsigned());
    }

    fn write_usize(&mut self, n: usize) {
        self.add(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.add(n.cast_unsigned() as u64);
    }
}

#[derive(Debug)]
pub(super) struct Names {
    pub(super) texts: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, Id>,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self { texts: Vec::new(), ids: HashMap::new() };
        names.id(NOBODY);
        names.id(OTHER);
        names
    }
}

impl Names {
    pub(super) fn id(&mut self, name: &str) -> Id {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let Ok(next) = u32::try_from(self.texts.len()) else { return Id::OTHER };
        let text: Arc<str> = name.into();
        self.texts.push(text.clone());
        self.ids.insert(text, Id(next));
        Id(next)
    }
}

/// For people; `texts` are the names by their numbers.
pub(super) fn name_of(key: Key, texts: &[Arc<str>]) -> Name {
    let text = |id: Id| texts[id.0 as usize].clone();
    match key {
        Key::Calls(app, caller, end) => Name::Calls(text(app), text(caller), end.as_str()),
        Key::Api(app, api, errcode) => Name::Api(text(app), api.0, errcode),
        Key::Callbacks(app, end) => Name::Callbacks(text(app), end.as_str()),
        Key::Deliveries(route, end) => Name::Deliveries(text(route), end.as_str()),
        Key::Refreshes(app, well) => Name::Refreshes(text(app), if well { "ok" } else { "failed" }),
        Key::Upstream(app, api, errcode) => Name::Upstream(text(app), api.0, errcode),
    }
}

impl Called {
    /// For labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }
}

impl Received {
    /// For labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Sent {
    /// For labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::Dead => "dead",
        }
    }
}
