//! Who a user is: web OAuth, logins to websites and mini programs.

use super::{Auth, Effect, Endpoint, Method, Treat, api, page};

/// Web OAuth: code for user token.
pub const OAUTH_ACCESS_TOKEN: Endpoint =
    api("sns.oauth2.access_token", Method::Get, "/sns/oauth2/access_token", Auth::Secret, Effect::SpendsCode)
        .treat(Treat::Code("code"));
/// Web OAuth: the user's profile.
pub const SNS_USERINFO: Endpoint =
    api("sns.userinfo", Method::Get, "/sns/userinfo", Auth::UserToken, Effect::Reads).treat(Treat::Open);
/// Mini-program login.
pub const JSCODE2SESSION: Endpoint =
    api("sns.jscode2session", Method::Get, "/sns/jscode2session", Auth::Secret, Effect::SpendsCode)
        .treat(Treat::Code("js_code"));
/// Web OAuth: renews a user token by its refresh token.
pub const OAUTH_REFRESH_TOKEN: Endpoint =
    api("sns.oauth2.refresh_token", Method::Get, "/sns/oauth2/refresh_token", Auth::None, Effect::Reads)
        .treat(Treat::Refresh);
/// Web OAuth: whether a user token is good.
pub const SNS_AUTH: Endpoint =
    api("sns.auth", Method::Get, "/sns/auth", Auth::UserToken, Effect::Reads).treat(Treat::Open);
/// Web OAuth: the page that asks the user.
pub const OAUTH_AUTHORIZE: Endpoint = page("connect.oauth2.authorize", "/connect/oauth2/authorize");
/// Web login by QR code: the page that shows it.
pub const QRCONNECT: Endpoint = page("connect.qrconnect", "/connect/qrconnect");
