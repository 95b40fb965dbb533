//! Successes that WeChat's documentation shows, or that were captured, where the sandbox's own answers show less: members that not
//! every account or user has, and what is in lists that are empty here. A line each; a success that the sandbox gives needs none.

use wechat::catalog::{
    Endpoint, JSCODE2SESSION, OAUTH_ACCESS_TOKEN, OAUTH_REFRESH_TOKEN, PHONE_NUMBER, QUOTA_GET, SNS_USERINFO,
    TEMPLATE_LIST, USER_INFO, USER_INFO_BATCHGET,
};

/// The endpoint, and the body.
#[rustfmt::skip]
pub const ALL: &[(&Endpoint, &str)] = &[
    // /doc/offiaccount/User_Management/Get_users_basic_information_UnionID.html: tagid_list [128,2]; unionid only where the account is
    // bound to an open platform; of who doesn't follow nothing but openid and unionid.
    (&USER_INFO, r#"{"subscribe":1,"openid":"o","nickname":"","sex":0,"language":"zh_CN","city":"","province":"","country":"","headimgurl":"","subscribe_time":1,"remark":"","groupid":0,"tagid_list":[128,2],"subscribe_scene":"ADD_SCENE_QR_CODE","qr_scene":1,"qr_scene_str":""}"#),
    // Captured in 2017 with unionid and tagid_list, before there were tags without them.
    (&USER_INFO, r#"{"subscribe":0,"openid":"o","unionid":"u","tagid_list":[]}"#),
    (&USER_INFO, r#"{"subscribe":0,"openid":"o","unionid":"u"}"#),
    (&USER_INFO, r#"{"subscribe":0,"openid":"o"}"#),
    (&USER_INFO_BATCHGET, r#"{"user_info_list":[{"subscribe":1,"openid":"o","nickname":"","sex":0,"language":"zh_CN","city":"","province":"","country":"","headimgurl":"","subscribe_time":1,"remark":"","groupid":0,"tagid_list":[128,2],"subscribe_scene":"ADD_SCENE_QR_CODE","qr_scene":1,"qr_scene_str":""},{"subscribe":0,"openid":"o","unionid":"u","tagid_list":[]},{"subscribe":0,"openid":"o","unionid":"u"},{"subscribe":0,"openid":"o"}]}"#),
    // /doc/offiaccount/OA_Web_Apps/Wechat_webpage_authorization.html: is_snapshotuser where a page is seen in snapshot mode, unionid with
    // snsapi_userinfo and an open platform.
    (&OAUTH_ACCESS_TOKEN, r#"{"access_token":"t","expires_in":7200,"refresh_token":"r","openid":"o","scope":"snsapi_userinfo","is_snapshotuser":1,"unionid":"u"}"#),
    (&OAUTH_REFRESH_TOKEN, r#"{"access_token":"t","expires_in":7200,"refresh_token":"r","openid":"o","scope":"snsapi_userinfo","unionid":"u"}"#),
    (&SNS_USERINFO, r#"{"openid":"o","nickname":"n","sex":1,"language":"","province":"p","city":"c","country":"c","headimgurl":"h","privilege":["PRIVILEGE1"]}"#),
    // code2Session: unionid only where the mini program is bound; errcode and errmsg in some answers to success.
    (&JSCODE2SESSION, r#"{"session_key":"k","openid":"o"}"#),
    // getPhoneNumber: countryCode was seen as a number, too.
    (&PHONE_NUMBER, r#"{"errcode":0,"errmsg":"ok","phone_info":{"phoneNumber":"1","purePhoneNumber":"1","countryCode":86,"watermark":{"timestamp":1,"appid":"wx"}}}"#),
    // openapi/quota/get: rate_limit where there is one; component_rate_limit for platforms.
    (&QUOTA_GET, r#"{"errcode":0,"errmsg":"ok","quota":{"daily_limit":1,"used":0,"remain":1},"rate_limit":{"call_count":1,"refresh_second":1},"component_rate_limit":{"call_count":1,"refresh_second":1}}"#),
    (&TEMPLATE_LIST, r#"{"template_list":[]}"#),
];
