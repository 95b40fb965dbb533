//! Reading one map of the YAML.

use super::yaml::Node;

use crate::lang::say;

/// The keys of one map, in any case; what nobody asked for is named at the end.
pub(super) struct Fields<'a> {
    entries: Vec<(String, Node)>,
    place: String,
    remarks: &'a mut Vec<String>,
}

impl<'a> Fields<'a> {
    /// The keys at `place` (`""`: the document).
    pub(super) fn new(entries: Vec<(String, Node)>, place: &str, remarks: &'a mut Vec<String>) -> Self {
        let place = if place.is_empty() { String::new() } else { format!("{place}.") };
        Self { entries, place, remarks }
    }

    /// Something else to say about them.
    pub(super) fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }

    /// The first of that name; `null` is none.
    fn take(&mut self, key: &str) -> Node {
        let found = self.entries.iter().position(|(name, _)| name.eq_ignore_ascii_case(key));
        let node = found.map_or(Node::Null, |index| self.entries.remove(index).1);
        if self.entries.iter().any(|(name, _)| name.eq_ignore_ascii_case(key)) {
            self.entries.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
            let place = &self.place;
            self.remark(say(
                format!("{place}{key} 写了不止一次，以第一个为准"),
                format!("{place}{key} is written more than once: the first counts"),
            ));
        }
        node
    }

    /// The texts complete "Port 应是…" and "Port must be …".
    fn wrong(&mut self, key: &str, zh: &str, en: &str) {
        let place = &self.place;
        self.remark(say(
            format!("{place}{key} 应是{zh}，略过"),
            format!("{place}{key} must be {en}: left out"),
        ));
    }

    /// One text, trimmed.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key) {
            Node::Text(text) => Some(text.trim().to_owned()),
            Node::Null => None,
            _ => {
                self.wrong(key, "一个字符串", "a string");
                None
            }
        }
    }

    /// A list of texts; a single text is a list of one.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let items = match self.take(key) {
            Node::List(items) => items,
            Node::Null => Vec::new(),
            one => vec![one],
        };
        let mut texts = Vec::new();
        for item in items {
            match item {
                Node::Text(text) => texts.push(text),
                _ => {
                    self.wrong(key, "字符串的列表，其中有一项不是", "a list of strings, and one item is none")
                }
            }
        }
        texts
    }

    /// A list of anything.
    pub(super) fn list(&mut self, key: &str) -> Vec<Node> {
        match self.take(key) {
            Node::List(items) => items,
            Node::Null => Vec::new(),
            // One entry without its dash.
            one @ Node::Map(_) => vec![one],
            Node::Text(_) => {
                self.wrong(key, "一个列表", "a list");
                Vec::new()
            }
        }
    }

    /// The keys of a map.
    pub(super) fn map(&mut self, key: &str) -> Option<Vec<(String, Node)>> {
        match self.take(key) {
            Node::Map(entries) => Some(entries),
            Node::Null => None,
            _ => {
                self.wrong(key, "一组键", "a table of keys");
                None
            }
        }
    }

    /// Names what nobody asked for.
    pub(super) fn finish(self) {
        if self.entries.is_empty() {
            return;
        }
        let names: Vec<_> = self.entries.iter().map(|(name, _)| format!("{}{name}", self.place)).collect();
        self.remarks.push(say(
            format!("用不到的键：{}", names.join("、")),
            format!("keys of no use here: {}", names.join(", ")),
        ));
    }
}
