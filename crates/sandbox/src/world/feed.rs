//! News for whoever watches: the newest things that happened, in short.

use serde_json::{Value, json};
use std::collections::VecDeque;

/// News kept.
const MAX_NEWS: usize = 1_000;

/// The newest news.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    last: u64,
    kept: VecDeque<(u64, Value)>,
}

impl Feed {
    /// Something of this kind happened.
    pub(crate) fn add(&mut self, kind: &str, news: &Value) {
        self.last += 1;
        if self.kept.len() == MAX_NEWS {
            self.kept.pop_front();
        }
        self.kept.push_back((self.last, json!({"kind": kind, kind: news})));
    }

    /// A call that got this number.
    pub(crate) fn call(&mut self, seq: u64, mut news: Value) {
        news["seq"] = seq.into();
        self.add("call", &news);
    }

    /// What came after `after`, and the number of the last: everything kept if the count began anew.
    pub(crate) fn since(&self, after: u64) -> (u64, Vec<Value>) {
        let after = if after > self.last { 0 } else { after };
        let news = self.kept.iter().filter(|(seq, _)| *seq > after);
        (self.last, news.map(|(_, news)| news.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after() {
        let mut feed = Feed::default();
        for n in 0..MAX_NEWS + 3 {
            feed.add("call", &json!(n));
        }
        let (last, news) = feed.since(1_001);
        assert_eq!((last, news.len()), (1_003, 2));
        assert_eq!(news[1], json!({"kind": "call", "call": 1_002}));
        assert_eq!(feed.since(0).1.len(), MAX_NEWS, "there is a bound");
        assert!(feed.since(1_003).1.is_empty());
        assert_eq!(
            feed.since(5_000).1.len(),
            MAX_NEWS,
            "somebody who saw another world sees all of this one"
        );
    }
}
