//! YAML to a tree of texts, as written: an AppSecret of digits stays the text it is. What one
//! megabyte can make of itself through aliases and nesting is bounded.

use std::collections::HashMap;

use anyhow::{anyhow, bail};
use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::lang::say;

const MAX_DEPTH: usize = 32;
/// Texts' bytes and 16 for every node, aliases counted as what they stand for.
const MAX_WEIGHT: usize = 4 << 20;

/// One value. Shows no `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) enum Node {
    /// Nothing, `~` or `null`.
    Null,
    /// A text, a number, a truth value.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// Keys and values in their order.
    Map(Vec<(String, Self)>),
}

/// Reads the first document of `text`; an empty one is `Null`.
pub(super) fn parse(text: &str) -> anyhow::Result<Node> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let (event, span) = event.map_err(|error| {
            anyhow!(say(format!("不是有效的 YAML：{error}"), format!("no valid YAML: {error}")))
        })?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        let line = span.start.line();
        builder.take(event).map_err(|error| {
            anyhow!(say(format!("第 {line} 行：{error}"), format!("line {line}: {error}")))
        })?;
    }
    Ok(builder.root.unwrap_or(Node::Null))
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    weight: usize,
    root: Option<Node>,
}

/// A list or map whose end hasn't come.
struct Open {
    node: Node,
    key: Option<String>,
    anchor: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> anyhow::Result<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let bare = style == ScalarStyle::Plain && tag.is_none();
                let null = bare && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                self.put(if null { Node::Null } else { Node::Text(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.open(Node::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.open(Node::Map(Vec::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(done) => self.put(done.node, done.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    self.weight += node.weight();
                    self.bounded()?;
                    let node = node.clone();
                    self.put(node, 0)
                }
                None => bail!(say("别名指向它自己", "an alias of itself")),
            },
            _ => Ok(()),
        }
    }

    fn open(&mut self, node: Node, anchor: usize) -> anyhow::Result<()> {
        if self.open.len() == MAX_DEPTH {
            bail!(say(format!("嵌套超过 {MAX_DEPTH} 层"), format!("nested deeper than {MAX_DEPTH}")));
        }
        self.open.push(Open { node, key: None, anchor });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) -> anyhow::Result<()> {
        self.weight += node.own_weight();
        self.bounded()?;
        if anchor > 0 {
            // Kept beside the tree: counted once more.
            self.weight += node.weight();
            self.bounded()?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.node, parent.key.take()) {
            (Node::List(items), _) => items.push(node),
            (Node::Map(entries), Some(key)) => entries.push((key, node)),
            (_, None) => match node {
                Node::Text(key) => parent.key = Some(key),
                Node::Null => parent.key = Some(String::new()),
                Node::List(_) | Node::Map(_) => bail!(say("键应是文字", "a key must be a text")),
            },
            (_, Some(_)) => {}
        }
        Ok(())
    }

    fn bounded(&self) -> anyhow::Result<()> {
        if self.weight > MAX_WEIGHT {
            bail!(say(
                "内容太多，或别名展开后太大",
                "too much in it, or too much once its aliases are expanded"
            ));
        }
        Ok(())
    }
}

impl Node {
    fn own_weight(&self) -> usize {
        16 + match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    fn weight(&self) -> usize {
        self.own_weight()
            + match self {
                Self::List(items) => items.iter().map(Self::weight).sum(),
                Self::Map(entries) => entries.iter().map(|(key, node)| 16 + key.len() + node.weight()).sum(),
                Self::Null | Self::Text(_) => 0,
            }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::{Duration, Instant};

    use super::*;

    /// The tree in one line.
    fn show(node: &Node) -> String {
        match node {
            Node::Null => "null".to_owned(),
            Node::Text(text) => format!("{text:?}"),
            Node::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
            Node::Map(entries) => {
                let entries = entries.iter().map(|(key, node)| format!("{key}={}", show(node)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    fn read(text: &str) -> String {
        show(&parse(text).ok().unwrap())
    }

    fn refused(text: &str) -> String {
        let started = Instant::now();
        let error = parse(text).err().unwrap().to_string();
        assert!(started.elapsed() < Duration::from_secs(20), "{error}");
        error
    }

    #[test]
    fn scalars_stay_as_written() {
        assert_eq!(read("a: 0123\nb: 1e5\nc: yes\nd: \"\"\ne: ~\nf:\n"), {
            r#"{a="0123" b="1e5" c="yes" d="" e=null f=null}"#
        });
        assert_eq!(read("\u{feff}- x\n- [1, '2', !!str ~]\n"), r#"["x" ["1" "2" "~"]]"#);
        assert_eq!(read("a: 1\n---\nb: 2\n"), r#"{a="1"}"#, "the first document");
        assert_eq!(read("# nothing\n"), "null");
        assert_eq!(read("{\"a\": [\"b\"]}"), r#"{a=["b"]}"#, "JSON is YAML");
    }

    #[test]
    fn aliases_stand_for_their_values() {
        assert_eq!(read("a: &x [SCAN]\nb: *x\n"), r#"{a=["SCAN"] b=["SCAN"]}"#);
        assert!(refused("a: &x [*x]\n").contains("别名"));
    }

    #[test]
    fn what_is_no_yaml_names_the_line() {
        assert!(refused("a: [1,\nb: }\n").contains("line 2"), "{}", refused("a: [1,\nb: }\n"));
        assert!(refused("a: *nowhere\n").contains("YAML"));
        assert!(refused("x: 1\n? [a]\n: b\n").starts_with("第 2 行"));
    }

    #[test]
    fn nothing_of_a_megabyte_hangs_or_overflows() {
        let mut bomb = "a0: &a0 [x, x]\n".to_owned();
        for level in 1..60 {
            let _ = writeln!(bomb, "a{level}: &a{level} [*a{0}, *a{0}]", level - 1);
        }
        assert!(refused(&bomb).contains("别名"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a,".repeat(150_000));
        assert!(refused(&long).contains("别名"));
        for nested in ["[", "{a: ", "- ", "? ", "a: [", "{? "] {
            refused(&nested.repeat((1 << 20) / nested.len()));
        }
        refused(&format!("[{}]", "a,".repeat(500_000)));
    }
}
