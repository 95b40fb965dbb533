//! What an account does with its secret, and of itself: tokens, tickets, quotas, addresses, codes that are scanned, short keys.

use super::{Auth, Effect, Endpoint, Host, Method, Treat, api};

/// `access_token`, classic: every call ends the token before the last.
pub const TOKEN: Endpoint =
    api("token", Method::Get, "/cgi-bin/token", Auth::Secret, Effect::Writes).treat(Treat::Token);
/// `access_token`, stable: the same token until five minutes before its end.
pub const STABLE_TOKEN: Endpoint =
    api("stable_token", Method::Post, "/cgi-bin/stable_token", Auth::Secret, Effect::Reads)
        .treat(Treat::Token);
/// `jsapi_ticket` and `wx_card` ticket.
pub const GET_TICKET: Endpoint =
    api("ticket.getticket", Method::Get, "/cgi-bin/ticket/getticket", Auth::AccessToken, Effect::Reads)
        .treat(Treat::Ticket);
/// Parametric QR code of an official account.
pub const QRCODE_CREATE: Endpoint =
    api("qrcode.create", Method::Post, "/cgi-bin/qrcode/create", Auth::AccessToken, Effect::Writes);
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
pub const CLEAR_QUOTA: Endpoint =
    api("clear_quota", Method::Post, "/cgi-bin/clear_quota", Auth::AccessToken, Effect::Writes).by_name();
/// Clears one endpoint's daily quota.
pub const QUOTA_CLEAR: Endpoint = api(
    "openapi.quota.clear",
    Method::Post,
    "/cgi-bin/openapi/quota/clear",
    Auth::AccessToken,
    Effect::Writes,
)
.by_name();
/// What is left of an endpoint's daily quota.
pub const QUOTA_GET: Endpoint =
    api("openapi.quota.get", Method::Post, "/cgi-bin/openapi/quota/get", Auth::AccessToken, Effect::Reads);
/// The call behind a `rid`, its URL and token included.
pub const RID_GET: Endpoint =
    api("openapi.rid.get", Method::Post, "/cgi-bin/openapi/rid/get", Auth::AccessToken, Effect::Reads)
        .by_name();
/// Addresses of WeChat's API.
pub const API_DOMAIN_IP: Endpoint =
    api("get_api_domain_ip", Method::Get, "/cgi-bin/get_api_domain_ip", Auth::AccessToken, Effect::Reads);
/// Addresses WeChat pushes from.
pub const CALLBACK_IP: Endpoint =
    api("getcallbackip", Method::Get, "/cgi-bin/getcallbackip", Auth::AccessToken, Effect::Reads);
/// Has WeChat reach for the callback URL.
pub const CALLBACK_CHECK: Endpoint =
    api("callback.check", Method::Post, "/cgi-bin/callback/check", Auth::AccessToken, Effect::Reads);
/// Stores a text under a short key.
pub const SHORTEN_GEN: Endpoint =
    api("shorten.gen", Method::Post, "/cgi-bin/shorten/gen", Auth::AccessToken, Effect::Writes);
/// The text of a short key.
pub const SHORTEN_FETCH: Endpoint =
    api("shorten.fetch", Method::Post, "/cgi-bin/shorten/fetch", Auth::AccessToken, Effect::Reads);
