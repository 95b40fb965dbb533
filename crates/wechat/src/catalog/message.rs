//! Messages to users, and the templates they are made of.

use super::{Auth, Effect, Endpoint, Method, api};

/// Template message of an official account.
pub const TEMPLATE_SEND: Endpoint = api(
    "message.template.send",
    Method::Post,
    "/cgi-bin/message/template/send",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscription notification of an official account.
pub const SUBSCRIBE_BIZSEND: Endpoint = api(
    "message.subscribe.bizsend",
    Method::Post,
    "/cgi-bin/message/subscribe/bizsend",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscription message of a mini program.
pub const SUBSCRIBE_SEND: Endpoint = api(
    "message.subscribe.send",
    Method::Post,
    "/cgi-bin/message/subscribe/send",
    Auth::AccessToken,
    Effect::Writes,
);
/// Template messages: sets the industries.
pub const TEMPLATE_SET_INDUSTRY: Endpoint = api(
    "template.api_set_industry",
    Method::Post,
    "/cgi-bin/template/api_set_industry",
    Auth::AccessToken,
    Effect::Writes,
);
/// Template messages: the industries.
pub const TEMPLATE_GET_INDUSTRY: Endpoint = api(
    "template.get_industry",
    Method::Get,
    "/cgi-bin/template/get_industry",
    Auth::AccessToken,
    Effect::Reads,
);
/// Template messages: adds a template.
pub const TEMPLATE_ADD: Endpoint = api(
    "template.api_add_template",
    Method::Post,
    "/cgi-bin/template/api_add_template",
    Auth::AccessToken,
    Effect::Writes,
);
/// Template messages: the account's templates.
pub const TEMPLATE_LIST: Endpoint = api(
    "template.get_all_private_template",
    Method::Get,
    "/cgi-bin/template/get_all_private_template",
    Auth::AccessToken,
    Effect::Reads,
);
/// Template messages: removes a template.
pub const TEMPLATE_DELETE: Endpoint = api(
    "template.del_private_template",
    Method::Post,
    "/cgi-bin/template/del_private_template",
    Auth::AccessToken,
    Effect::Writes,
);
/// Template messages that were intercepted.
pub const TEMPLATE_BLOCKED: Endpoint = api(
    "wxa.sec.queryblocktmplmsg",
    Method::Post,
    "/wxa/sec/queryblocktmplmsg",
    Auth::AccessToken,
    Effect::Reads,
);
/// One-time subscription message of an official account.
pub const TEMPLATE_SUBSCRIBE: Endpoint = api(
    "message.template.subscribe",
    Method::Post,
    "/cgi-bin/message/template/subscribe",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscriptions: adds a template.
pub const NEWTMPL_ADD: Endpoint = api(
    "newtmpl.addtemplate",
    Method::Post,
    "/wxaapi/newtmpl/addtemplate",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscriptions: removes a template.
pub const NEWTMPL_DELETE: Endpoint = api(
    "newtmpl.deltemplate",
    Method::Post,
    "/wxaapi/newtmpl/deltemplate",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscriptions: the account's templates.
pub const NEWTMPL_LIST: Endpoint =
    api("newtmpl.gettemplate", Method::Get, "/wxaapi/newtmpl/gettemplate", Auth::AccessToken, Effect::Reads);
/// Subscriptions: the account's categories.
pub const NEWTMPL_CATEGORY: Endpoint =
    api("newtmpl.getcategory", Method::Get, "/wxaapi/newtmpl/getcategory", Auth::AccessToken, Effect::Reads);
/// Subscriptions: titles of the public library.
pub const NEWTMPL_TITLES: Endpoint = api(
    "newtmpl.getpubtemplatetitles",
    Method::Get,
    "/wxaapi/newtmpl/getpubtemplatetitles",
    Auth::AccessToken,
    Effect::Reads,
);
/// Subscriptions: keywords of a title.
pub const NEWTMPL_KEYWORDS: Endpoint = api(
    "newtmpl.getpubtemplatekeywords",
    Method::Get,
    "/wxaapi/newtmpl/getpubtemplatekeywords",
    Auth::AccessToken,
    Effect::Reads,
);
/// Customer-service message.
pub const CUSTOM_SEND: Endpoint = api(
    "message.custom.send",
    Method::Post,
    "/cgi-bin/message/custom/send",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: the typing state.
pub const CUSTOM_TYPING: Endpoint = api(
    "message.custom.typing",
    Method::Post,
    "/cgi-bin/message/custom/typing",
    Auth::AccessToken,
    Effect::Writes,
);
