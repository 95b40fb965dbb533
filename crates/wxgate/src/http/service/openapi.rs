//! The service API as OpenAPI 3.1, written from [`super::table`].

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::param::{Doc, Param, Shape};
use super::table::{ENDPOINTS, Operation, Own, Takes};
use crate::http::PREFIX;

/// Says a text of the document in its language.
type Say = fn(&'static str, &'static str) -> &'static str;

static CHINESE: LazyLock<String> = LazyLock::new(|| generate(|zh, _| zh));
static ENGLISH: LazyLock<String> = LazyLock::new(|| generate(|_, en| en));

/// The document, in English or Chinese.
pub fn document(english: bool) -> &'static str {
    if english { &ENGLISH } else { &CHINESE }
}

/// Writes the document from the table.
fn generate(t: Say) -> String {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let method = endpoint.method.as_str().to_lowercase();
        paths.insert(format!("{PREFIX}{}", endpoint.name), json!({ method: operation(endpoint, t) }));
    }
    for path in ["wxmsg", "wxmsg/{appid}"] {
        paths.insert(format!("{PREFIX}{path}"), callback(path, t));
    }
    paths.insert(format!("{PREFIX}oauth/start"), login(t));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": t("wxgate 服务接口", "wxgate service API"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": t(
                "公司的微信公众号和小程序由 wxgate 统一管理，各后端通过这些接口使用。\
                 HTTP 状态码 200 表示请求已被理解并尝试，结果看 ret.code；400 不是合法 JSON，401 没有密钥或密钥不对，\
                 403 调用方无权，404/405 没有此接口或方法，413 请求体太大，429 超过调用方的速率，500 内部错误，503 过载。",
                "wxgate owns a company's official accounts and mini programs; backends use them through these calls. \
                 HTTP status 200 says that a request was understood and tried, and ret.code what came of it; 400 no JSON, \
                 401 no key or a wrong one, 403 the caller may not, 404/405 no such endpoint or method, 413 the body is too large, \
                 429 over the caller's rate, 500 an internal error, 503 too much at once.",
            ),
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"header": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": t("调用方密钥", "the caller's key")},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": t("调用方密钥", "the caller's key")},
            },
            "schemas": {"Ret": ret(), "Failure": failure(t)},
        },
    });
    format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default())
}

fn in_words((zh, en): Doc, t: Say) -> &'static str {
    t(zh, en)
}

/// A browser's, without a key.
fn login(t: Say) -> Value {
    let query = |name: &str, required: bool, doc: &str| json!({"name": name, "in": "query", "required": required, "schema": {"type": "string"}, "description": doc});
    let page = json!({"text/html": {"schema": {"type": "string"}}});
    json!({"get": {
        "operationId": "oauth_start",
        "summary": t("网页授权：浏览器从这里去微信，带着 code 和 state 回到 redirect_uri", "Web OAuth: a browser goes from here to WeChat, and comes back to redirect_uri with code and state"),
        "security": [],
        "parameters": [
            query("appid", true, t("公众号或网站应用", "an official account or a website app")),
            query("redirect_uri", true, t("须符合 [[apps]] 的 oauth_redirects", "one that oauth_redirects of [[apps]] allows")),
            query("scope", true, t("snsapi_base、snsapi_userinfo 或 snsapi_login", "snsapi_base, snsapi_userinfo or snsapi_login")),
            query("state", false, t("原样带回", "given back as it is")),
        ],
        "responses": {
            "302": {"description": t("去微信的授权页", "to WeChat's page")},
            "400": {"description": t("参数不对，或 redirect_uri 不在 oauth_redirects 里", "a wrong parameter, or a redirect_uri that oauth_redirects doesn't allow"), "content": page},
            "500": {"description": t("没有配置 server.public_url", "server.public_url is not configured"), "content": page},
        },
    }})
}

/// WeChat's own: signed by it, without a key.
fn callback(path: &str, t: Say) -> Value {
    let query = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let mut parameters: Vec<Value> = ["signature", "timestamp", "nonce"].map(query).to_vec();
    if path.contains("{appid}") {
        parameters
            .push(json!({"name": "appid", "in": "path", "required": true, "schema": {"type": "string"}}));
    }
    let text = json!({"text/plain": {"schema": {"type": "string"}}});
    let refused = json!({"description": t("签名、密钥或时间戳不对", "wrong signature, key or timestamp"), "content": text});
    let method = |verb: &str, summary: &str, more: &[&str], answer: Value, refusals: &[(&str, &str)]| {
        let parameters: Vec<Value> =
            parameters.iter().cloned().chain(more.iter().map(|name| query(name))).collect();
        let mut responses = json!({"200": answer, "403": refused});
        for (status, meaning) in refusals {
            responses[*status] = json!({"description": meaning, "content": text});
        }
        let suffix = if path.contains('{') { "_appid" } else { "" };
        json!({
            "operationId": format!("wxmsg_{verb}{suffix}"), "summary": summary, "security": [],
            "parameters": parameters, "responses": responses,
        })
    };
    let mut post = method(
        "post",
        t(
            "微信推送消息和事件：存下之后才应答",
            "WeChat pushes a message or an event: it is answered once it is stored",
        ),
        &["openid", "encrypt_type", "msg_signature"],
        json!({"description": t("success，或被动回复", "success, or the passive reply"), "content": {"text/plain": {}, "text/xml": {}, "application/json": {}}}),
        &[
            ("413", t("超过 1 MiB", "over 1 MiB")),
            ("500", t("没有存下：微信会重发", "not stored: WeChat sends it again")),
            ("503", t("过载：微信会重发", "too much at once: WeChat sends it again")),
        ],
    );
    post["requestBody"] = json!({"required": true, "content": {"text/xml": {}, "application/json": {}}});
    let get = method(
        "get",
        t("微信验证回调地址", "WeChat checks the callback URL"),
        &["echostr"],
        json!({"description": t("原样返回 echostr", "echostr as it is"), "content": text}),
        &[],
    );
    json!({"get": get, "post": post})
}

fn operation(endpoint: &Operation, t: Say) -> Value {
    if endpoint.is_document() {
        return json!({
            "operationId": endpoint.name, "summary": in_words(endpoint.summary, t), "security": [],
            "responses": {"200": {"description": t("OpenAPI 文档", "the OpenAPI document"), "content": {"application/json": {}}}},
        });
    }
    let mut content = json!({"application/json": {"schema": {"oneOf": [
        success(endpoint), {"$ref": "#/components/schemas/Failure"},
    ]}}});
    if endpoint.picture {
        content["image/*"] = json!({"schema": {"type": "string", "format": "binary"}});
    }
    if let Some(media) = endpoint.own.as_ref().and_then(|own| own.gives) {
        content = json!({media: {"schema": {"type": "string"}}, "application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}});
    }
    let mut operation = json!({
        "operationId": endpoint.name.replace('/', "_").replace(['{', '}'], ""),
        "summary": in_words(endpoint.summary, t),
        "responses": {"200": {"description": t("已尝试：结果看 ret.code", "it was tried: ret.code says what came of it"), "content": content}},
    });
    let failure = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}});
    let refusals = [
        ("400", t("请求体不是合法的 JSON", "the body is no JSON object")),
        ("401", t("没有密钥，或密钥不对", "no key, or a wrong one")),
        ("403", t("调用方无权", "the caller may not")),
        ("413", t("请求体太大", "the body is too large")),
        ("429", t("超过调用方的速率", "over the caller's rate")),
        ("500", t("内部错误", "an internal error")),
        ("503", t("过载", "too much at once")),
    ];
    for (status, meaning) in refusals {
        operation["responses"][status] = json!({"description": meaning, "content": failure});
    }
    if let Some(own) = &endpoint.own {
        alone(&mut operation, endpoint, own, t);
    } else if endpoint.method == http::Method::GET {
        operation["parameters"] = json!([
            {"name": "appid", "in": "query", "required": true, "schema": {"type": "string"}},
        ]);
    } else {
        operation["requestBody"] = json!({
            "required": true, "content": {"application/json": {"schema": request(endpoint, t)}},
        });
    }
    operation
}

/// What a call takes that is for no single app.
fn alone(operation: &mut Value, endpoint: &Operation, own: &Own, t: Say) {
    let query = own.takes == Takes::Query || own.takes == Takes::Lines;
    operation["parameters"] = own_parameters(endpoint, query, own, t);
    let failure = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}});
    operation["requestBody"] = match own.takes {
        Takes::Query => {
            if let Some(operation) = operation.as_object_mut() {
                operation.remove("requestBody");
            }
            return;
        }
        Takes::Raw => {
            let late = t("来不及了，或已经答过", "too late, or answered already");
            operation["responses"]["409"] = json!({"description": late, "content": failure});
            json!({"required": true, "content": {"text/xml": {}, "application/json": {}}})
        }
        Takes::Lines => {
            let lines = t("每行一个 sendwxtemplatemsg 的请求", "a request of sendwxtemplatemsg a line");
            json!({
                "required": true, "content": {"application/x-ndjson": {"schema": {"type": "string", "description": lines}}},
            })
        }
        Takes::Json => {
            let mut schema = request(endpoint, t);
            schema["required"] =
                endpoint.params.iter().filter(|one| one.required).map(|one| one.name).collect();
            for name in ["source", "appid"] {
                if let Some(properties) = schema["properties"].as_object_mut() {
                    properties.remove(name);
                }
            }
            json!({"required": true, "content": {"application/json": {"schema": schema}}})
        }
    };
}

/// What stands in the path and the query, and in a header.
fn own_parameters(endpoint: &Operation, query: bool, own: &Own, t: Say) -> Value {
    let named = endpoint.name.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path =
        named.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let params = if query { endpoint.params } else { &[] };
    let in_query = params.iter().map(|param| {
        let (schema, doc) = (schema(param), in_words(param.doc, t));
        json!({"name": param.name, "in": "query", "required": param.required, "schema": schema, "description": doc})
    });
    let key = (own.takes == Takes::Lines).then(|| {
        let doc = t("同一个值得到同一个任务", "the same value is the same job");
        json!({"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 128}, "description": doc})
    });
    in_path.chain(in_query).chain(key).collect()
}

fn schema(param: &Param) -> Value {
    match param.shape {
        Shape::Text(most) => json!({"type": "string", "maxLength": most}),
        Shape::Choice(allowed) => json!({"type": "string", "enum": allowed}),
        Shape::Int(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Object => json!({"type": "object"}),
        Shape::ObjectOrText => json!({"type": ["object", "string"]}),
    }
}

fn request(endpoint: &Operation, t: Say) -> Value {
    let mut properties = Map::new();
    let text = |doc: &str| json!({"type": "string", "description": doc});
    properties.insert("source".to_owned(), text(t("调用方业务的名字", "the name of the calling business")));
    properties.insert(
        "appid".to_owned(),
        text(t("公众平台上的 AppID（也可写 app_id）", "the AppID (app_id is the same)")),
    );
    let mut required = vec!["source"];
    if endpoint.app_of.is_none() {
        required.push("appid");
    }
    for param in endpoint.params {
        let mut schema = schema(param);
        schema["description"] = in_words(param.doc, t).into();
        properties.insert(param.name.to_owned(), schema);
        if param.required {
            required.push(param.name);
        }
    }
    json!({"type": "object", "required": required, "properties": properties})
}

fn success(endpoint: &Operation) -> Value {
    let properties: Map<String, Value> =
        endpoint.answer.iter().map(|(name, kind)| ((*name).to_owned(), json!({"type": kind}))).collect();
    let names: Vec<&str> = endpoint.answer.iter().map(|(name, _)| *name).collect();
    json!({
        "type": "object",
        "required": ["ret", "body"],
        "properties": {
            "ret": {"$ref": "#/components/schemas/Ret"},
            "body": {"type": "object", "required": names, "properties": properties},
        },
    })
}

fn ret() -> Value {
    json!({
        "type": "object",
        "required": ["code", "msg", "request_id"],
        "properties": {
            "code": {"type": "integer", "const": 0},
            "msg": {"type": "string", "const": "OK"},
            "request_id": {"type": "string"},
        },
    })
}

fn failure(t: Say) -> Value {
    json!({
        "type": "object",
        "required": ["ret", "body"],
        "properties": {
            "ret": {
                "type": "object",
                "required": ["code", "msg", "request_id", "retryable"],
                "properties": {
                    "code": {"type": "integer", "minimum": 3_584_001, "maximum": 3_584_016},
                    "msg": {"type": "string", "description": t("哪里不对、怎么办；Accept-Language: en 时为英文", "what is wrong and what to do; in Chinese without Accept-Language: en")},
                    "request_id": {"type": "string"},
                    "retryable": {"type": "boolean"},
                    "wx_errcode": {"type": "integer", "description": t("微信的错误码（微信应答了才有）", "WeChat's code (if WeChat answered)")},
                    "wx_errmsg": {"type": "string"},
                    "wx_rid": {"type": "string"},
                },
            },
            "body": {"type": "null"},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_current() {
        let committed = include_str!("../../../../../openapi.json");
        assert_eq!(document(false), committed, "write it anew: make gen");
    }

    #[test]
    fn every_description_is_in_the_language_of_its_document() {
        fn descriptions(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    for (name, member) in members {
                        match (name.as_str(), member) {
                            ("description" | "summary" | "title", Value::String(text)) => {
                                found.push(text.clone())
                            }
                            _ => descriptions(member, found),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| descriptions(item, found)),
                _ => {}
            }
        }
        let is_chinese = |text: &String| text.contains(|c: char| ('\u{3400}'..='\u{9fff}').contains(&c));
        let read = |english| {
            let mut found = Vec::new();
            descriptions(&serde_json::from_str(document(english)).unwrap(), &mut found);
            found
        };
        let (zh, en) = (read(false), read(true));
        assert!(zh.len() > 50 && zh.len() == en.len());
        for (zh, en) in zh.iter().zip(&en) {
            assert!(is_chinese(zh) && !is_chinese(en), "{zh}: {en}");
        }
    }
}
