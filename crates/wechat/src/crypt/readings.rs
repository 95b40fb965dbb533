//! What else a signature over a timestamp and a nonce is good for.
//!
//! WeChat joins token, timestamp and nonce without a mark between them, sorted. Whoever sees a signed query may cut the same
//! text elsewhere: another ten digits are the timestamp then, and the rest is the nonce.

use super::sorted;

/// Digits of a time.
const TIME: usize = 10;

/// Every time with which the signature over `signed` (token, timestamp and nonce, in any order) holds, under any of
/// `tokens`: its own timestamp among them.
pub fn readings<'t>(signed: [&str; 3], tokens: impl IntoIterator<Item = &'t str>) -> Vec<i64> {
    let joined = sorted(&signed).concat();
    let mut times = Vec::new();
    for token in tokens.into_iter().filter(|token| !token.is_empty()) {
        for at in 0..=joined.len().saturating_sub(token.len()) {
            if joined.as_bytes()[at..].starts_with(token.as_bytes()) {
                read(
                    &joined.as_bytes()[..at],
                    token.as_bytes(),
                    &joined.as_bytes()[at + token.len()..],
                    &mut times,
                );
            }
        }
    }
    times.sort_unstable();
    times.dedup();
    times
}

/// The times among what stands before and behind the token.
fn read(before: &[u8], token: &[u8], behind: &[u8], times: &mut Vec<i64>) {
    let mut pair = |first: &[u8], second: &[u8]| {
        times.extend([first, second].into_iter().filter_map(time));
    };
    if !before.is_empty() && !behind.is_empty() {
        if before <= token && token <= behind {
            pair(before, behind);
        }
        return;
    }
    // Both on one side: the time is its beginning, or its end.
    let both = if before.is_empty() { behind } else { before };
    for at in [TIME, both.len().saturating_sub(TIME)] {
        let Some((first, second)) = both.split_at_checked(at) else { continue };
        let in_order = if before.is_empty() { token <= first } else { second <= token };
        if !first.is_empty() && !second.is_empty() && first <= second && in_order {
            pair(first, second);
        }
    }
}

fn time(piece: &[u8]) -> Option<i64> {
    let is_time = piece.len() == TIME && piece.iter().all(u8::is_ascii_digit);
    is_time.then(|| piece.iter().fold(0, |time, digit| time * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypt::{signature, verify};
    use proptest::prelude::*;

    #[test]
    fn the_ways_to_cut_one_text() {
        // Digits 2 to 10 of the later time are the nonce.
        assert_eq!(readings(["t", "1795305601", "895400000"], ["t"]), [1_795_305_601, 1_895_400_000]);
        assert_eq!(readings(["t", "1795305601", "695400000"], ["t"]), [1_795_305_601]);
        // The two change places.
        assert_eq!(readings(["t", "1795305600", "1795400000"], ["t"]), [1_795_305_600, 1_795_400_000]);
        // A token that ends, or begins, in digits; one that another app has.
        assert_eq!(readings(["0t", "1795305600", "n"], ["0t"]), [1_795_305_600]);
        assert_eq!(readings(["17954t", "1795305600", "00000"], ["17954t"]), [17_953, 1_795_305_600]);
        assert_eq!(readings(["9t", "179530560", "8"], ["t"]), [1_795_305_608, 7_953_056_089]);
        assert_eq!(
            readings(["9t", "1795305600", "28"], ["t", "9t"]),
            [1_795_305_600, 5_305_600_289, 9_530_560_028]
        );
        assert_eq!(readings(["t", "1795305600", "n"], [""]), [] as [i64; 0]);
    }

    /// Numbers that look random, the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, most: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % most
        }

        fn nonce(&mut self) -> String {
            match self.below(4) {
                0 => (100_000_000 + self.below(900_000_000)).to_string(),
                1 => (1_000_000_000 + self.below(1_147_483_647)).to_string(),
                2 => self.below(10_000_000_000).to_string(),
                _ => (0..1 + self.below(16))
                    .map(|_| b"0123456789abwxyz"[self.below(16) as usize] as char)
                    .collect(),
            }
        }

        fn token(&mut self) -> String {
            (0..3 + self.below(10))
                .map(|_| b"0123456789178179AZaz"[self.below(20) as usize] as char)
                .collect()
        }
    }

    /// All splits and orders of 100,000 queries.
    #[test]
    fn every_split_and_order_is_known() {
        let mut numbers = Numbers(1);
        let mut others = 0;
        for _ in 0..100_000 {
            let (token, nonce) = (numbers.token(), numbers.nonce());
            let time = (1_700_000_000 + numbers.below(400_000_000)).to_string();
            let found = readings([&token, &time, &nonce], [token.as_str()]);
            let joined = sorted(&[&token, &time, &nonce]).concat();
            for one in 1..joined.len() {
                for two in one + 1..joined.len() {
                    let pieces = [&joined[..one], &joined[one..two], &joined[two..]];
                    if !pieces.contains(&token.as_str()) || !pieces.is_sorted() {
                        continue;
                    }
                    let mut rest: Vec<&str> = pieces.to_vec();
                    rest.remove(pieces.iter().position(|piece| *piece == token).unwrap());
                    for piece in rest.into_iter().filter_map(|piece| self::time(piece.as_bytes())) {
                        assert!(found.contains(&piece), "{token} {time} {nonce}: {piece}");
                        others += usize::from(piece.to_string() != time);
                    }
                }
            }
        }
        assert!(others > 10_000, "{others} other times were tried");
    }

    proptest! {
        /// Against all pairs of pieces of the joined text.
        #[test]
        fn no_cut_is_missed(
            token in "[1-2at]{1,3}",
            other in "[1-2at]{1,3}",
            time in "1[0-9]{9}",
            nonce in "([1-2]{1,12}|[1-2at]{1,6})",
        ) {
            let claimed = signature(&[&token, &time, &nonce]);
            let found = readings([&token, &time, &nonce], [token.as_str(), &other]);
            let joined = sorted(&[&token, &time, &nonce]).concat();
            for key in [&token, &other] {
                for begin in 0..=joined.len() - TIME {
                    let candidate = &joined[begin..begin + TIME];
                    for from in 0..joined.len() {
                        for to in from + 1..=joined.len() {
                            let is_signed = verify(&claimed, &[key, candidate, &joined[from..to]]);
                            if let (true, Ok(time)) = (is_signed, candidate.parse::<i64>()) {
                                prop_assert!(found.contains(&time), "{key} {candidate} {}", &joined[from..to]);
                            }
                        }
                    }
                }
            }
        }

        #[test]
        fn its_own_time_is_one(token in "[a-zA-Z0-9]{3,32}", time in "[1-3][0-9]{9}", nonce in "[0-9]{9,10}|[a-z0-9]{1,20}") {
            prop_assert!(readings([&token, &time, &nonce], [token.as_str()]).contains(&time.parse().unwrap()));
        }
    }
}
