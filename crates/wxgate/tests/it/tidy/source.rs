//! A Rust file as far as its layout is concerned: what is code, which paths it names, how long its
//! functions are. No parser of Rust: it knows comments, quotes, brackets and paths.

use std::path::Path;

/// One file below a crate's `src`.
pub(super) struct Source {
    /// `http/proxy.rs`
    pub(super) name: String,
    /// `http::proxy`; empty for `lib.rs`.
    pub(super) module: String,
    /// As it is.
    pub(super) text: String,
    /// Comments and modules of tests blanked, line by line the same.
    pub(super) code: String,
    /// Likewise, and what stands in quotes.
    bare: String,
    /// Modules of tests that are files of their own.
    pub(super) tests: Vec<String>,
}

/// A path as it is written, groups of `use` taken apart: `crate::a::b`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// The inline modules around it.
    pub(super) inside: Vec<String>,
    /// What a `use` makes of it.
    pub(super) alias: Option<String>,
}

/// See [`Source::calls`].
pub(super) struct Call<'a> {
    pub(super) line: usize,
    pub(super) texts: Vec<&'a str>,
    pub(super) rest: &'a str,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

impl Source {
    /// Reads a file's text.
    pub(super) fn new(name: &str, text: &str) -> Self {
        let module = module_of(name);
        let (mut code, mut bare) = (blanked(text, false), blanked(text, true));
        let (blocks, names) = tests_in(&tokens(&bare));
        for (from, to) in blocks {
            code = blank(&code, from, to);
            bare = blank(&bare, from, to);
        }
        let tests = names.iter().map(|name| join(&module, name)).collect();
        Self { name: name.to_owned(), module, text: text.to_owned(), code, bare, tests }
    }

    /// Every `.rs` file below `root`, those that are tests too.
    pub(super) fn all(root: &Path) -> Vec<Self> {
        let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                    found.push(Self::new(&name, &std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(!found.is_empty(), "{}", root.display());
        found
    }

    /// Those of `all` that are no tests.
    pub(super) fn without_tests(mut all: Vec<Self>) -> Vec<Self> {
        let tests: Vec<String> = all.iter().flat_map(|source| source.tests.clone()).collect();
        all.retain(|source| !tests.iter().any(|test| is_in(&source.module, test)));
        all
    }

    /// Every call of `name`, as `tracing::warn!`: its line, what stands in quotes in it, and the rest.
    pub(super) fn calls(&self, name: &str) -> Vec<Call<'_>> {
        let mut found = Vec::new();
        for (at, _) in self.bare.match_indices(name) {
            let Some(open) = self.bare[at..].find('(').map(|open| at + open) else { continue };
            let mut depth = 0;
            let end = self.bare[open..].find(|c: char| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            let span = open..open + end.unwrap_or_default();
            let (mut texts, mut inside) = (Vec::new(), span.start);
            while inside < span.end {
                let (piece, length) = next_piece(&self.code[inside..]);
                if matches!(piece, Piece::Literal) {
                    texts.push(&self.code[inside..inside + length]);
                }
                inside += length;
            }
            let line = self.bare[..at].matches('\n').count() + 1;
            found.push(Call { line, texts, rest: &self.bare[span] });
        }
        found
    }

    /// Every identifier, with its line.
    pub(super) fn words(&self) -> impl Iterator<Item = (&str, usize)> {
        tokens(&self.bare).into_iter().filter(Token::is_word).map(|token| (token.text, token.line))
    }

    /// Every path of two segments and more, and what `use` imports.
    pub(super) fn paths(&self) -> Vec<Written> {
        let tokens = tokens(&self.bare);
        let (mut found, mut inside): (Vec<Written>, Vec<(usize, String)>) = (Vec::new(), Vec::new());
        let (mut at, mut depth) = (0, 0);
        while at < tokens.len() {
            let text = |ahead: usize| tokens.get(at + ahead).map_or("", |token| token.text);
            match text(0) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inside.retain(|(outer, _)| *outer < depth);
                }
                "mod" if text(2) == "{" => inside.push((depth, text(1).to_owned())),
                _ => {}
            }
            let is_visibility = at >= 2 && tokens[at - 1].text == "in" && tokens[at - 2].text == "(";
            if !begins_path(&tokens, at) || is_visibility {
                at += 1;
                continue;
            }
            let is_use = at > 0 && tokens[at - 1].text == "use";
            let mut leaves = Vec::new();
            let end = tree(&tokens, at, is_use, &[], &mut leaves);
            for Leaf { segments, line, name } in leaves {
                if is_use || segments.len() > 1 {
                    let inside = inside.iter().map(|(_, name)| name.clone()).collect();
                    found.push(Written { segments, line, inside, alias: name.filter(|_| is_use) });
                }
            }
            at = end;
        }
        found
    }

    /// Every function with a body, nested ones too.
    pub(super) fn functions(&self) -> Vec<Function> {
        let tokens = tokens(&self.bare);
        let mut found = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let Some(name) = tokens.get(at + 1).filter(|next| token.text == "fn" && next.is_word()) else {
                continue;
            };
            let mut nested = 0;
            let end_of_head = tokens[at..].iter().position(|token| {
                match token.text {
                    "(" | "[" => nested += 1,
                    ")" | "]" => nested -= 1,
                    _ => {}
                }
                nested == 0 && matches!(token.text, "{" | ";")
            });
            let Some(open) = end_of_head.map(|head| at + head).filter(|open| tokens[*open].text == "{")
            else {
                continue;
            };
            let end = tokens[closing(&tokens, open)].line;
            found.push(Function {
                name: name.text.to_owned(),
                line: token.line,
                lines: end - token.line + 1,
            });
        }
        found
    }
}

/// `http/proxy.rs` is `http::proxy`.
fn module_of(name: &str) -> String {
    let path = name.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

/// `a::b` and `c` are `a::b::c`.
pub(super) fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// Whether `module` is `outer` or below it.
pub(super) fn is_in(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The text with all but line ends replaced by blanks, from one byte to another.
fn blank(text: &str, from: usize, to: usize) -> String {
    let blanks = |part: &str| part.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect::<String>();
    [&text[..from], &blanks(&text[from..to]), &text[to..]].concat()
}

/// The text without its comments, and without its literals if they are to go too.
fn blanked(text: &str, literals: bool) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while at < text.len() {
        let (piece, length) = next_piece(&text[at..]);
        let part = &text[at..at + length];
        match piece {
            Piece::Comment => out.push_str(&blank(part, 0, length)),
            Piece::Literal if literals => out.push_str(&blank(part, 0, length)),
            Piece::Literal | Piece::Code => out.push_str(part),
        }
        at += length;
    }
    out
}

enum Piece {
    Code,
    Comment,
    /// A string or a character, quotes included.
    Literal,
}

/// What `text` begins with, and how many bytes it is.
fn next_piece(text: &str) -> (Piece, usize) {
    let first = text.chars().next().unwrap_or_default();
    if text.starts_with("//") {
        return (Piece::Comment, text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return (Piece::Comment, block_comment(text));
    }
    if let Some(length) = raw_string(text) {
        return (Piece::Literal, length);
    }
    match first {
        '"' => (Piece::Literal, quoted(text, '"')),
        '\'' => match character(text) {
            Some(length) => (Piece::Literal, length),
            // A lifetime.
            None => (Piece::Code, 1),
        },
        _ if is_in_word(first) => (Piece::Code, word(text)),
        _ => (Piece::Code, first.len_utf8()),
    }
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> usize {
    text.find(|c: char| !is_in_word(c)).unwrap_or(text.len())
}

/// Block comments stand in each other.
fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

/// `r"…"`, `br#"…"#`.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix(['b', 'c']).unwrap_or(text).strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// A literal to its closing quote, which no backslash stands before.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// `'a'`, `'\n'`, not `'a`.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, c) = chars.next()?;
    let (after, quote) = chars.next()?;
    if c == '\\' { Some(quoted(text, '\'')) } else { (quote == '\'').then_some(after + 1) }
}

/// A word, `::`, or one other character.
#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Token<'_> {
    /// Whether it is an identifier or a keyword.
    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

fn tokens(bare: &str) -> Vec<Token<'_>> {
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while let Some(first) = bare[at..].chars().next() {
        let rest = &bare[at..];
        let length = match first {
            _ if is_in_word(first) => word(rest),
            _ if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        if first == '\n' {
            line += 1;
        } else if !first.is_whitespace() {
            found.push(Token { text: &rest[..length], at, line });
        }
        at += length;
    }
    found
}

/// The bracket that closes the one at `open`; the last token if none does.
fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

/// The blocks `#[cfg(test)] mod … { }` in bytes, and the names in `#[cfg(test)] mod …;`.
fn tests_in(tokens: &[Token<'_>]) -> (Vec<(usize, usize)>, Vec<String>) {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut blocks, mut names) = (Vec::new(), Vec::new());
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    for at in 0..tokens.len() {
        if !(0..CFG_TEST.len()).all(|n| text(at + n) == CFG_TEST[n]) {
            continue;
        }
        let mut next = at;
        while text(next) == "#" {
            next = closing(tokens, next + 1) + 1;
        }
        if text(next) == "pub" {
            next = if text(next + 1) == "(" { closing(tokens, next + 1) + 1 } else { next + 1 };
        }
        match (text(next), text(next + 2)) {
            ("mod", "{") => {
                let end = tokens[closing(tokens, next + 2)];
                blocks.push((tokens[at].at, end.at + end.text.len()));
            }
            ("mod", ";") => names.push(text(next + 1).to_owned()),
            _ => {}
        }
    }
    (blocks, names)
}

/// Whether a path begins at this word: nothing is before it that it belongs to.
fn begins_path(tokens: &[Token<'_>], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| tokens[at]);
    let follows = match before(1).map(|token| token.text) {
        Some(".") => true,
        // Not so in `::std::x`.
        Some("::") => before(2).is_some_and(|token| token.is_word() || token.text == ">"),
        _ => false,
    };
    tokens[at].is_word() && !follows
}

struct Leaf {
    segments: Vec<String>,
    line: usize,
    /// What it is called where it is imported; nothing for `*`.
    name: Option<String>,
}

/// Reads `a::b`, or of a `use` also `a::{b, c::d}`, after `prefix`; returns where it ends.
fn tree(
    tokens: &[Token<'_>],
    mut at: usize,
    is_use: bool,
    prefix: &[String],
    leaves: &mut Vec<Leaf>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let (begins, mut segments) = (at, prefix.to_vec());
    let mut line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at).filter(|token| token.is_word()) {
        line = token.line;
        // `a::{self}` is `a`.
        if token.text != "self" || segments.is_empty() {
            segments.push(token.text.to_owned());
        }
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
        if text(at) == "{" {
            let end = closing(tokens, at);
            at += 1;
            while at < end {
                at = tree(tokens, at, is_use, &segments, leaves);
                // Past what is no path, so that nothing is read forever.
                at += 1;
            }
            return end + 1;
        }
    }
    let (name, end) = match text(at) {
        "as" if is_use => (Some(text(at + 1).to_owned()), at + 2),
        "*" => (None, at),
        _ => (segments.last().cloned(), at),
    };
    if begins < at {
        leaves.push(Leaf { segments, line, name });
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        Source::new("x.rs", text).paths().into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_quotes_are_no_code() {
        let cases = [
            ("a // crate::b", "a"),
            ("a /* b /* c */ d */ e", "a e"),
            (r#"a("b // \" {") c"#, r#"a("b // \" {") c"#),
            ("'/' // x", "'/'"),
            ("'\\'' // x", "'\\''"),
            ("fn f<'a>(x: &'a str) // '", "fn f<'a>(x: &'a str)"),
            ("r#\"a \" // \"# b", "r#\"a \" // \"# b"),
            ("汉 // 汉", "汉"),
            ("bar\"x\" /", "bar\"x\" /"),
            ("\"unclosed // ", "\"unclosed //"),
        ];
        for (text, code) in cases {
            let source = Source::new("x.rs", text);
            assert_eq!(source.code.split_whitespace().collect::<Vec<_>>().join(" "), code);
            assert_eq!(source.code.len(), text.len());
        }
        let literals =
            [("f(\"{\", '{', b'{', r\"{\", br##\"{\"#\"##, b\"\\\"{\")", "f("), ("'\\u{7b}' x", "        ")];
        for (text, begins) in literals {
            let bare = Source::new("x.rs", text).bare;
            assert!(bare.starts_with(begins) && !bare.contains('{') && bare.len() == text.len(), "{bare}");
        }
    }

    #[test]
    fn modules_of_tests_are_no_code_and_what_follows_them_is() {
        let text = "a;\n#[cfg(test)]\nmod tests {\n  fn f() { \"}\"; '}'; } // }\n}\nb;\n#[cfg(test)]\nuse c::d;\n\
                    #[cfg(test)]\n#[path = \"x\"]\npub(crate) mod more;\n#[cfg(test)]\nfn e() {}\n";
        let source = Source::new("a/b.rs", text);
        assert_eq!(source.tests, ["a::b::more"]);
        assert_eq!(source.code.lines().count(), text.lines().count());
        let words: Vec<&str> = source.words().map(|(word, _)| word).collect();
        assert!(!words.contains(&"tests") && !words.contains(&"f"), "{words:?}");
        assert!(["a", "b", "c", "e"].iter().all(|word| words.contains(word)), "{words:?}");
        assert_eq!(source.words().find(|(word, _)| *word == "b"), Some(("b", 6)));
    }

    #[test]
    fn files_are_modules() {
        let module = |name: &str| Source::new(name, "").module;
        assert_eq!(["lib.rs", "main.rs", "a/b.rs", "a/mod.rs"].map(module), ["", "main", "a::b", "a"]);
        assert!(is_in("a::b", "a") && is_in("a", "a") && !is_in("ab", "a") && !is_in("a", "a::b"));
    }

    #[test]
    fn paths_and_their_groups() {
        let cases: &[(&str, &[&str])] = &[
            ("use crate::a;", &["crate::a"]),
            ("use crate::{a, b::c};", &["crate::a", "crate::b::c"]),
            (
                "use crate::a::{self, b, c::{d, e as f}, g::*};",
                &["crate::a", "crate::a::b", "crate::a::c::d", "crate::a::c::e", "crate::a::g"],
            ),
            ("use crate::{\n    a::{b},\n    c,\n};\nx::y", &["crate::a::b", "crate::c", "x::y"]),
            ("f(crate::a::B { c: d::E }, g)", &["crate::a::B", "d::E"]),
            ("crate::a::b::<crate::c::D>()", &["crate::a::b", "crate::c::D"]),
            ("x.collect::<super::a::B>()", &["super::a::B"]),
            ("<A as b::C>::d(self::e::f)", &["b::C", "self::e::f"]),
            ("::std::a", &["std::a"]),
            ("pub(crate) pub(super) pub(in crate::a) for x in crate::b::c {}", &["crate::b::c"]),
            ("super::super::a::b!(1)", &["super::super::a::b"]),
            ("match x { A::B(c) => d, e => f }", &["A::B"]),
            ("use std::{io, net::TcpStream};", &["std::io", "std::net::TcpStream"]),
            ("a.b; c; d()", &[]),
            ("a as b::C", &["b::C"]),
            ("use crate::{a, *};", &["crate::a"]),
            ("use crate::{", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(paths(text), *expected, "{text}");
        }
        let text = "\nuse a::{\n  b,\n  c as d,\n};\nmod inner {\n  use e::f;\n}\ng::h();\n";
        let written = |path: &Written| {
            (
                path.segments.join("::"),
                path.line,
                path.inside.join("::"),
                path.alias.clone().unwrap_or_default(),
            )
        };
        let found: Vec<_> = Source::new("x.rs", text).paths().iter().map(written).collect();
        let expected =
            [("a::b", 3, "", "b"), ("a::c", 4, "", "d"), ("e::f", 7, "inner", "f"), ("g::h", 9, "", "")];
        let expected = expected
            .map(|(path, line, inside, alias)| (path.to_owned(), line, inside.to_owned(), alias.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn functions_are_as_long_as_their_lines() {
        let text = "fn one() { \"}\" }\nimpl A {\n    pub async fn two<T: Fn() -> [u8; 2]>(\n        self,\n    ) -> T\n    \
                    where\n        T: X,\n    {\n        if a { b } // }\n    }\n}\ntrait B {\n    fn none(x: [u8; 3]);\n}\n\
                    type C = fn(u8) -> u8;\n#[cfg(test)]\nmod tests {\n    fn three() {}\n}\n";
        let found: Vec<_> = Source::new("x.rs", text)
            .functions()
            .into_iter()
            .map(|function| (function.name, function.line, function.lines))
            .collect();
        assert_eq!(found, [("one".to_owned(), 1, 1), ("two".to_owned(), 3, 8)]);
    }
}
