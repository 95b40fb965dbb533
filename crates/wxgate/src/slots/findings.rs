//! What was found out about refusals: is the token dead, or does a path answer 40001 to everybody? Pure.
//!
//! A verdict holds for the token it was found for, ten seconds; a path that was to blame is believed to be so twice as
//! long each time, up to ten minutes. About another token nothing is known.

use std::collections::HashMap;

const VERDICT: i64 = 10_000;
const LONGEST_BLAME: i64 = 600_000;
const HOUR: i64 = 3_600_000;
/// Paths remembered at once.
const PATHS: usize = 256;

/// About the present token of a slot.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The token's.
    version: i64,
    alive_until: i64,
    paths: HashMap<String, Path>,
}

#[derive(Debug, Default)]
struct Path {
    blamed_until: i64,
    /// How long it was blamed last; 0: never.
    blame: i64,
    /// When it last worked, where that is noted; Unix milliseconds.
    worked_at: i64,
}

impl Findings {
    fn about(&mut self, version: i64) {
        if self.version == version {
            return;
        }
        (self.version, self.alive_until) = (version, 0);
        for path in self.paths.values_mut() {
            (path.blame, path.blamed_until) = (0, 0);
        }
    }

    /// Whether the token is known to live, so that its refusal on `path` is the path's fault.
    pub(crate) fn is_refusal_explained(&mut self, version: i64, path: &str, now: i64) -> bool {
        self.about(version);
        let blamed = self.paths.get(path).is_some_and(|path| now < path.blamed_until);
        blamed || now < self.alive_until
    }

    /// The token was found alive after `path` had refused it.
    pub(crate) fn found_alive(&mut self, version: i64, path: &str, now: i64) {
        self.about(version);
        self.alive_until = now + VERDICT;
        let path = self.path(path, now);
        path.blame = (2 * path.blame).clamp(VERDICT, LONGEST_BLAME);
        path.blamed_until = now + path.blame;
    }

    /// `path` took the token.
    pub(crate) fn worked(&mut self, version: i64, path: &str, now: i64) {
        self.about(version);
        self.path(path, now).worked_at = now;
    }

    /// Whether `path` took some token within the last hour, so that its refusal says something.
    pub(crate) fn worked_lately(&self, path: &str, now: i64) -> bool {
        self.paths.get(path).is_some_and(|path| path.worked_at > 0 && now - path.worked_at < HOUR)
    }

    fn path(&mut self, name: &str, now: i64) -> &mut Path {
        if self.paths.len() >= PATHS && !self.paths.contains_key(name) {
            self.paths.retain(|_, path| now < path.blamed_until);
            if self.paths.len() >= PATHS {
                self.paths.clear();
            }
        }
        self.paths.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_ten_seconds_for_its_token() {
        let mut findings = Findings::default();
        assert!(!findings.is_refusal_explained(1, "/a", 1000));
        findings.found_alive(1, "/a", 1000);
        assert!(
            findings.is_refusal_explained(1, "/a", 10_999) && findings.is_refusal_explained(1, "/b", 10_999)
        );
        assert!(
            !findings.is_refusal_explained(1, "/a", 11_000)
                && !findings.is_refusal_explained(1, "/b", 11_000)
        );
        findings.found_alive(1, "/a", 11_000);
        assert!(!findings.is_refusal_explained(2, "/a", 11_001), "another token may be asked about at once");
    }

    #[test]
    fn a_path_is_blamed_twice_as_long_each_time() {
        let (mut findings, mut now, mut asked) = (Findings::default(), 0, 0);
        while now < 86_400_000 {
            if !findings.is_refusal_explained(1, "/broken", now) {
                asked += 1;
                findings.found_alive(1, "/broken", now);
            }
            // A path that works, refused for once, is still asked about.
            assert!(
                now < VERDICT
                    || findings.is_refusal_explained(1, "/good", now) == (now < findings.alive_until)
            );
            now += 1000;
        }
        assert!((144..160).contains(&asked), "{asked}");
    }

    #[test]
    fn the_number_of_paths_is_bounded() {
        let mut findings = Findings::default();
        for n in 0..10_000 {
            findings.found_alive(1, &format!("/{n}"), 0);
        }
        assert!(findings.paths.len() <= PATHS);
        findings.worked(1, "/a", 5);
        assert!(findings.worked_lately("/a", HOUR) && !findings.worked_lately("/a", HOUR + 5));
    }
}
