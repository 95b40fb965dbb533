//! What was found out about refusals: is the token dead, or does a path answer 40001 to everybody? Pure.
//!
//! What is believed of a token holds for that token and for a while; then it is found out anew. About another token nothing
//! is known.

use std::collections::HashMap;

/// A living token is believed alive for so long, and a path is blamed for so long at first.
const VERDICT: i64 = 10_000;
/// What is found out again and again holds longer each time, up to this.
const LONGEST: i64 = 600_000;
/// What couldn't be found out twice in a row holds so long at first.
const UNKNOWN: i64 = 1000;
const HOUR: i64 = 3_600_000;
/// Paths remembered at once.
const PATHS: usize = 256;

/// What is believed of a refused token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Belief {
    /// It lives: the path is to blame.
    Alive,
    /// It is dead, and may not be replaced just now.
    Spent,
    /// It could not be found out.
    Unknown,
}

/// A [`Belief`] with its time, in ticks.
#[derive(Clone, Copy, Debug)]
struct Held {
    belief: Belief,
    since: i64,
    until: i64,
}

/// About the present token of a slot.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The token's.
    version: i64,
    held: Option<Held>,
    /// How long the same unhappy belief held last; 0: it is no second one.
    patience: i64,
    /// When the token was first found to be dead.
    dead_since: Option<i64>,
    paths: HashMap<String, Path>,
}

#[derive(Debug, Default)]
struct Path {
    blamed_until: i64,
    /// How long it was blamed last; 0: never.
    blame: i64,
    /// When it last worked, where that is noted; in ticks.
    worked_at: i64,
}

impl Findings {
    /// Forgets what was about another token. False: `version` is an older one, of which nothing counts any more.
    fn about(&mut self, version: i64) -> bool {
        if version > self.version {
            (self.version, self.held, self.patience, self.dead_since) = (version, None, 0, None);
            for path in self.paths.values_mut() {
                (path.blame, path.blamed_until) = (0, 0);
            }
        }
        version == self.version
    }

    /// What its refusal on `path` means, if that is known. A path that took this very token since it was found alive says
    /// that it has died after all.
    pub(crate) fn believed(&mut self, version: i64, path: &str, now: i64) -> Option<Belief> {
        if !self.about(version) {
            return None;
        }
        let path = self.paths.get(path);
        let held = self.held.filter(|held| now < held.until);
        match held {
            Some(Held { belief: Belief::Alive, .. }) | None
                if path.is_some_and(|path| now < path.blamed_until) =>
            {
                Some(Belief::Alive)
            }
            Some(Held { belief: Belief::Alive, since, .. })
                if path.is_some_and(|path| path.worked_at > since) =>
            {
                None
            }
            held => held.map(|held| held.belief),
        }
    }

    /// The token was found alive after `path` had refused it.
    pub(crate) fn found_alive(&mut self, version: i64, path: &str, now: i64) {
        if !self.about(version) {
            return;
        }
        (self.patience, self.dead_since) = (0, None);
        self.held = Some(Held { belief: Belief::Alive, since: now, until: now + VERDICT });
        let path = self.path(path, now);
        path.blame = (2 * path.blame).clamp(VERDICT, LONGEST);
        path.blamed_until = now + path.blame;
    }

    /// The token was found dead, and may not be replaced before `may_again`; somebody else may replace it sooner.
    pub(crate) fn found_spent(&mut self, version: i64, may_again: i64, now: i64) {
        if self.about(version) {
            self.dead_since.get_or_insert(now);
            self.hold(Belief::Spent, (2 * self.patience).clamp(VERDICT, LONGEST).min(may_again - now), now);
        }
    }

    /// It could not be found out whether the token is dead. After the first time the next caller may ask at once.
    pub(crate) fn found_nothing(&mut self, version: i64, now: i64) {
        if self.about(version) {
            let is_first = self.held.is_none_or(|held| held.belief != Belief::Unknown);
            let patience = if is_first { 0 } else { (2 * self.patience).clamp(UNKNOWN, LONGEST) };
            self.hold(Belief::Unknown, patience, now);
        }
    }

    fn hold(&mut self, belief: Belief, patience: i64, now: i64) {
        self.patience = patience;
        self.held = Some(Held { belief, since: now, until: now + patience });
    }

    /// Since when the token is known to be dead, and until when nothing is done about it.
    pub(crate) fn spent(&self, version: i64) -> Option<(i64, i64)> {
        let held = self.held.filter(|held| self.version == version && held.belief == Belief::Spent)?;
        Some((self.dead_since.unwrap_or(held.since), held.until))
    }

    /// `path` took the token.
    pub(crate) fn worked(&mut self, version: i64, path: &str, now: i64) {
        if self.about(version) {
            self.path(path, now).worked_at = now;
        }
    }

    /// Whether it matters now which paths work: the token was found alive, and may die.
    pub(crate) fn watches_paths(&self, now: i64) -> bool {
        self.held.is_some_and(|held| held.belief == Belief::Alive && now < held.until)
    }

    /// Whether `path` took some token within the last hour, so that its refusal says something.
    pub(crate) fn worked_lately(&self, path: &str, now: i64) -> bool {
        self.paths.get(path).is_some_and(|path| path.worked_lately(now))
    }

    fn path(&mut self, name: &str, now: i64) -> &mut Path {
        if self.paths.len() >= PATHS && !self.paths.contains_key(name) {
            self.paths.retain(|_, path| now < path.blamed_until || path.worked_lately(now));
            if self.paths.len() >= PATHS {
                self.paths.retain(|_, path| path.worked_lately(now));
            }
            if self.paths.len() >= PATHS {
                self.paths.clear();
            }
        }
        self.paths.entry(name.to_owned()).or_default()
    }
}

impl Path {
    fn worked_lately(&self, now: i64) -> bool {
        self.worked_at > 0 && now - self.worked_at < HOUR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_ten_seconds_for_its_token() {
        let mut findings = Findings::default();
        assert_eq!(findings.believed(1, "/a", 1000), None);
        findings.found_alive(1, "/a", 1000);
        for path in ["/a", "/b"] {
            assert_eq!(findings.believed(1, path, 10_999), Some(Belief::Alive));
            assert_eq!(findings.believed(1, path, 11_000), None);
        }
        findings.found_alive(1, "/a", 11_000);
        assert_eq!(findings.believed(2, "/a", 11_001), None, "another token may be asked about at once");
        findings.found_alive(1, "/a", 11_002);
        assert_eq!(findings.believed(2, "/a", 11_003), None, "what comes late is about an older one");
    }

    #[test]
    fn a_path_that_took_the_token_since_it_was_found_alive_is_asked_about() {
        let mut findings = Findings::default();
        findings.worked(1, "/good", 500);
        findings.found_alive(1, "/bad", 1000);
        assert_eq!(findings.believed(1, "/good", 1001), Some(Belief::Alive), "it may have died before");
        assert!(findings.watches_paths(1001));
        findings.worked(1, "/good", 2000);
        assert_eq!(findings.believed(1, "/good", 2001), None);
        findings.worked(1, "/bad", 2002);
        assert_eq!(findings.believed(1, "/bad", 2003), Some(Belief::Alive), "a path that is blamed stays so");
        assert!(!findings.watches_paths(11_000));
    }

    #[test]
    fn a_token_that_may_not_be_replaced_is_left_alone_for_longer_each_time() {
        let (mut findings, mut asked) = (Findings::default(), Vec::new());
        for now in (0..3_600_000).step_by(1000) {
            if findings.believed(1, "/a", now).is_none() {
                asked.push(now / 1000);
                findings.found_spent(1, 3_600_000, now);
            }
            assert_eq!(findings.believed(1, "/b", now), Some(Belief::Spent), "whichever path");
        }
        assert_eq!(asked[..8], [0, 10, 30, 70, 150, 310, 630, 1230]);
        assert_eq!(findings.spent(1).map(|(since, _)| since), Some(0));
        findings.found_spent(2, 5000, 0);
        assert_eq!(findings.spent(2), Some((0, 5000)), "no longer than until it may be replaced");
        assert_eq!(findings.believed(2, "/a", 5000), None);
    }

    #[test]
    fn what_could_not_be_found_out_may_be_asked_again_and_soon_less_often() {
        let (mut findings, mut asked) = (Findings::default(), Vec::new());
        for now in (0..60_000).step_by(500) {
            if findings.believed(1, "/a", now).is_none() {
                asked.push(now);
                findings.found_nothing(1, now);
            }
        }
        assert_eq!(asked, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    }

    #[test]
    fn a_path_is_blamed_twice_as_long_each_time() {
        let (mut findings, mut now, mut asked) = (Findings::default(), 0, 0);
        while now < 86_400_000 {
            if findings.believed(1, "/broken", now).is_none() {
                asked += 1;
                findings.found_alive(1, "/broken", now);
            }
            // A path that works, refused for once, is still asked about.
            let is_believed = findings.held.is_some_and(|held| now < held.until);
            assert_eq!(findings.believed(1, "/good", now).is_some(), is_believed);
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
