//! A caller's keys in their succession: whose the state is that was made under a name.
//!
//! A name alone doesn't say: two callers' names may be swapped in a reload. What was made is the name's while the key
//! shown is one it had then, or took over from one of those, as `previous_key` says.

use secrecy::ExposeSecret as _;

use crate::entries::CallerEntry;
use crate::keys::Holder;

/// Earlier keys remembered; only in this process, and what they made lives minutes.
const MOST: usize = 16;

/// The keys of one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Those of now.
    keys: Vec<Holder>,
    /// Those they took over from, the first of the line in front.
    earlier: Vec<Holder>,
}

impl Line {
    /// Of an entry; `before` is the line under its name until now, which goes on if they share a key.
    pub fn new(entry: &CallerEntry, before: Option<&Self>) -> Self {
        let shown = [&entry.key, &entry.previous_key].into_iter().flatten();
        let mut keys: Vec<Holder> =
            shown.map(|key| Holder::new(Some(key.expose_secret()), &entry.name)).collect();
        if entry.key.is_none() {
            keys.push(Holder::new(None, &entry.name));
        }
        let mut earlier = Vec::new();
        if let Some(before) = before.filter(|before| before.keys.iter().any(|key| keys.contains(key))) {
            earlier.clone_from(&before.earlier);
            let gone = before.keys.iter().filter(|key| !before.earlier.contains(key));
            earlier.extend(gone);
            if earlier.len() > MOST {
                earlier.drain(1..=earlier.len() - MOST);
            }
        }
        Self { keys, earlier }
    }

    /// Of a caller who has no key and no entry.
    pub fn keyless(name: &str) -> Self {
        Self { keys: vec![Holder::new(None, name)], earlier: Vec::new() }
    }

    /// The same for as long as the line goes on in this process.
    pub fn root(&self) -> Option<&Holder> {
        self.earlier.first().or(self.keys.first())
    }

    /// The keys of now: to be kept with what is made.
    pub fn keys(&self) -> &[Holder] {
        &self.keys
    }

    /// Whether what was made under `keys` is this line's.
    pub fn owns(&self, keys: &[Holder]) -> bool {
        keys.iter().any(|key| self.keys.contains(key) || self.earlier.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(keys: [&str; 2], before: Option<&Line>) -> Line {
        let secret = |key: &str| (!key.is_empty()).then(|| key.to_owned().into());
        let entry = CallerEntry { key: secret(keys[0]), previous_key: secret(keys[1]), ..entry() };
        Line::new(&entry, before)
    }

    fn entry() -> CallerEntry {
        CallerEntry {
            name: "shop".to_owned(),
            key: None,
            previous_key: None,
            apps: crate::rules::rights::AppPatterns::any(),
            apis: crate::rules::rights::ApiPatterns::any(),
            networks: Vec::new(),
            rate: 0,
            concurrency: 0,
            export_token: false,
            may_reply: false,
            expires_at: None,
            quotas: Vec::new(),
            origin: crate::entries::Origin::Open,
            shown: serde_json::Map::new(),
        }
    }

    #[test]
    fn a_line_goes_on_by_keys_it_shares() {
        let first = line(["a", ""], None);
        let made = first.keys().to_vec();
        assert!(first.owns(&made) && line(["a", ""], None).owns(&made), "also after a restart");
        let second = line(["b", "a"], Some(&first));
        let third = line(["b", ""], Some(&second));
        let fourth = line(["c", "b"], Some(&third));
        for later in [&second, &third, &fourth] {
            assert!(later.owns(&made), "{later:?}");
            assert_eq!(later.root(), first.root());
        }
        assert!(!first.owns(fourth.keys()), "an earlier key is no heir");
        // Another key under the same name, and back again.
        let other = line(["x", ""], Some(&fourth));
        assert!(!other.owns(&made) && other.root() != first.root());
        let back = line(["a", ""], Some(&other));
        assert!(back.owns(&made) && !back.owns(other.keys()));
        assert!(!line(["", ""], Some(&first)).owns(&made), "without a key");
    }

    #[test]
    fn a_long_line_keeps_its_root_and_its_newest() {
        let first = line(["k0", ""], None);
        let mut last = first.clone();
        for n in 1..100 {
            last = line([&format!("k{n}"), &format!("k{}", n - 1)], Some(&last));
        }
        assert_eq!((last.root(), last.earlier.len()), (first.root(), MOST));
        assert!(last.owns(line(["k90", ""], None).keys()) && !last.owns(line(["k50", ""], None).keys()));
    }
}
