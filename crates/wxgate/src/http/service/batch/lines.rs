//! Lines of a body that comes in pieces.

/// A line with its number, from 1 on; `None`: it is too long.
type Line = (usize, Option<Vec<u8>>);

/// What is known of the lines so far.
#[derive(Debug)]
pub(super) struct Lines {
    longest: usize,
    /// Lines that have ended.
    ended: usize,
    /// The line that hasn't.
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// Of lines that are no longer than that.
    pub(super) fn new(longest: usize) -> Self {
        Self { longest, ended: 0, begun: Vec::new(), is_too_long: false }
    }

    /// The lines that end in `data`; blank ones are passed over, but counted.
    pub(super) fn feed(&mut self, data: &[u8]) -> Vec<Line> {
        let mut found = Vec::new();
        let mut pieces = data.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            // One that may yet lose its carriage return.
            if self.begun.len() + piece.len() > self.longest + 1 {
                self.is_too_long = true;
                self.begun.clear();
            }
            if !self.is_too_long {
                self.begun.extend_from_slice(piece);
            }
            if pieces.peek().is_some() {
                found.extend(self.end());
            }
        }
        found
    }

    /// What came after the last of them, if it is a line.
    pub(super) fn end(&mut self) -> Option<Line> {
        self.ended += 1;
        let mut line = std::mem::take(&mut self.begun);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if std::mem::take(&mut self.is_too_long) || line.len() > self.longest {
            return Some((self.ended, None));
        }
        let is_blank = line.trim_ascii().is_empty();
        (!is_blank).then_some((self.ended, Some(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&str]) -> Vec<(usize, Option<String>)> {
        let mut lines = Lines::new(4);
        let mut found: Vec<Line> = pieces.iter().flat_map(|piece| lines.feed(piece.as_bytes())).collect();
        found.extend(lines.end());
        let text = |line: Option<Vec<u8>>| line.map(|line| String::from_utf8(line).unwrap());
        found.into_iter().map(|(n, line)| (n, text(line))).collect()
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let text = "a\r\n\nbcde\nfghij\n  \nfghijklmnopq\r\nr";
        let whole = lines(&[text]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(whole, [(1, some("a")), (3, some("bcde")), (4, None), (6, None), (7, some("r"))]);
        for at in 0..text.len() {
            let (first, second) = text.split_at(at);
            assert_eq!(lines(&[first, second]), whole, "{at}");
        }
        let letters: Vec<&str> = text.split_inclusive(|_: char| true).collect();
        assert_eq!(lines(&letters), whole);
        assert_eq!(lines(&["a\n"]), [(1, some("a"))]);
        assert_eq!(lines(&["", "\n\n"]), []);
    }
}
