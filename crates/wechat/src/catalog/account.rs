//! What an account does with its secret, and of itself: tokens, tickets, quotas, addresses, codes that are scanned, short keys.

use super::{Auth, Effect, Endpoint, Host, Method, Treat, api, asks, does, get};

/// `access_token`, classic: every call ends the token before the last.
pub const TOKEN: Endpoint =
    api("token", Method::Get, "/cgi-bin/token", Auth::Secret, Effect::Writes).treat(Treat::Token);
/// `access_token`, stable: the same token until five minutes before its end.
pub const STABLE_TOKEN: Endpoint =
    api("stable_token", Method::Post, "/cgi-bin/stable_token", Auth::Secret, Effect::Reads)
        .treat(Treat::Token);
/// `jsapi_ticket` and `wx_card` ticket.
pub const GET_TICKET: Endpoint = get("ticket.getticket", "/cgi-bin/ticket/getticket").treat(Treat::Ticket);
/// Parametric QR code of an official account.
pub const QRCODE_CREATE: Endpoint = does("qrcode.create", "/cgi-bin/qrcode/create");
/// The picture of a parametric QR code.
pub const SHOWQRCODE: Endpoint =
    api("showqrcode", Method::Get, "/cgi-bin/showqrcode", Auth::None, Effect::Reads)
        .on(Host::Mp)
        .treat(Treat::Open);
/// Clears an app's daily quotas by its AppSecret.
pub const CLEAR_QUOTA_V2: Endpoint =
    api("clear_quota.v2", Method::Post, "/cgi-bin/clear_quota/v2", Auth::Secret, Effect::Writes)
        .treat(Treat::Secret)
        .by_name();
/// Clears an app's daily quotas: ten times a month.
pub const CLEAR_QUOTA: Endpoint = does("clear_quota", "/cgi-bin/clear_quota").by_name();
/// Clears one endpoint's daily quota.
pub const QUOTA_CLEAR: Endpoint = does("openapi.quota.clear", "/cgi-bin/openapi/quota/clear").by_name();
/// What is left of an endpoint's daily quota.
pub const QUOTA_GET: Endpoint = asks("openapi.quota.get", "/cgi-bin/openapi/quota/get");
/// The call behind a `rid`, its URL and token included.
pub const RID_GET: Endpoint = asks("openapi.rid.get", "/cgi-bin/openapi/rid/get").by_name();
/// Addresses of WeChat's API.
pub const API_DOMAIN_IP: Endpoint = get("get_api_domain_ip", "/cgi-bin/get_api_domain_ip");
/// Addresses WeChat pushes from.
pub const CALLBACK_IP: Endpoint = get("getcallbackip", "/cgi-bin/getcallbackip");
/// Has WeChat reach for the callback URL.
pub const CALLBACK_CHECK: Endpoint = asks("callback.check", "/cgi-bin/callback/check");
/// Stores a text under a short key.
pub const SHORTEN_GEN: Endpoint = does("shorten.gen", "/cgi-bin/shorten/gen");
/// The text of a short key.
pub const SHORTEN_FETCH: Endpoint = asks("shorten.fetch", "/cgi-bin/shorten/fetch");
