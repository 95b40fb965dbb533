//! What is remembered under a name, the newest of it: codes, tokens, links and the like, of which there must not be ever more.

use super::lately::{OVERHEAD, Weighs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Bytes of all values of a kind; the oldest are forgotten.
const MAX_BYTES: usize = 64 << 20;

/// Values by name, and the order in which they came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Kept<V>", bound(deserialize = "V: Weighs + Deserialize<'de>"))]
pub(crate) struct Newest<V> {
    known: BTreeMap<String, V>,
    order: VecDeque<String>,
    #[serde(skip)]
    bytes: usize,
}

/// As it is written.
#[derive(Deserialize)]
struct Kept<V> {
    known: BTreeMap<String, V>,
    order: VecDeque<String>,
}

impl<V: Weighs> From<Kept<V>> for Newest<V> {
    fn from(Kept { known, order }: Kept<V>) -> Self {
        let bytes = known.iter().map(|(name, value)| weight(name, value)).sum();
        Self { known, order, bytes }
    }
}

/// A value's weight, its name's included, which stands there twice.
fn weight(name: &str, value: &impl Weighs) -> usize {
    OVERHEAD + 2 * name.len() + value.weight()
}

impl<V> Default for Newest<V> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), order: VecDeque::new(), bytes: 0 }
    }
}

impl<V: Weighs> Newest<V> {
    /// Remembers `value`, in the place of one of that name; beyond `most`, and beyond the bytes there may be, the oldest
    /// are forgotten, and given back.
    pub(crate) fn keep(&mut self, name: String, value: V, most: usize) -> Vec<V> {
        self.bytes += weight(&name, &value);
        match self.known.insert(name.clone(), value) {
            Some(old) => self.bytes = self.bytes.saturating_sub(weight(&name, &old)),
            None => self.order.push_back(name),
        }
        let mut forgotten = Vec::new();
        while (self.order.len() > most || self.bytes > MAX_BYTES)
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            let value = self.known.remove(&oldest);
            self.bytes = self.bytes.saturating_sub(value.as_ref().map_or(0, |value| weight(&oldest, value)));
            forgotten.extend(value);
        }
        forgotten
    }
}

impl<V> Newest<V> {
    /// About how many bytes they take.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.known.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.known.get_mut(name)
    }

    /// The oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.order.iter().filter_map(|name| self.known.get(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_oldest_is_forgotten() {
        let mut newest = Newest::default();
        let mut keep = |name: &str, value: u8| newest.keep(name.to_owned(), json!(value), 2);
        assert!([keep("a", 1), keep("b", 2), keep("a", 3)].iter().all(Vec::is_empty));
        assert_eq!(keep("c", 4), [json!(3)]);
        assert_eq!(
            (newest.get("a"), newest.iter().cloned().collect::<Vec<_>>()),
            (None, vec![json!(2), json!(4)])
        );
    }

    #[test]
    fn large_values_make_room_as_well() {
        let mut newest = Newest::default();
        for name in ["a", "b", "c", "d"] {
            newest.keep(name.to_owned(), json!("x".repeat(20 << 20)), 1_000);
        }
        assert_eq!((newest.iter().count(), newest.get("a")), (3, None));
        let bytes = newest.bytes();
        newest.keep("d".to_owned(), json!("x".repeat(20 << 20)), 1_000);
        assert_eq!(newest.bytes(), bytes, "in the place of the old one");
        let kept: Newest<Value> = serde_json::from_value(json!(newest)).unwrap_or_default();
        assert_eq!((kept.bytes(), kept.iter().count()), (bytes, 3));
    }
}
