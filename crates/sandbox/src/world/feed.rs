//! News for whoever watches: the newest things that happened, in short.

use super::lately::{Lately, Weighs};
use serde_json::{Value, json};

/// News kept, and bytes of them.
const MAX_NEWS: usize = 1_000;
const MAX_BYTES: usize = 2 << 20;
/// Bytes handed out at once: what a reader who stalls holds up. He gets the rest when he reads on.
const AT_ONCE: usize = 64 << 10;

/// One of them, and its number.
#[derive(Clone, Debug)]
struct News(u64, Value);

impl Weighs for News {
    fn weight(&self) -> usize {
        self.1.weight()
    }
}

/// The newest news.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    last: u64,
    kept: Lately<News>,
}

impl Feed {
    /// Something of this kind happened.
    pub(crate) fn add(&mut self, kind: &str, news: &Value) {
        self.last += 1;
        self.kept.add(News(self.last, json!({"kind": kind, kind: news})), MAX_NEWS, MAX_BYTES);
    }

    /// A call that got this number.
    pub(crate) fn call(&mut self, seq: u64, mut news: Value) {
        news["seq"] = seq.into();
        self.add("call", &news);
    }

    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.kept.bytes()
    }

    /// What came after `after`, as much as is handed out at once, and the number of the last of it: everything kept if
    /// the count began anew.
    pub(crate) fn since(&self, after: u64) -> (u64, Vec<Value>) {
        let after = if after > self.last { 0 } else { after };
        let (mut last, mut list, mut bytes) = (after, Vec::new(), 0);
        for News(seq, news) in self.kept.iter().filter(|News(seq, _)| *seq > after) {
            bytes += news.weight();
            if bytes > AT_ONCE && !list.is_empty() {
                return (last, list);
            }
            list.push(news.clone());
            last = *seq;
        }
        (self.last, list)
    }

    /// How many of the news after `after` are forgotten: a reader who is so far behind missed them.
    pub(crate) fn missed(&self, after: u64) -> u64 {
        let first = self.kept.iter().next().map_or(self.last, |News(seq, _)| seq - 1);
        if after > self.last { 0 } else { first.saturating_sub(after) }
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
        let all = |mut after: u64| {
            let mut all = Vec::new();
            loop {
                let (last, news) = feed.since(after);
                if news.is_empty() {
                    return all;
                }
                assert!(news.iter().map(Weighs::weight).sum::<usize>() <= AT_ONCE);
                all.extend(news);
                after = last;
            }
        };
        assert_eq!(all(0).len(), MAX_NEWS, "there is a bound");
        assert!(feed.since(1_003).1.is_empty());
        assert_eq!(all(5_000).len(), MAX_NEWS, "somebody who saw another world sees all of this one");
        assert_eq!([feed.missed(0), feed.missed(2), feed.missed(3), feed.missed(5_000)], [3, 1, 0, 0]);
    }

    #[test]
    fn large_news_are_few() {
        let mut feed = Feed::default();
        for _ in 0..100 {
            feed.add("push", &json!("x".repeat(100_000)));
        }
        assert!(feed.bytes() <= MAX_BYTES, "{}", feed.bytes());
        let (last, news) = feed.since(0);
        assert_eq!(news.len(), 1, "one at a time");
        assert!(last < 100);
    }
}
