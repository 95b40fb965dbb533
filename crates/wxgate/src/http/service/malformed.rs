//! Why a body is no JSON object, told so that whoever wrote it knows what to change.

use serde_json::error::Category;

use crate::problem::{Code, Problem, Words};

/// `body` is empty.
pub(super) fn empty() -> Problem {
    problem(Words::new("请求体是空的：应是 JSON 对象", "the body is empty: it must be a JSON object"))
}

/// `body` is JSON, but no object.
pub(super) fn other(value: &serde_json::Value) -> Problem {
    use serde_json::Value;
    problem(match value {
        Value::Array(_) => Words::new(
            "请求体是数组：应是 JSON 对象 {…}，一次一个请求",
            "the body is an array: it must be a JSON object {…}, one request at a time",
        ),
        Value::String(text) if text.trim_start().starts_with('{') => Words::new(
            "请求体是一个 JSON 字符串，里面才是对象：它被编码了两次，只编码一次",
            "the body is a JSON string that holds an object: it was encoded twice, encode it once",
        ),
        _ => Words::new("请求体应是 JSON 对象 {…}", "the body must be a JSON object {…}"),
    })
}

/// `body` is no JSON, as `error` says.
pub(super) fn broken(body: &[u8], error: &serde_json::Error) -> Problem {
    problem(encoding(body).or_else(|| habit(body, error)).unwrap_or_else(|| {
        let (line, column) = (error.line(), error.column());
        Words::new(
            format!("请求体不是合法的 JSON（第 {line} 行第 {column} 列）：检查那里的引号和逗号"),
            format!(
                "the body is no valid JSON (line {line}, column {column}): check quotes and commas there"
            ),
        )
    }))
}

fn problem(words: Words) -> Problem {
    Problem::new(Code::Json, words.zh, words.en)
}

/// Something else than UTF-8.
fn encoding(body: &[u8]) -> Option<Words> {
    let is_utf16 =
        body.starts_with(&[0xFF, 0xFE]) || body.starts_with(&[0xFE, 0xFF]) || body.get(1) == Some(&0);
    if is_utf16 {
        return Some(Words::new("请求体是 UTF-16 编码：改用 UTF-8", "the body is UTF-16: send UTF-8"));
    }
    let at = std::str::from_utf8(body).err()?.valid_up_to() + 1;
    Some(Words::new(
        format!("请求体不是 UTF-8 编码（从第 {at} 个字节起），多半是 GBK：改用 UTF-8 发送"),
        format!("the body is not UTF-8 (from byte {at} on), most likely GBK: send UTF-8"),
    ))
}

/// What people write who didn't mean to write JSON by hand.
fn habit(body: &[u8], error: &serde_json::Error) -> Option<Words> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let here = text_at(text, error).trim_start_matches([',', ':', ' ', '{', '[']);
    let begins = |words: &[&str]| words.iter().any(|word| here.starts_with(word));
    Some(if is_form(text) {
        Words::new(
            "请求体是表单（a=b&c=d）：这里只收 JSON 对象，如 {\"source\":\"shop\"}",
            "the body is a form (a=b&c=d): send a JSON object, as {\"source\":\"shop\"}",
        )
    } else if text.starts_with('<') || text.starts_with("--") {
        Words::new(
            "请求体是 XML 或 multipart：这里只收 JSON 对象",
            "the body is XML or multipart: send a JSON object",
        )
    } else if error.classify() == Category::Eof {
        Words::new(
            "请求体的 JSON 没有写完：少了引号或括号，或 Content-Length 比实际短（要按字节算，不是字符）",
            "the body's JSON ends too early: a quote or bracket is missing, or Content-Length is short (it counts bytes, not characters)",
        )
    } else if begins(&["'", "‘", "’", "“", "”"]) {
        Words::new(
            "JSON 的字符串用英文双引号 \"：Python 里用 json.dumps，不要用 str()；命令行里外面用单引号、里面用双引号",
            "strings of JSON have double quotes \": use json.dumps in Python, not str(); in a shell, single quotes outside and double ones inside",
        )
    } else if begins(&["None", "True", "False", "NaN", "Infinity", "undefined"]) {
        Words::new(
            "JSON 里写 null、true、false，没有 None、True、NaN、undefined：用语言自带的 JSON 库生成",
            "JSON has null, true and false, not None, True, NaN or undefined: let your language's JSON library write it",
        )
    } else if begins(&["}", "]"]) {
        Words::new(
            "最后一项之后多了一个逗号：JSON 不允许",
            "there is a comma behind the last item: JSON allows none",
        )
    } else if begins(&["//", "/*", "#"]) {
        Words::new("JSON 里不能有注释", "JSON has no comments")
    } else if begins(&["\\"]) {
        Words::new(
            "引号前多了反斜杠：JSON 被转义了两次",
            "there are backslashes before the quotes: the JSON was escaped twice",
        )
    } else {
        return None;
    })
}

/// The text where `error` is, from the character before it.
fn text_at<'a>(text: &'a str, error: &serde_json::Error) -> &'a str {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let mut at = error.column().saturating_sub(1).min(line.len());
    // A word is refused at its second letter, or behind it.
    while at > 0 && (!line.is_char_boundary(at) || line[..at].ends_with(char::is_alphabetic)) {
        at -= 1;
    }
    &line[at..]
}

fn is_form(text: &str) -> bool {
    let is_pair = |pair: &str| {
        let name = pair.split_once('=').map_or("", |(name, _)| name);
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(&byte))
    };
    text.split('&').all(is_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &[u8]) -> String {
        let error = serde_json::from_slice::<serde_json::Value>(body).unwrap_err();
        broken(body, &error).words.zh.into_owned()
    }

    #[test]
    fn each_habit_has_its_words() {
        for (body, words) in [
            (&b"source=t&appid=wx1"[..], "表单"),
            (b"a=1", "表单"),
            (b"<xml><a/></xml>", "XML"),
            (b"{\"source\":\"t\"", "没有写完"),
            (b"{\"source\":\"t", "没有写完"),
            (b"{'source': 't'}", "双引号"),
            ("{“source”: 1}".as_bytes(), "双引号"),
            (b"{\"source\": 't'}", "双引号"),
            (b"{\"a\": None}", "null"),
            (b"{\"a\":True}", "null"),
            (b"{\n  \"a\": 1,\n  \"b\": False\n}", "null"),
            (b"{\"a\": undefined}", "null"),
            (b"{\"a\":NaN}", "null"),
            (b"{\"a\":1,}", "多了一个逗号"),
            (b"{\"a\":[1,2,]}", "多了一个逗号"),
            (b"{\"a\":1, // x\n\"b\":2}", "注释"),
            (b"{\\\"a\\\":1}", "转义了两次"),
            (b"{\"a\":1 \"b\":2}", "第 1 行第 8 列"),
            (b"hello", "第 1 行"),
            (b"{\"n\":\"\xc4\xcc\xb2\xe8\"}", "GBK"),
            (b"\xff\xfe{\x00}\x00", "UTF-16"),
        ] {
            let told = said(body);
            assert!(told.contains(words), "{}: {told}", String::from_utf8_lossy(body));
        }
    }
}
