//! What is remembered under a name, the newest of it: codes, tokens, links and the like, of which there must not be ever more.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Values by name, and the order in which they came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Newest<V> {
    known: BTreeMap<String, V>,
    order: VecDeque<String>,
}

impl<V> Default for Newest<V> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<V> Newest<V> {
    /// Remembers `value`, in the place of one of that name; beyond `most` the oldest is forgotten, and given back.
    pub(crate) fn keep(&mut self, name: String, value: V, most: usize) -> Option<V> {
        if self.known.insert(name.clone(), value).is_none() {
            self.order.push_back(name);
        }
        let oldest = if self.order.len() > most { self.order.pop_front() } else { None };
        self.known.remove(&oldest?)
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

    #[test]
    fn the_oldest_is_forgotten() {
        let mut newest = Newest::default();
        let mut keep = |name: &str, value: u8| newest.keep(name.to_owned(), value, 2);
        assert_eq!([keep("a", 1), keep("b", 2), keep("a", 3), keep("c", 4)], [None, None, None, Some(3)]);
        assert_eq!((newest.get("a"), newest.iter().copied().collect::<Vec<_>>()), (None, vec![2, 4]));
    }
}
