//! The admin API as OpenAPI 3.1, written from two tables: [`calls`] has every call, [`shapes`] what goes in and comes out. A test
//! asks each call of a living gateway and holds its answers to them.
//!
//! A shape's members are `name:type`, apart by spaces. A type is `text`, `int`, `number`, `bool`, `any`, words apart by `|`, or the
//! name of a shape; `[type]` is a list, `{type}` a map by name; `?` behind it: or null; `?` behind the name: may be absent.

mod calls;
mod shapes;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use calls::{CALLS, Call, Who};
use shapes::SHAPES;

static CHINESE: LazyLock<String> = LazyLock::new(|| generate(|zh, _| zh));
static ENGLISH: LazyLock<String> = LazyLock::new(|| generate(|_, en| en));

/// Says a text of the document in its language.
type Say = fn(&'static str, &'static str) -> &'static str;

/// The document, in English or Chinese.
pub fn document(english: bool) -> &'static str {
    if english { &ENGLISH } else { &CHINESE }
}

/// Its paths, for log and counters.
pub fn paths() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|call| call.path)
}

fn generate(t: Say) -> String {
    let mut paths: Map<String, Value> = Map::new();
    for call in CALLS {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method.to_lowercase()] = operation(call, t);
    }
    let shapes: Map<String, Value> =
        SHAPES.iter().map(|(name, members)| ((*name).to_owned(), object(members))).collect();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": t("wxgate 管理接口", "wxgate admin API"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": t(
                "在管理端口上。凭 Authorization: Bearer <WXGATE_ADMIN_TOKEN>，或凭控制台的登录（写操作另需 X-Wxgate-Csrf 和控制台自己的 Origin）。\
                 错误是 application/problem+json。时间是 Unix 秒，名字以 _ms 结尾的是 Unix 毫秒，ms 是时长。",
                "On the admin port. By Authorization: Bearer <WXGATE_ADMIN_TOKEN>, or by the console's login (changes need X-Wxgate-Csrf and the \
                 console's own Origin, too). Errors are application/problem+json. Times are Unix seconds, those whose names end in _ms Unix \
                 milliseconds, and ms is a duration.",
            ),
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "wxgate_36013",
                    "description": "wxgate_<管理端口 / the admin port>；server.admin_url 是 https 时前面加 __Host-"},
            },
            "schemas": shapes,
        },
    });
    format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default())
}

fn operation(call: &Call, t: Say) -> Value {
    let named = call.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = named
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    parameters.extend(members(call.query).map(|(name, optional, of)| {
        json!({"name": name, "in": "query", "required": !optional, "schema": schema(of)})
    }));
    let answer = match call.answer {
        "" => json!({"description": "-"}),
        "stream" => json!({"description": "SSE", "content": {"text/event-stream": {}}}),
        "file" => json!({"description": "SQLite", "content": {"application/vnd.sqlite3": {}}}),
        of => json!({"description": "-", "content": {"application/json": {"schema": schema(of)}}}),
    };
    let problem = json!({"description": "problem", "content": {"application/problem+json": {"schema": schema("Refusal")}}});
    let mut operation = json!({
        "summary": t(call.zh, call.en),
        // Changes must come from the console's own page, unless they come by the token.
        "x-role": call.who.name(),
        "parameters": parameters,
        "responses": {call.status.to_string(): answer, "default": problem},
    });
    if !call.body.is_empty() {
        let body = json!({"required": true, "content": {"application/json": {"schema": schema(call.body)}}});
        operation["requestBody"] = body;
    }
    if call.who == Who::Everybody {
        operation["security"] = json!([]);
    }
    operation
}

/// Name, whether it may be absent, and type.
fn members(text: &'static str) -> impl Iterator<Item = (&'static str, bool, &'static str)> {
    text.split_whitespace().filter_map(|member| {
        let (name, of) = member.split_once(':')?;
        let bare = name.strip_suffix('?');
        Some((bare.unwrap_or(name), bare.is_some(), of))
    })
}

fn object(text: &'static str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, optional, of) in members(text) {
        properties.insert(name.to_owned(), schema(of));
        if !optional {
            required.push(name);
        }
    }
    // `*` as a member: whatever keys its kind has in the configuration, too.
    let is_open = properties.remove("*").is_some();
    required.retain(|name| *name != "*");
    json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": is_open,
    })
}

fn schema(of: &str) -> Value {
    if let Some(of) = of.strip_suffix('?') {
        return json!({"anyOf": [schema(of), {"type": "null"}]});
    }
    let within = |from: char, to: char| of.strip_prefix(from)?.strip_suffix(to);
    if let Some(item) = within('[', ']') {
        return json!({"type": "array", "items": schema(item)});
    }
    if let Some(value) = within('{', '}') {
        return json!({"type": "object", "additionalProperties": schema(value)});
    }
    match of {
        "text" => json!({"type": "string"}),
        "int" => json!({"type": "integer"}),
        "number" => json!({"type": "number"}),
        "bool" => json!({"type": "boolean"}),
        "any" => json!({}),
        of if of.starts_with(|first: char| first.is_ascii_uppercase()) => {
            json!({"$ref": format!("#/components/schemas/{of}")})
        }
        words => json!({"type": "string", "enum": words.split('|').collect::<Vec<_>>()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_that_is_named_is_there() {
        let document: Value = serde_json::from_str(document(true)).unwrap();
        let mut named = Vec::new();
        collect(&document, &mut named);
        for name in named {
            let name = name.rsplit_once('/').unwrap().1;
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }

    fn collect(value: &Value, named: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                named.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| collect(value, named));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, named)),
            _ => {}
        }
    }

    #[test]
    fn types_are_read() {
        let text = json!({"type": "string"});
        assert_eq!(schema("[text]?"), json!({"anyOf": [{"type": "array", "items": text}, {"type": "null"}]}));
        assert_eq!(
            schema("{[int]}"),
            json!({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}})
        );
        assert_eq!(schema("a|b"), json!({"type": "string", "enum": ["a", "b"]}));
        assert_eq!(object("a:int b?:Node")["required"], json!(["a"]));
    }
}
