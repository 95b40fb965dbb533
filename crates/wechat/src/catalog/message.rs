//! Messages to users, and the templates they are made of.

use super::{Endpoint, asks, does, get};

/// Template message of an official account.
pub const TEMPLATE_SEND: Endpoint = does("message.template.send", "/cgi-bin/message/template/send");
/// Subscription notification of an official account.
pub const SUBSCRIBE_BIZSEND: Endpoint =
    does("message.subscribe.bizsend", "/cgi-bin/message/subscribe/bizsend");
/// Subscription message of a mini program.
pub const SUBSCRIBE_SEND: Endpoint = does("message.subscribe.send", "/cgi-bin/message/subscribe/send");
/// Template messages: sets the industries.
pub const TEMPLATE_SET_INDUSTRY: Endpoint =
    does("template.api_set_industry", "/cgi-bin/template/api_set_industry");
/// Template messages: the industries.
pub const TEMPLATE_GET_INDUSTRY: Endpoint = get("template.get_industry", "/cgi-bin/template/get_industry");
/// Template messages: adds a template.
pub const TEMPLATE_ADD: Endpoint = does("template.api_add_template", "/cgi-bin/template/api_add_template");
/// Template messages: the account's templates.
pub const TEMPLATE_LIST: Endpoint =
    get("template.get_all_private_template", "/cgi-bin/template/get_all_private_template");
/// Template messages: removes a template.
pub const TEMPLATE_DELETE: Endpoint =
    does("template.del_private_template", "/cgi-bin/template/del_private_template");
/// Template messages that were intercepted.
pub const TEMPLATE_BLOCKED: Endpoint = asks("wxa.sec.queryblocktmplmsg", "/wxa/sec/queryblocktmplmsg");
/// One-time subscription message of an official account.
pub const TEMPLATE_SUBSCRIBE: Endpoint =
    does("message.template.subscribe", "/cgi-bin/message/template/subscribe");
/// Subscriptions: adds a template.
pub const NEWTMPL_ADD: Endpoint = does("newtmpl.addtemplate", "/wxaapi/newtmpl/addtemplate");
/// Subscriptions: removes a template.
pub const NEWTMPL_DELETE: Endpoint = does("newtmpl.deltemplate", "/wxaapi/newtmpl/deltemplate");
/// Subscriptions: the account's templates.
pub const NEWTMPL_LIST: Endpoint = get("newtmpl.gettemplate", "/wxaapi/newtmpl/gettemplate");
/// Subscriptions: the account's categories.
pub const NEWTMPL_CATEGORY: Endpoint = get("newtmpl.getcategory", "/wxaapi/newtmpl/getcategory");
/// Subscriptions: titles of the public library.
pub const NEWTMPL_TITLES: Endpoint =
    get("newtmpl.getpubtemplatetitles", "/wxaapi/newtmpl/getpubtemplatetitles");
/// Subscriptions: keywords of a title.
pub const NEWTMPL_KEYWORDS: Endpoint =
    get("newtmpl.getpubtemplatekeywords", "/wxaapi/newtmpl/getpubtemplatekeywords");
/// Customer-service message.
pub const CUSTOM_SEND: Endpoint = does("message.custom.send", "/cgi-bin/message/custom/send");
/// Customer service: the typing state.
pub const CUSTOM_TYPING: Endpoint = does("message.custom.typing", "/cgi-bin/message/custom/typing");
