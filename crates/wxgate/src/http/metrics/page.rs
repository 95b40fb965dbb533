//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

use crate::metrics::{CLASSES, Tally, bound_of};

/// What a family of samples is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A page, family by family.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// The samples that follow are of this family.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        // A string takes whatever is written to it, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the family; `part` follows its name.
    pub(super) fn sample(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}{part}", self.family);
        for (at, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"", if at == 0 { '{' } else { ',' });
            self.escaped(value);
            self.text.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }

    fn escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }

    /// A histogram of the family.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], tally: &Tally) {
        let mut below = 0;
        for class in 0..CLASSES {
            below += tally.hist[class];
            let bound = bound_of(class).map_or("+Inf".to_owned(), |ms| (ms as f64 / 1000.0).to_string());
            self.sample("_bucket", &[labels, &[("le", &bound)]].concat(), below);
        }
        self.sample("_sum", labels, tally.ms as f64 / 1000.0);
        self.sample("_count", labels, below);
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_classes_add_up() {
        let mut page = Page::default();
        page.family("a", Kind::Gauge, "Help.");
        page.sample("", &[("x", "q\"b\\n\nz"), ("y", "中")], 1.5);
        page.sample("", &[], 2);
        assert_eq!(
            page.text(),
            "# HELP a Help.\n# TYPE a gauge\na{x=\"q\\\"b\\\\n\\nz\",y=\"中\"} 1.5\na 2\n"
        );
        let mut page = Page::default();
        page.family("h", Kind::Histogram, "Help.");
        let hist = std::array::from_fn(|class| u64::from(class < 2 || class == CLASSES - 1));
        page.histogram(&[("r", "x")], &Tally { n: 3, bad: 0, ms: 5500, hist });
        let text = page.text();
        for line in [
            "h_bucket{r=\"x\",le=\"0.004\"} 1",
            "h_bucket{r=\"x\",le=\"4.096\"} 2",
            "h_bucket{r=\"x\",le=\"+Inf\"} 3",
            "h_sum{r=\"x\"} 5.5",
            "h_count{r=\"x\"} 3",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }
}
