//! The service API as OpenAPI 3.1, written from [`super::table`].

use serde_json::{Map, Value, json};

use super::param::{Param, Shape};
use super::table::{ENDPOINTS, Operation};
use crate::http::PREFIX;

/// The document, as committed; a test holds it equal to [`generate`].
pub const DOCUMENT: &str = include_str!("../../../../../openapi.json");

/// Writes the document from the table.
pub fn generate() -> String {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let method = endpoint.method.as_str().to_lowercase();
        paths.insert(format!("{PREFIX}{}", endpoint.name), json!({ method: operation(endpoint) }));
    }
    for path in ["wxmsg", "wxmsg/{appid}"] {
        paths.insert(format!("{PREFIX}{path}"), callback(path));
    }
    paths.insert(format!("{PREFIX}oauth/start"), login());
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "wxgate 服务接口",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "公司的微信公众号和小程序由 wxgate 统一管理，各后端通过这些接口使用。\
                            HTTP 状态码 200 表示请求已被理解并尝试，结果看 ret.code；400 不是合法 JSON，401 没有密钥或密钥不对，\
                            403 调用方无权，404/405 没有此接口或方法，413 请求体太大，429 超过调用方的速率，500 内部错误，503 过载。",
        },
        "servers": [{"url": "http://127.0.0.1:36012"}],
        "security": [{"key": []}, {"header": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "调用方密钥"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "调用方密钥"},
            },
            "schemas": {"Ret": ret(), "Failure": failure()},
        },
    });
    format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default())
}

/// A browser's, without a key.
fn login() -> Value {
    let query = |name: &str, required: bool, doc: &str| json!({"name": name, "in": "query", "required": required, "schema": {"type": "string"}, "description": doc});
    let page = json!({"text/html": {"schema": {"type": "string"}}});
    json!({"get": {
        "operationId": "oauth_start",
        "summary": "网页授权：浏览器从这里去微信，带着 code 和 state 回到 redirect_uri",
        "security": [],
        "parameters": [
            query("appid", true, "公众号或网站应用"),
            query("redirect_uri", true, "须符合 [[apps]] 的 oauth_redirects"),
            query("scope", true, "snsapi_base、snsapi_userinfo 或 snsapi_login"),
            query("state", false, "原样带回"),
        ],
        "responses": {
            "302": {"description": "去微信的授权页"},
            "400": {"description": "参数不对，或 redirect_uri 不在 oauth_redirects 里", "content": page},
            "500": {"description": "没有配置 server.public_url", "content": page},
        },
    }})
}

/// WeChat's own: signed by it, without a key.
fn callback(path: &str) -> Value {
    let query = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let mut parameters: Vec<Value> = ["signature", "timestamp", "nonce"].map(query).to_vec();
    if path.contains("{appid}") {
        parameters
            .push(json!({"name": "appid", "in": "path", "required": true, "schema": {"type": "string"}}));
    }
    let text = json!({"text/plain": {"schema": {"type": "string"}}});
    let refused = json!({"description": "签名、密钥或时间戳不对", "content": text});
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
        "微信推送消息和事件：存下之后才应答",
        &["openid", "encrypt_type", "msg_signature"],
        json!({"description": "success，或被动回复", "content": {"text/plain": {}, "text/xml": {}, "application/json": {}}}),
        &[("413", "超过 1 MiB"), ("500", "没有存下：微信会重发"), ("503", "过载：微信会重发")],
    );
    post["requestBody"] = json!({"required": true, "content": {"text/xml": {}, "application/json": {}}});
    let get = method(
        "get",
        "微信验证回调地址",
        &["echostr"],
        json!({"description": "原样返回 echostr", "content": text}),
        &[],
    );
    json!({"get": get, "post": post})
}

fn operation(endpoint: &Operation) -> Value {
    if endpoint.run.is_none() {
        return json!({
            "operationId": endpoint.name, "summary": endpoint.summary, "security": [],
            "responses": {"200": {"description": "OpenAPI 文档", "content": {"application/json": {}}}},
        });
    }
    let mut content = json!({"application/json": {"schema": {"oneOf": [
        success(endpoint), {"$ref": "#/components/schemas/Failure"},
    ]}}});
    if endpoint.picture {
        content["image/*"] = json!({"schema": {"type": "string", "format": "binary"}});
    }
    let mut operation = json!({
        "operationId": endpoint.name.replace('/', "_"),
        "summary": endpoint.summary,
        "responses": {"200": {"description": "已尝试：结果看 ret.code", "content": content}},
    });
    let failure = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}});
    let refusals = [
        ("400", "请求体不是合法的 JSON"),
        ("401", "没有密钥，或密钥不对"),
        ("403", "调用方无权"),
        ("413", "请求体太大"),
        ("429", "超过调用方的速率"),
        ("500", "内部错误"),
        ("503", "过载"),
    ];
    for (status, meaning) in refusals {
        operation["responses"][status] = json!({"description": meaning, "content": failure});
    }
    if endpoint.method == http::Method::GET {
        operation["parameters"] = json!([
            {"name": "appid", "in": "query", "required": true, "schema": {"type": "string"}},
        ]);
    } else {
        operation["requestBody"] = json!({
            "required": true, "content": {"application/json": {"schema": request(endpoint.params)}},
        });
    }
    operation
}

fn request(params: &[Param]) -> Value {
    let mut properties = Map::new();
    let text = |doc: &str| json!({"type": "string", "description": doc});
    properties.insert("source".to_owned(), text("调用方业务的名字"));
    properties.insert("appid".to_owned(), text("公众平台上的 AppID（也可写 app_id）"));
    let mut required = vec!["source", "appid"];
    for param in params {
        let mut schema = match param.shape {
            Shape::Text(most) => json!({"type": "string", "maxLength": most}),
            Shape::Choice(allowed) => json!({"type": "string", "enum": allowed}),
            Shape::Int(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Shape::Flag => json!({"type": "boolean"}),
            Shape::Object => json!({"type": "object"}),
            Shape::ObjectOrText => json!({"type": ["object", "string"]}),
        };
        schema["description"] = param.doc.into();
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

fn failure() -> Value {
    json!({
        "type": "object",
        "required": ["ret", "body"],
        "properties": {
            "ret": {
                "type": "object",
                "required": ["code", "msg", "request_id", "retryable"],
                "properties": {
                    "code": {"type": "integer", "minimum": 3_584_001, "maximum": 3_584_016},
                    "msg": {"type": "string", "description": "哪里不对、怎么办；Accept-Language: en 时为英文"},
                    "request_id": {"type": "string"},
                    "retryable": {"type": "boolean"},
                    "wx_errcode": {"type": "integer", "description": "微信的错误码（微信应答了才有）"},
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
    #[test]
    fn the_committed_document_is_current() {
        assert_eq!(super::generate(), super::DOCUMENT, "write it anew: make gen");
    }
}
