//! A count with its latencies, as classes that double: what several minutes and nodes counted can be added, and still tells
//! percentiles.

use std::time::Duration;

/// Classes of latency; the last has no upper bound.
pub const CLASSES: usize = 12;
/// The first ends at so many milliseconds, each further one at twice as many.
const FIRST_MS: u64 = 4;
/// Where the last is taken to end, for percentiles: whoever is asked gets little longer.
const LAST_MS: f64 = 16_384.0;

/// Where a class ends, in milliseconds; `None`: nowhere.
pub fn bound_of(class: usize) -> Option<u64> {
    (class + 1 < CLASSES).then(|| FIRST_MS << class)
}

/// How many, how many milliseconds in all, and how many of each class of latency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub n: u64,
    /// How many of them didn't go well; the counters leave it to their name.
    pub bad: u64,
    /// Milliseconds in all.
    pub ms: u64,
    /// By class of latency; all 0: it wasn't measured.
    pub hist: [u64; CLASSES],
}

impl Tally {
    pub(super) fn add(&mut self, took: Option<Duration>) {
        self.n += 1;
        if let Some(took) = took {
            let ms = took.as_secs() * 1000 + u64::from(took.subsec_millis());
            self.ms += ms;
            // 0 for what is under 4, 1 under 8, and so on.
            let class = (62 - (ms | 3).leading_zeros()) as usize;
            self.hist[class.min(CLASSES - 1)] += 1;
        }
    }

    /// Adds what somebody else counted of the same.
    pub fn merge(&mut self, more: &Self) {
        self.n += more.n;
        self.bad += more.bad;
        self.ms += more.ms;
        self.hist.iter_mut().zip(more.hist).for_each(|(all, more)| *all += more);
    }

    pub(super) fn without(&self, part: &Self) -> Self {
        let mut rest = self.clone();
        rest.n -= part.n;
        rest.bad -= part.bad;
        rest.ms -= part.ms;
        rest.hist.iter_mut().zip(part.hist).for_each(|(rest, part)| *rest -= part);
        rest
    }

    /// The latency that so large a share of them stays under, in milliseconds; `None`: none was measured.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let measured: u64 = self.hist.iter().sum();
        let wanted = (measured as f64 * share).max(f64::MIN_POSITIVE);
        let mut below = 0.0;
        for (class, count) in self.hist.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= wanted {
                let begin = class.checked_sub(1).and_then(bound_of).unwrap_or(0) as f64;
                let end = bound_of(class).map_or(LAST_MS, |bound| bound as f64);
                return Some(begin + (end - begin) * (wanted - below) / count);
            }
            below += count;
        }
        None
    }

    /// The classes as few bytes: each count in groups of seven bits, without the zeros at the end.
    pub fn packed(&self) -> Vec<u8> {
        let used = CLASSES - self.hist.iter().rev().take_while(|count| **count == 0).count();
        let mut bytes = Vec::with_capacity(used * 2);
        for count in &self.hist[..used] {
            let mut rest = *count;
            while rest >= 0x80 {
                bytes.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        bytes
    }

    /// The classes that [`Tally::packed`] wrote; what can't be read counts as nothing.
    pub fn unpacked(bytes: &[u8]) -> [u64; CLASSES] {
        let (mut hist, mut class, mut shift) = ([0; CLASSES], 0, 0);
        for byte in bytes {
            if class >= CLASSES || shift > 56 {
                break;
            }
            hist[class] |= u64::from(byte & 0x7f) << shift;
            (class, shift) = if byte & 0x80 == 0 { (class + 1, 0) } else { (class, shift + 7) };
        }
        hist
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ms: &[u64]) -> Tally {
        let mut tally = Tally::default();
        ms.iter().for_each(|ms| tally.add(Some(Duration::from_millis(*ms))));
        tally
    }

    #[test]
    fn classes_double() {
        for (ms, class) in [(0, 0), (3, 0), (4, 1), (7, 1), (8, 2), (4095, 10), (4096, 11), (9_000_000, 11)] {
            assert_eq!(of(&[ms]).hist[class], 1, "{ms}");
        }
        assert_eq!((bound_of(0), bound_of(10), bound_of(11)), (Some(4), Some(4096), None));
        let once = Tally { n: 1, ..Tally::default() };
        let mut unmeasured = Tally::default();
        unmeasured.add(None);
        assert_eq!((unmeasured.clone(), unmeasured.percentile(0.5)), (once, None));
    }

    #[test]
    fn percentiles_lie_within_their_class() {
        let tally = of(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 100]);
        assert_eq!(tally.percentile(0.45), Some(2.0));
        let p99 = tally.percentile(0.99).unwrap();
        assert!((64.0..=128.0).contains(&p99), "{p99}");
        assert_eq!(of(&[5000]).percentile(1.0), Some(LAST_MS));
        assert_eq!(of(&[]).percentile(0.5), None);
    }

    #[test]
    fn classes_are_packed_and_unpacked() {
        for hist in [
            [0; CLASSES],
            [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [127, 128, 0, 16_384, 0, u64::MAX >> 8, 0, 0, 0, 0, 0, 5],
        ] {
            let tally = Tally { hist, ..Tally::default() };
            assert_eq!(Tally::unpacked(&tally.packed()), hist);
        }
        assert_eq!(of(&[1, 1]).packed(), [2]);
        assert_eq!(Tally::unpacked(&[0x80; 40])[0], 0, "damaged, and no panic");
        assert_eq!(Tally::unpacked(&[1; 40]), [1; CLASSES]);
    }
}
