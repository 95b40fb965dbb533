//! `text/event-stream`, read as it comes.

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// An event; `id` is "" if it has none of its own.
    Event { name: String, id: String, data: String },
    /// A comment.
    Comment(String),
}

/// No line is longer: what is longer than any message can be comes from no gateway.
const LONGEST: usize = 16 << 20;

/// Reads pieces, wherever they are cut.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte was `\r`: a `\n` that follows belongs to it.
    was_return: bool,
    name: String,
    id: String,
    data: Option<String>,
}

impl Parser {
    /// What is whole with this piece; `None`: that is no stream of events.
    pub(super) fn push(&mut self, piece: &[u8]) -> Option<Vec<Said>> {
        let mut said = Vec::new();
        for byte in piece {
            let was_return = std::mem::replace(&mut self.was_return, *byte == b'\r');
            match byte {
                b'\n' if was_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    said.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                _ if self.line.len() >= LONGEST => return None,
                byte => self.line.push(*byte),
            }
        }
        Some(said)
    }

    fn line(&mut self, line: &str) -> Option<Said> {
        if line.is_empty() {
            let (name, id) = (std::mem::take(&mut self.name), std::mem::take(&mut self.id));
            return self.data.take().map(|data| Said::Event { name, id, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return Some(Said::Comment(value.to_owned())),
            "event" => value.clone_into(&mut self.name),
            "id" => value.clone_into(&mut self.id),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_it_is_cut_the_same_is_read() {
        let text = ": place 7\n\nid: 8\nevent: wechat.event.scan\ndata: {\"a\":\r\ndata:1}\n\nevent: replay\rdata: 你\r\r\nevent: x\n\n";
        let event = |name: &str, id: &str, data: &str| Said::Event {
            name: name.to_owned(),
            id: id.to_owned(),
            data: data.to_owned(),
        };
        let expected = [
            Said::Comment("place 7".to_owned()),
            event("wechat.event.scan", "8", "{\"a\":\n1}"),
            event("replay", "", "你"),
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let pieces = text.as_bytes().chunks(size).map(|piece| parser.push(piece).unwrap());
            assert_eq!(pieces.flatten().collect::<Vec<_>>(), expected, "{size}");
        }
    }
}
