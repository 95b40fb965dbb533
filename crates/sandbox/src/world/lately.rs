//! What happened lately: the newest of it, of which there are never more than so many, nor more than so many bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::VecDeque;

/// What a value takes besides its texts, about.
pub(crate) const OVERHEAD: usize = 64;

/// Something whose memory is counted.
pub(crate) trait Weighs {
    /// About how many bytes it takes.
    fn weight(&self) -> usize;
}

impl Weighs for Value {
    fn weight(&self) -> usize {
        let inner = match self {
            Self::String(text) => text.len(),
            Self::Array(list) => list.iter().map(Weighs::weight).sum(),
            Self::Object(members) => members.iter().map(|(name, value)| name.len() + value.weight()).sum(),
            _ => 0,
        };
        OVERHEAD / 2 + inner
    }
}

/// The newest of what happened, the oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Lately<T> {
    kept: VecDeque<T>,
    bytes: usize,
}

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Self { kept: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Serialize> Serialize for Lately<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.kept.serialize(serializer)
    }
}

impl<'de, T: Weighs + Deserialize<'de>> Deserialize<'de> for Lately<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = VecDeque::<T>::deserialize(deserializer)?;
        Ok(Self { bytes: kept.iter().map(Weighs::weight).sum(), kept })
    }
}

impl<T: Weighs> Lately<T> {
    /// One more; the oldest make room until there are at most `most`, of at most `most_bytes`. The newest stays, however
    /// much it takes.
    pub(crate) fn add(&mut self, one: T, most: usize, most_bytes: usize) {
        self.bytes += one.weight();
        self.kept.push_back(one);
        while (self.kept.len() > most || self.bytes > most_bytes) && self.kept.len() > 1 {
            self.drop_oldest();
        }
    }

    pub(crate) fn drop_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.bytes = self.bytes.saturating_sub(oldest.weight());
        }
    }
}

impl<T> Lately<T> {
    /// About how many bytes they take together.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn iter(&self) -> std::collections::vec_deque::Iter<'_, T> {
        self.kept.iter()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The beginning of a text, of at most so many bytes.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_oldest_make_room_by_number_and_by_bytes() {
        let mut lately = Lately::default();
        let of = |lately: &Lately<Value>| -> Vec<usize> {
            lately.iter().map(|one| one.as_str().unwrap_or_default().len()).collect()
        };
        for length in [1, 2, 3] {
            lately.add(json!("x".repeat(length)), 2, 1_000);
        }
        assert_eq!(of(&lately), [2, 3]);
        lately.add(json!("x".repeat(940)), 2, 1_000);
        assert_eq!(of(&lately), [940], "3 and 940 take more than 1,000 bytes");
        lately.add(json!("x".repeat(2_000)), 2, 1_000);
        assert_eq!((of(&lately), lately.bytes()), (vec![2_000], 2_032), "the newest stays");
        let kept: Lately<Value> = serde_json::from_value(json!(lately)).unwrap_or_default();
        assert_eq!((of(&kept), kept.bytes()), (vec![2_000], 2_032));
        lately.clear();
        assert_eq!((lately.len(), lately.bytes()), (0, 0));
    }

    #[test]
    fn what_json_takes() {
        assert_eq!(json!({"ab": ["c", 1]}).weight(), 32 + 2 + 32 + 33 + 32);
        assert_eq!((cut("中文", 4), cut("a", 4)), ("中", "a"));
    }
}
