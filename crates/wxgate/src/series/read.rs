//! Reading figures back: of all nodes, from the coarsest tier that is fine enough, and where that isn't made yet from finer ones;
//! with what this node has counted since.

use std::collections::BTreeMap;

use super::keys::{self, Dimension, Family};
use super::{minute, now};
use crate::metrics::Tally;
use crate::parts::Parts;
use crate::store::{SeriesQuery, SeriesRow, StoreError, Tier};

/// Items of an answer at most; what is left is one more.
const MOST: usize = 20;
/// What it is called.
const OTHER: &str = "other";
/// What all of it is called.
const TOTAL: &str = "total";

/// Keys: the first, and the first that isn't among them.
pub type Range = (String, String);

/// A time in steps. Unix seconds by the clock of all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first bucket.
    pub from: i64,
    /// The first bucket behind it.
    pub to: i64,
    /// How fine.
    pub tier: Tier,
}

impl Span {
    /// What holds all of `from` to `to`.
    pub fn around(from: i64, to: i64, tier: Tier) -> Self {
        let step = tier.step();
        let to = to.saturating_add(step - 1);
        Self { from: from - from.rem_euclid(step), to: to - to.rem_euclid(step), tier }
    }

    /// As fine as is useful for so long a time, and as there is.
    pub fn tier_for(from: i64, to: i64) -> Tier {
        match to - from {
            ..=21_600 => Tier::Minute,
            21_601..=172_800 => Tier::Ten,
            _ => Tier::Hour,
        }
    }

    /// How many buckets.
    pub fn len(self) -> usize {
        usize::try_from((self.to - self.from) / self.tier.step()).unwrap_or_default()
    }

    /// None at all.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn place(self, bucket: i64) -> Option<usize> {
        let place = usize::try_from((bucket - self.from).div_euclid(self.tier.step())).ok()?;
        Some(place).filter(|place| *place < self.len())
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Of what.
    pub family: Family,
    /// An item for each name of this kind; `None`: one for all.
    pub by: Option<Dimension>,
    /// Only what goes by these names.
    pub filters: Vec<(Dimension, String)>,
    /// When.
    pub span: Span,
}

/// What there is.
#[derive(Debug)]
pub struct Found {
    /// Of which buckets something is known.
    pub known: Vec<bool>,
    /// The first bucket that isn't whole yet.
    pub partial_from: Option<i64>,
    /// The most frequent first.
    pub items: Vec<Item>,
}

/// The figures of one name, by bucket.
#[derive(Debug)]
pub struct Item {
    /// The name.
    pub key: String,
    /// What was counted.
    pub tallies: Vec<Tally>,
}

impl Item {
    fn sum(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.n).sum()
    }
}

/// All rows of some keys within a time: each bucket of a tier, and of finer ones what isn't in that yet.
pub async fn rows(parts: &Parts, ranges: &[Range], span: Span) -> Result<Vec<SeriesRow>, StoreError> {
    let always = Family::Calls.key();
    let (mut from, mut tier, mut queries) = (span.from, Some(span.tier), Vec::new());
    while let Some(of) = tier {
        tier = of.finer();
        let to = match tier {
            None => span.to,
            Some(_) => {
                let last = parts.store.last_bucket(of, &always).await?;
                last.map_or(from, |last| last + of.step()).clamp(from, span.to)
            }
        };
        if from < to {
            let query = |(first, end): &Range| SeriesQuery {
                tier: of,
                first: first.clone(),
                end: end.clone(),
                from,
                to,
            };
            queries.extend(ranges.iter().map(query));
        }
        from = to;
    }
    let mut rows = parts.store.series(queries).await?;
    rows.extend(fresh(parts).into_iter().filter(|row| {
        let is_asked = |(first, end): &Range| *first <= row.key && row.key < *end;
        (span.from..span.to).contains(&row.bucket) && ranges.iter().any(is_asked)
    }));
    Ok(rows)
}

/// What this node has counted and not stored.
fn fresh(parts: &Parts) -> Vec<SeriesRow> {
    let (bucket, counted) = parts.metrics.fresh();
    let node = parts.store.node();
    let row = |(key, tally)| SeriesRow { tier: Tier::Minute, key, bucket, node, tally };
    keys::spread(counted).into_iter().map(row).collect()
}

/// Answers `asked`.
pub async fn read(parts: &Parts, asked: &Asked) -> Result<Found, StoreError> {
    let Asked { family, by, filters, span } = asked;
    let (range, total) = (range_of(asked), family.keys());
    let is_total = range == total;
    let ranges = if is_total { vec![range.clone()] } else { vec![range.clone(), total] };
    let (mut known, mut items) = (vec![false; span.len()], BTreeMap::<String, Vec<Tally>>::new());
    if by.is_none() {
        items.insert(TOTAL.to_owned(), vec![Tally::default(); span.len()]);
    }
    for row in rows(parts, &ranges, *span).await? {
        let Some(place) = span.place(row.bucket) else { continue };
        known[place] = true;
        if !(range.0 <= row.key && row.key < range.1) {
            continue;
        }
        let Some(name) = name_in(&row.key, *family, *by, filters) else { continue };
        let tallies = items.entry(name).or_insert_with(|| vec![Tally::default(); span.len()]);
        gather(&mut tallies[place], &row.tally, *family);
    }
    let mut items: Vec<Item> = items.into_iter().map(|(key, tallies)| Item { key, tallies }).collect();
    items.sort_by(|a, b| b.sum().cmp(&a.sum()).then_with(|| a.key.cmp(&b.key)));
    let first = minute(now(parts));
    let first = first - first.rem_euclid(span.tier.step());
    let partial_from = (first < span.to).then(|| first.max(span.from));
    Ok(Found { known, partial_from, items: at_most(items) })
}

/// Of how much there is, the most within a bucket counts.
pub fn gather(all: &mut Tally, more: &Tally, family: Family) {
    if family.is_level() {
        all.n = all.n.max(more.n);
    } else {
        all.merge(more);
    }
}

/// The fewest keys that have the answer.
fn range_of(Asked { family, by, filters, .. }: &Asked) -> Range {
    match (by, &filters[..]) {
        (None, []) => family.keys(),
        (Some(by), []) => family.keys_by(*by),
        (None, [(one, name)]) => keys::only(family.key_of(*one, name)),
        (Some(by), [(one, name)]) if by == one => keys::only(family.key_of(*one, name)),
        _ => {
            let first = family.dimensions()[0];
            let named = filters.iter().find(|(dimension, _)| *dimension == first);
            family.keys_of_all(named.map(|(_, name)| name.as_str()))
        }
    }
}

/// The item that a key belongs to; `None`: it isn't asked for.
fn name_in(
    key: &str,
    family: Family,
    by: Option<Dimension>,
    filters: &[(Dimension, String)],
) -> Option<String> {
    let names: Vec<&str> = keys::names(key).collect();
    let dimensions = family.dimensions();
    if names.len() < dimensions.len() || dimensions.len() == 1 {
        return Some(by.map_or(TOTAL, |_| keys::last(key)).to_owned());
    }
    let of = |dimension: Dimension| {
        let place = dimensions.iter().position(|one| *one == dimension)?;
        names.get(place).copied()
    };
    let fits = filters.iter().all(|(dimension, name)| of(*dimension) == Some(&keys::part(name)));
    fits.then(|| by.map_or(Some(TOTAL), of).map(str::to_owned))?
}

/// The most frequent, and what is left of them together.
fn at_most(mut items: Vec<Item>) -> Vec<Item> {
    if items.len() <= MOST {
        return items;
    }
    let rest = items.split_off(MOST);
    let mut other = Item { key: OTHER.to_owned(), tallies: vec![Tally::default(); rest[0].tallies.len()] };
    for item in rest {
        other.tallies.iter_mut().zip(&item.tallies).for_each(|(all, more)| all.merge(more));
    }
    items.push(other);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(by: Option<Dimension>, filters: &[(Dimension, &str)]) -> Asked {
        let filters = filters.iter().map(|(dimension, name)| (*dimension, (*name).to_owned())).collect();
        let span = Span { from: 0, to: 120, tier: Tier::Minute };
        Asked { family: Family::Calls, by, filters, span }
    }

    #[test]
    fn the_fewest_keys_are_read() {
        use Dimension::{App, Caller, Outcome};
        let begin = |by, filters: &[_]| range_of(&asked(by, filters)).0;
        assert_eq!(begin(None, &[]), "calls");
        assert_eq!(begin(Some(Caller), &[]), "calls\tc\t");
        assert_eq!(begin(None, &[(App, "wx1")]), "calls\ta\twx1");
        assert_eq!(begin(Some(App), &[(App, "wx1")]), "calls\ta\twx1");
        assert_eq!(begin(Some(Outcome), &[(App, "wx1")]), "calls\t*\twx1\t");
        assert_eq!(begin(Some(Outcome), &[(Caller, "shop")]), "calls\t*\t");
    }

    #[test]
    fn keys_belong_to_items() {
        use Dimension::{App, Caller, Outcome};
        let key = "calls\t*\twx1\tshop\tok";
        let name = |by, filters: &[_]| {
            let asked = asked(by, filters);
            name_in(key, Family::Calls, by, &asked.filters)
        };
        assert_eq!(name(Some(Outcome), &[(App, "wx1")]).as_deref(), Some("ok"));
        assert_eq!(name(None, &[(App, "wx1"), (Caller, "shop")]).as_deref(), Some("total"));
        assert_eq!(name(Some(App), &[(Caller, "crm")]), None);
        let of = |key, family, by| name_in(key, family, by, &[]);
        assert_eq!(of("calls\tc\tshop", Family::Calls, Some(Caller)).as_deref(), Some("shop"));
        assert_eq!(of("calls", Family::Calls, None).as_deref(), Some("total"));
        assert_eq!(of("dead\tr\tcrm", Family::Dead, Some(Dimension::Route)).as_deref(), Some("crm"));
        assert_eq!(of("dead", Family::Dead, None).as_deref(), Some("total"));
    }

    #[test]
    fn spans_are_whole_buckets() {
        let span = Span::around(61, 119, Tier::Minute);
        assert_eq!((span.from, span.to, span.len()), (60, 120, 1));
        assert_eq!(
            (span.place(59), span.place(60), span.place(119), span.place(120)),
            (None, Some(0), Some(0), None)
        );
        assert_eq!(Span::around(60, 120, Tier::Minute), span);
        assert_eq!(Span::tier_for(0, 3600), Tier::Minute);
        assert_eq!(Span::tier_for(0, 86_400), Tier::Ten);
        assert_eq!(Span::tier_for(0, 7 * 86_400), Tier::Hour);
    }

    #[test]
    fn what_is_left_is_one_item() {
        let item = |n: u64| Item { key: n.to_string(), tallies: vec![Tally { n, ..Tally::default() }] };
        let items = at_most((0..25).rev().map(item).collect());
        assert_eq!((items.len(), &*items[20].key, items[20].sum()), (21, "other", 4 + 3 + 2 + 1));
        assert_eq!(at_most((0..20).map(item).collect()).len(), 20);
    }
}
