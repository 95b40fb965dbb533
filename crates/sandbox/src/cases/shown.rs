//! Successes that WeChat's documentation shows, or that were captured, where the sandbox's own answers show less: members that not
//! every account or user has, and what is in lists that are empty here. A line each; a success that the sandbox gives needs none.

use wechat::catalog::{
    Endpoint, JSCODE2SESSION, KF_LIST, KF_ONLINE, KF_SESSION_GET, KF_WAITING, MASS_SENDALL, MATERIAL_LIST,
    MENU_GET, NEWTMPL_LIST, OAUTH_ACCESS_TOKEN, OAUTH_REFRESH_TOKEN, PHONE_NUMBER, PUBLISH_GET, QUERY_SCHEME,
    QUERY_URLLINK, QUOTA_GET, SNS_USERINFO, TAGS_OF_USER, TEMPLATE_LIST, USER_INFO, USER_INFO_BATCHGET,
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
    // doc/service/api/custommenu/api_getcustommenu: a button has what its type needs; menus for some are beside the one for all.
    (&MENU_GET, r#"{"menu":{"button":[{"name":"n","sub_button":[{"type":"click","name":"n","key":"k","sub_button":[]},{"type":"view","name":"n","url":"u","sub_button":[]},{"type":"miniprogram","name":"n","url":"u","appid":"wx","pagepath":"p","sub_button":[]},{"type":"media_id","name":"n","media_id":"m","sub_button":[]},{"type":"article_id","name":"n","article_id":"a","sub_button":[]},{"name":"n","sub_button":[]}]},{"type":"click","name":"n","key":"k","sub_button":[]},{"type":"view","name":"n","url":"u","sub_button":[]},{"type":"miniprogram","name":"n","url":"u","appid":"wx","pagepath":"p","sub_button":[]},{"type":"media_id","name":"n","media_id":"m","sub_button":[]},{"type":"article_id","name":"n","article_id":"a","sub_button":[]}]}}"#),
    (&MENU_GET, r#"{"menu":{"button":[{"type":"click","name":"n","key":"k","sub_button":[]}],"menuid":1},"conditionalmenu":[{"button":[{"type":"click","name":"n","key":"k","sub_button":[]},{"type":"view","name":"n","url":"u","sub_button":[]},{"name":"n","sub_button":[{"type":"click","name":"n","key":"k","sub_button":[]}]}],"matchrule":{"group_id":"2","tag_id":"2","sex":1,"country":"c","province":"p","city":"c","client_platform_type":2,"language":"zh_CN"},"menuid":1},{"button":[{"type":"click","name":"n","key":"k","sub_button":[]}],"matchrule":{},"menuid":1}]}"#),
    (&TAGS_OF_USER, r#"{"tagid_list":[]}"#),
    // doc/service/api/customer/servicermanage/api_getallkfaccount: a worker is bound, invited or neither.
    (&KF_LIST, r#"{"kf_list":[{"kf_account":"a","kf_headimgurl":"h","kf_id":"1001","kf_nick":"n"},{"kf_account":"a","kf_headimgurl":"h","kf_id":1001,"kf_nick":"n","kf_wx":"w"},{"kf_account":"a","kf_headimgurl":"h","kf_id":"1001","kf_nick":"n","invite_wx":"w","invite_expire_time":1,"invite_status":"waiting"}]}"#),
    (&KF_ONLINE, r#"{"kf_online_list":[{"kf_account":"a","status":1,"kf_id":"1001","accepted_case":1}]}"#),
    (&KF_WAITING, r#"{"count":1,"waitcaselist":[{"latest_time":1,"openid":"o"}]}"#),
    (&KF_SESSION_GET, r#"{"createtime":1,"kf_account":"a"}"#),
    // doc/service/api/notify/message/api_sendall: msg_data_id of articles only.
    (&MASS_SENDALL, r#"{"errcode":0,"errmsg":"send job submission success","msg_id":1,"msg_data_id":1}"#),
    (&MATERIAL_LIST, r#"{"total_count":1,"item_count":1,"item":[{"media_id":"m","name":"n","update_time":1}]}"#),
    (&MATERIAL_LIST, r#"{"total_count":0,"item_count":0,"item":[]}"#),
    // doc/service/api/public/api_freepublish_get: what is published, what is under way, what failed.
    (&PUBLISH_GET, r#"{"publish_id":"1","publish_status":1,"fail_idx":[]}"#),
    (&PUBLISH_GET, r#"{"publish_id":"1","publish_status":2,"fail_idx":[1]}"#),
    (&PUBLISH_GET, r#"{"publish_id":"1","publish_status":0,"article_id":"a","article_detail":{"count":1,"item":[{"idx":1,"article_url":"u"}]},"fail_idx":[]}"#),
    // queryScheme, queryUrlLink: who visited, where it was asked for; quota_info in answers of today.
    (&QUERY_SCHEME, r#"{"errcode":0,"errmsg":"ok","scheme_info":{"appid":"wx","path":"p","query":"q","create_time":1,"expire_time":1,"env_version":"release"},"visit_openid":"o","quota_info":{"remain_visit_quota":1}}"#),
    (&QUERY_URLLINK, r#"{"errcode":0,"errmsg":"ok","url_link_info":{"appid":"wx","path":"p","query":"q","create_time":1,"expire_time":1,"env_version":"release"},"visit_openid":"o","quota_info":{"remain_visit_quota":1}}"#),
    (&NEWTMPL_LIST, r#"{"errcode":0,"errmsg":"ok","data":[{"priTmplId":"t","title":"t","content":"c","example":"e","type":2},{"priTmplId":"t","title":"t","content":"c","example":"e","type":2,"keywordEnumValueList":[{"keywordCode":"k","enumValueList":["v"]}]}]}"#),
    (&NEWTMPL_LIST, r#"{"errcode":0,"errmsg":"ok","data":[]}"#),
];
