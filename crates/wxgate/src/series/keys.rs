//! Under which keys a count stands: of its family in all, of each name it goes by, and of all of them. So nobody who asks for one
//! name has to add up the products.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::metrics::{Name, Tally};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Calls: by app, caller and how they ended.
    Calls,
    /// The same: by app, path and code.
    Api,
    /// Callbacks: by app and what became of them.
    Callbacks,
    /// Attempts to deliver: by route and how they went.
    Deliveries,
    /// How many deliveries wait, by route.
    Waiting,
    /// How many were given up, by route.
    Dead,
}

/// A name that counts go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// AppID.
    App,
    /// Name of the caller.
    Caller,
    /// How it ended.
    Outcome,
    /// Path.
    Api,
    /// Code.
    Errcode,
    /// Name of the route.
    Route,
}

use Dimension::{Api, App, Caller, Errcode, Outcome, Route};

/// Between the parts of a key; no part holds it.
const MARK: char = '\t';
/// The first character behind it.
const BEHIND: char = '\n';
/// What stands where the letter of a dimension could: all of them follow.
const ALL: char = '*';
/// Longest part of a key, in bytes.
const LONGEST: usize = 128;

impl Family {
    /// Every family.
    pub const ALL: [Self; 6] =
        [Self::Calls, Self::Api, Self::Callbacks, Self::Deliveries, Self::Waiting, Self::Dead];

    /// As it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Api => "api",
            Self::Callbacks => "callbacks",
            Self::Deliveries => "deliveries",
            Self::Waiting => "waiting",
            Self::Dead => "dead",
        }
    }

    /// The names it goes by, in the order in which they stand in a key.
    pub fn dimensions(self) -> &'static [Dimension] {
        match self {
            Self::Calls => &[App, Caller, Outcome],
            Self::Api => &[App, Api, Errcode],
            Self::Callbacks => &[App, Outcome],
            Self::Deliveries => &[Route, Outcome],
            Self::Waiting | Self::Dead => &[Route],
        }
    }

    /// It is how much there is, and not how much came.
    pub fn is_level(self) -> bool {
        matches!(self, Self::Waiting | Self::Dead)
    }

    /// Of a key.
    pub fn of(key: &str) -> Option<Self> {
        let name = key.split(MARK).next()?;
        Self::ALL.into_iter().find(|family| family.as_str() == name)
    }

    /// First and end of the one key of everything of it.
    pub fn keys(self) -> (String, String) {
        only(self.key())
    }

    /// The key of everything of it.
    pub(super) fn key(self) -> String {
        self.as_str().to_owned()
    }

    /// Everything of it under one name.
    pub(super) fn key_of(self, dimension: Dimension, name: &str) -> String {
        let mut key = self.begin(dimension.letter());
        push(&mut key, name);
        key
    }

    fn begin(self, letter: char) -> String {
        format!("{}{MARK}{letter}{MARK}", self.as_str())
    }

    /// First and end of the keys of one dimension.
    pub fn keys_by(self, dimension: Dimension) -> (String, String) {
        let begin = self.begin(dimension.letter());
        let end = before_end(&begin);
        (begin, end)
    }

    /// First and end of the keys that have all dimensions, those of one name of the first alone if it is given.
    pub(super) fn keys_of_all(self, first: Option<&str>) -> (String, String) {
        let mut begin = self.begin(ALL);
        if let Some(name) = first {
            push(&mut begin, name);
            begin.push(MARK);
        }
        let end = before_end(&begin);
        (begin, end)
    }

    fn key_of_all(self, names: &[&str]) -> String {
        let mut key = self.begin(ALL);
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                key.push(MARK);
            }
            push(&mut key, name);
        }
        key
    }
}

/// The first key behind those that begin with `begin`, which ends with a mark.
fn before_end(begin: &str) -> String {
    format!("{}{BEHIND}", begin.trim_end_matches(MARK))
}

/// First and end of one key alone.
pub(super) fn only(key: String) -> (String, String) {
    // No part of a key holds that.
    let end = format!("{key}\u{1}");
    (key, end)
}

/// The last part of a key: of one dimension its name.
pub fn last(key: &str) -> &str {
    key.rsplit(MARK).next().unwrap_or_default()
}

/// The names of a key that has all dimensions.
pub(super) fn names(key: &str) -> impl Iterator<Item = &str> {
    key.split(MARK).skip(2)
}

/// A name as it stands in keys.
pub fn part(name: &str) -> String {
    let mut part = String::new();
    push(&mut part, name);
    part
}

fn push(key: &mut String, name: &str) {
    let name = &name[..name.floor_char_boundary(LONGEST)];
    key.extend(name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
}

impl Dimension {
    /// As it is called in parameters.
    pub fn as_str(self) -> &'static str {
        match self {
            App => "appid",
            Caller => "caller",
            Outcome => "outcome",
            Api => "api",
            Errcode => "errcode",
            Route => "route",
        }
    }

    fn letter(self) -> char {
        match self {
            App => 'a',
            Caller => 'c',
            Outcome => 'o',
            Api => 'p',
            Errcode => 'e',
            Route => 'r',
        }
    }
}

/// What was counted, under each of its keys. What is counted by the minute is there even where it is nothing: so one knows that
/// somebody counted.
pub(super) fn spread(counted: HashMap<Name, Tally>) -> BTreeMap<String, Tally> {
    let mut all: BTreeMap<String, Tally> = BTreeMap::new();
    for family in Family::ALL.into_iter().filter(|family| !family.is_level()) {
        all.insert(family.key(), Tally::default());
    }
    for (name, mut tally) in counted {
        let mut code = String::new();
        let Some((family, names, is_bad)) = keyed(&name, &mut code) else { continue };
        tally.bad = if is_bad { tally.n } else { 0 };
        let mut add = |key: String| all.entry(key).or_default().merge(&tally);
        add(family.key());
        for (dimension, name) in family.dimensions().iter().zip(&names) {
            add(family.key_of(*dimension, name));
        }
        add(family.key_of_all(&names));
    }
    all
}

/// What of it is kept: its names, and whether it counts as bad.
fn keyed<'a>(name: &'a Name, code: &'a mut String) -> Option<(Family, Vec<&'a str>, bool)> {
    Some(match name {
        Name::Calls(app, caller, end) => (Family::Calls, vec![app, caller, end], *end != "ok"),
        Name::Api(app, api, errcode) => {
            // A string takes whatever is written to it.
            let _ = write!(code, "{errcode}");
            (Family::Api, vec![app, api, code], *errcode != 0)
        }
        Name::Callbacks(app, end) => {
            (Family::Callbacks, vec![app, end], matches!(*end, "refused" | "failed"))
        }
        Name::Deliveries(route, end) => (Family::Deliveries, vec![route, end], *end != "delivered"),
        Name::Refreshes(..) | Name::Upstream(..) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_stands_under_each_of_its_names() {
        let tally = |n, bad| Tally { n, bad, ..Tally::default() };
        let counted = HashMap::from([
            (Name::Calls("wx1".into(), "shop".into(), "ok"), tally(5, 0)),
            (Name::Calls("wx1".into(), "crm\t1".into(), "failed"), tally(2, 0)),
            (Name::Refreshes("wx1".into(), "ok"), tally(9, 0)),
        ]);
        let spread = spread(counted);
        let expected = [
            ("api", tally(0, 0)),
            ("callbacks", tally(0, 0)),
            ("calls", tally(7, 2)),
            ("calls\t*\twx1\tcrm\u{fffd}1\tfailed", tally(2, 2)),
            ("calls\t*\twx1\tshop\tok", tally(5, 0)),
            ("calls\ta\twx1", tally(7, 2)),
            ("calls\tc\tcrm\u{fffd}1", tally(2, 2)),
            ("calls\tc\tshop", tally(5, 0)),
            ("calls\to\tfailed", tally(2, 2)),
            ("calls\to\tok", tally(5, 0)),
            ("deliveries", tally(0, 0)),
        ];
        let got: Vec<(&str, Tally)> = spread.iter().map(|(key, tally)| (&**key, tally.clone())).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn ranges_hold_their_keys_and_no_others() {
        let key = Family::Calls.key_of_all(&["wx1", "shop", "ok"]);
        let holds = |(first, end): (String, String), key: &str| *first <= *key && *key < *end;
        assert!(holds(Family::Calls.keys_of_all(None), &key));
        assert!(holds(Family::Calls.keys_of_all(Some("wx1")), &key));
        assert!(!holds(Family::Calls.keys_of_all(Some("wx")), &key));
        assert!(!holds(Family::Calls.keys_of_all(Some("wx10")), &key));
        assert!(!holds(Family::Calls.keys_by(Dimension::App), &key));
        let app = Family::Calls.key_of(Dimension::App, "wx1");
        assert!(holds(Family::Calls.keys_by(Dimension::App), &app));
        assert!(holds(only(app.clone()), &app) && !holds(only(app.clone()), "calls\ta\twx10"));
        assert!(!holds(only("calls".to_owned()), &app));
        assert_eq!((last(&app), Family::of(&app)), ("wx1", Some(Family::Calls)));
        assert_eq!(names(&key).collect::<Vec<_>>(), ["wx1", "shop", "ok"]);
    }
}
