//! Which module names which, and whether every such arrow points down.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, Written, is_in, join};

/// Layers from the top down; each has entries that don't know each other. An entry is a module with
/// everything below it that is no entry itself.
pub(super) type Layers<'a> = &'a [&'a [&'a str]];

/// A module names another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrow {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) from: String,
    /// Empty for the crate's root.
    pub(super) to: String,
}

/// The modules of one crate, and the arrows between them.
pub(super) struct Map {
    pub(super) modules: BTreeSet<String>,
    pub(super) arrows: Vec<Arrow>,
}

impl Map {
    /// Of all files of a library called `name`, and of the binary beside it.
    pub(super) fn new(name: &str, sources: &[Source]) -> Self {
        let modules: BTreeSet<String> = sources.iter().map(|source| source.module.clone()).collect();
        let mut arrows = Vec::new();
        for source in sources {
            let paths = source.paths();
            let root = if source.module == "main" { name } else { "crate" };
            let find = |path: &Written, aliases: &[(String, String)]| {
                absolute(path, &source.module, root, &modules, aliases)
            };
            // `use crate::a;` makes `a::b` a path from the root.
            let aliases: Vec<(String, String)> = paths
                .iter()
                .filter_map(|path| Some((path.alias.clone()?, find(path, &[])?)))
                .filter(|(_, target)| modules.contains(target))
                .collect();
            for path in &paths {
                let Some(target) = find(path, &aliases) else { continue };
                let to = module_of(&target, &modules);
                if to != source.module {
                    let (file, from) = (source.name.clone(), source.module.clone());
                    let arrow = Arrow { file, line: path.line, from, to };
                    // One line may name several items of one module.
                    if arrows.last() != Some(&arrow) {
                        arrows.push(arrow);
                    }
                }
            }
        }
        Self { modules, arrows }
    }

    /// Arrows that don't point down.
    pub(super) fn upward(&self, layers: Layers<'_>) -> Vec<String> {
        let mut wrong = Vec::new();
        for Arrow { file, line, from, to } in &self.arrows {
            let place = format!("{file}:{line}: {from} -> {}", if to.is_empty() { "the root" } else { to });
            match (entry_of(from, layers), entry_of(to, layers)) {
                (Some((own, _)), Some((other, _))) if own == other => {}
                (Some((_, own)), Some((_, other))) if own < other => {}
                (Some((own, at)), Some((other, there))) => {
                    let where_to = if at == there { "beside" } else { "up" };
                    wrong.push(format!("{place} points {where_to}: {other} is not below {own}"));
                }
                (None, _) => wrong.push(format!("{place}: {from} has no layer")),
                (_, None) => wrong.push(format!("{place}: no layer is known for it")),
            }
        }
        wrong
    }

    /// Circles among the children of a module that belong to its own entry.
    pub(super) fn circles(&self, layers: Layers<'_>) -> Vec<String> {
        let mut found = Vec::new();
        for parent in self.modules.iter().filter(|module| !module.is_empty()) {
            let children: Vec<&str> = self
                .modules
                .iter()
                .filter(|module| parent_of(module) == Some(parent.as_str()))
                .filter(|module| entry_of(module, layers) == entry_of(parent, layers))
                .map(String::as_str)
                .collect();
            let child = |module: &str| children.iter().copied().find(|child| is_in(module, child));
            let mut edges: BTreeMap<&str, BTreeMap<&str, &Arrow>> = BTreeMap::new();
            for arrow in &self.arrows {
                if let (Some(from), Some(to)) = (child(&arrow.from), child(&arrow.to))
                    && from != to
                {
                    edges.entry(from).or_default().entry(to).or_insert(arrow);
                }
            }
            let mut seen = BTreeSet::new();
            for start in &children {
                let Some(circle) = shortest_circle(start, &edges) else { continue };
                if seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
                    found.push(told(&circle, &edges));
                }
            }
        }
        found
    }

    /// Where the list of layers and the modules there are disagree.
    pub(super) fn misplaced(&self, layers: Layers<'_>) -> Vec<String> {
        let entries: Vec<&str> = layers.iter().flat_map(|layer| layer.iter().copied()).collect();
        let count = |name: &str| entries.iter().filter(|entry| **entry == name).count();
        let mut wrong: Vec<String> = self
            .modules
            .iter()
            .filter(|module| !module.is_empty() && !module.contains("::"))
            .filter(|module| count(module) == 0)
            .map(|module| format!("{module} stands in no layer"))
            .collect();
        for entry in entries.iter().copied().collect::<BTreeSet<_>>() {
            if count(entry) > 1 {
                wrong.push(format!("{entry} stands in the layers {} times", count(entry)));
            }
            if !self.modules.contains(entry) {
                wrong.push(format!("{entry} stands in the layers, and there is no such module"));
            }
        }
        wrong
    }
}

/// The path from the crate's root; `None` if it leads out of the crate.
fn absolute(
    path: &Written,
    module: &str,
    root: &str,
    modules: &BTreeSet<String>,
    aliases: &[(String, String)],
) -> Option<String> {
    let here = path.inside.iter().fold(module.to_owned(), |module, name| join(&module, name));
    let (first, rest) = path.segments.split_first()?;
    let mut base = match first.as_str() {
        first if first == root => String::new(),
        "self" => here,
        "super" => parent_of(&here)?.to_owned(),
        first => match aliases.iter().find(|(name, _)| name == first) {
            Some((_, target)) => target.clone(),
            // A child needs no `self::`.
            None => Some(join(&here, first)).filter(|child| modules.contains(child))?,
        },
    };
    for segment in rest {
        base = match segment.as_str() {
            "super" => parent_of(&base)?.to_owned(),
            segment => join(&base, segment),
        };
    }
    Some(base)
}

/// The module a path leads into: what is left of it when the items are taken off.
fn module_of(path: &str, modules: &BTreeSet<String>) -> String {
    let mut path = path;
    while !modules.contains(path) {
        match parent_of(path) {
            Some(parent) => path = parent,
            None => return String::new(),
        }
    }
    path.to_owned()
}

fn parent_of(module: &str) -> Option<&str> {
    if module.is_empty() {
        return None;
    }
    Some(module.rsplit_once("::").map_or("", |(parent, _)| parent))
}

/// The entry that a module belongs to, the longest that fits, and its layer from the top.
fn entry_of<'a>(module: &str, layers: Layers<'a>) -> Option<(&'a str, usize)> {
    let entries =
        layers.iter().enumerate().flat_map(|(at, layer)| layer.iter().map(move |entry| (*entry, at)));
    entries.filter(|(entry, _)| is_in(module, entry)).max_by_key(|(entry, _)| entry.len())
}

type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Arrow>>;

/// The shortest way from `start` back to itself.
fn shortest_circle<'a>(start: &'a str, edges: &Edges<'a>) -> Option<Vec<&'a str>> {
    let (mut ways, mut seen) = (vec![vec![start]], BTreeSet::new());
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in edges.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
                if *next == start {
                    return Some(way);
                }
                if seen.insert(*next) {
                    longer.push([way.as_slice(), &[*next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// A circle with a place for each of its arrows.
fn told(circle: &[&str], edges: &Edges<'_>) -> String {
    let next = circle.iter().cycle().skip(1);
    let arrows: Vec<String> = circle
        .iter()
        .zip(next)
        .map(|(from, to)| {
            let Arrow { file, line, .. } = edges[from][to];
            format!("{from} -> {to} ({file}:{line})")
        })
        .collect();
    format!("a circle: {}", arrows.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(files: &[(&str, &str)]) -> Map {
        let sources: Vec<Source> = files.iter().map(|(name, text)| Source::new(name, text)).collect();
        Map::new("house", &sources)
    }

    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let map = map(files);
        map.arrows.iter().map(|arrow| format!("{} -> {}", arrow.from, arrow.to)).collect()
    }

    /// Nothing in these.
    const REST: [(&str, &str); 4] = [("lib.rs", ""), ("a.rs", ""), ("b.rs", ""), ("b/c.rs", "")];

    #[test]
    fn paths_lead_to_modules() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("main.rs", "use house::b::X; house::b::c::f(); b::c::f();", &["main -> b", "main -> b::c"]),
            (
                "a/x.rs",
                "use crate::b::{C, c::D}; crate::a::y();",
                &["a::x -> b", "a::x -> b::c", "a::x -> a"],
            ),
            ("a/x.rs", "super::f(); super::super::b::c::g(); self::h();", &["a::x -> a", "a::x -> b::c"]),
            ("a/x.rs", "mod inner { use super::f; use super::super::g; }", &["a::x -> a"]),
            ("a/x.rs", "use crate::b; b::c::f(); other::b::c();", &["a::x -> b", "a::x -> b::c"]),
            ("a/x.rs", "use crate::b::c as d;\nd::e();", &["a::x -> b::c", "a::x -> b::c"]),
            ("a/x.rs", "use crate::b::c as d; d::{e, f}();", &["a::x -> b::c"]),
            ("a/x.rs", "b::c::f(); c::f(); std::a::b();", &[]),
            ("a/x.rs", "crate::Root; crate::macros!();", &["a::x -> "]),
            (
                "a/x.rs",
                "// crate::b\n\"crate::b\"; #[cfg(test)] mod tests { use crate::b::X; } use super::X;",
                &["a::x -> a"],
            ),
            ("a/x.rs", "#[cfg(test)] use crate::b::X;", &["a::x -> b"]),
        ];
        for (name, text, expected) in cases {
            let files = [&REST[..], &[(*name, *text)]].concat();
            assert_eq!(arrows(&files), *expected, "{text}");
        }
        // A child needs no `self::`; to declare it is no arrow.
        let files = [("lib.rs", "pub mod b;"), ("b.rs", "mod c; use c::D;"), ("b/c.rs", "")];
        assert_eq!(arrows(&files), ["b -> b::c"]);
    }

    #[test]
    fn arrows_point_down() {
        let layers: Layers<'_> = &[&["a"], &["b::c", "b::d"], &["b"], &["e"]];
        let wrong = |name: &str, text: &str| {
            let rest = ["a.rs", "a/x.rs", "b.rs", "b/c.rs", "b/d.rs", "b/f.rs", "e.rs"];
            let mut files: Vec<(&str, &str)> =
                rest.into_iter().filter(|file| *file != name).map(|file| (file, "")).collect();
            files.extend([("lib.rs", ""), (name, text)]);
            map(&files).upward(layers)
        };
        for (name, text) in [
            ("a.rs", "use crate::{b::c::X, b::f, e}; x::y();"),
            ("a/x.rs", "use super::Y; use crate::b;"),
            ("a.rs", "use x::Y;"),
            ("b/c.rs", "use crate::b::{X, f::Y};"),
            ("b/f.rs", "use super::X; use crate::e::Y;"),
        ] {
            assert_eq!(wrong(name, text), Vec::<String>::new(), "{text}");
        }
        for (name, text, told) in [
            ("e.rs", "\n\nuse crate::b::X;", "e.rs:3: e -> b points up: b is not below e"),
            ("e.rs", "use crate::b::c;", "e.rs:1: e -> b::c points up: b::c is not below e"),
            ("b.rs", "mod c; pub use c::X;", "b.rs:1: b -> b::c points up: b::c is not below b"),
            ("b/f.rs", "super::c::x();", "b/f.rs:1: b::f -> b::c points up: b::c is not below b"),
            ("b/c.rs", "super::d::x();", "b/c.rs:1: b::c -> b::d points beside: b::d is not below b::c"),
            ("e.rs", "crate::x();", "e.rs:1: e -> the root: no layer is known for it"),
        ] {
            assert_eq!(wrong(name, text), [told]);
        }
    }

    #[test]
    fn children_form_no_circles() {
        let layers: Layers<'_> = &[&["top"], &["s"], &["s::low"]];
        let circles = |files: &[(&str, &str)]| map(files).circles(layers);
        let none = [
            ("s.rs", "mod x; mod y; use x::A; use y::B;"),
            ("s/x.rs", "use super::y::C; use super::D;"),
            ("s/y.rs", "use super::D; use super::low;"),
            ("s/low.rs", "use super::x;"),
        ];
        assert_eq!(circles(&none), Vec::<String>::new(), "a parent and an entry of its own don't count");
        let two = [
            ("s.rs", ""),
            ("s/x.rs", "mod deep;"),
            ("s/x/deep.rs", "\nuse crate::s::y::C;"),
            ("s/y.rs", "use super::z::C;"),
            ("s/z.rs", "use super::x::D;"),
        ];
        assert_eq!(
            circles(&two),
            ["a circle: s::x -> s::y (s/x/deep.rs:2), s::y -> s::z (s/y.rs:1), s::z -> s::x (s/z.rs:1)"]
        );
        let below = [
            ("s.rs", ""),
            ("s/x.rs", ""),
            ("s/x/a.rs", "use super::b::C;"),
            ("s/x/b.rs", "use super::a::C;"),
        ];
        assert_eq!(circles(&below).len(), 1);
        assert!(circles(&below)[0].contains("s::x::a -> s::x::b"));
    }

    #[test]
    fn the_list_and_the_modules_agree() {
        let files = [("lib.rs", ""), ("a.rs", ""), ("a/b.rs", ""), ("c.rs", "")];
        let misplaced = |layers: Layers<'_>| map(&files).misplaced(layers);
        assert_eq!(misplaced(&[&["a"], &["c"]]), Vec::<String>::new());
        assert_eq!(misplaced(&[&["a::b"], &["a"], &["c"]]), Vec::<String>::new());
        assert_eq!(misplaced(&[&["a::b"], &["c"]]), ["a stands in no layer"]);
        assert_eq!(misplaced(&[&["a"], &["c", "a"]]), ["a stands in the layers 2 times"]);
        assert_eq!(
            misplaced(&[&["a"], &["c"], &["d"]]),
            ["d stands in the layers, and there is no such module"]
        );
    }
}
