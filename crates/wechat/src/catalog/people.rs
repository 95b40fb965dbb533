//! What an official account knows of its users and says to them: tags, customer service, templates, figures, diagnosis.

use super::{Auth, Effect, Endpoint, Host, Method, Treat, api};

/// Tags: makes one.
pub const TAGS_CREATE: Endpoint =
    api("tags.create", Method::Post, "/cgi-bin/tags/create", Auth::AccessToken, Effect::Writes);
/// Tags: those of the account.
pub const TAGS_GET: Endpoint =
    api("tags.get", Method::Get, "/cgi-bin/tags/get", Auth::AccessToken, Effect::Reads);
/// Tags: gives one another name.
pub const TAGS_UPDATE: Endpoint =
    api("tags.update", Method::Post, "/cgi-bin/tags/update", Auth::AccessToken, Effect::Writes);
/// Tags: removes one.
pub const TAGS_DELETE: Endpoint =
    api("tags.delete", Method::Post, "/cgi-bin/tags/delete", Auth::AccessToken, Effect::Writes);
/// Tags: those of a follower.
pub const TAGS_OF_USER: Endpoint =
    api("tags.getidlist", Method::Post, "/cgi-bin/tags/getidlist", Auth::AccessToken, Effect::Reads);
/// Tags: gives one to up to 50 followers.
pub const TAGS_TAG: Endpoint = api(
    "tags.members.batchtagging",
    Method::Post,
    "/cgi-bin/tags/members/batchtagging",
    Auth::AccessToken,
    Effect::Writes,
);
/// Tags: takes one from up to 50 followers.
pub const TAGS_UNTAG: Endpoint = api(
    "tags.members.batchuntagging",
    Method::Post,
    "/cgi-bin/tags/members/batchuntagging",
    Auth::AccessToken,
    Effect::Writes,
);
/// Tags: who carries one.
pub const TAG_MEMBERS: Endpoint =
    api("user.tag.get", Method::Post, "/cgi-bin/user/tag/get", Auth::AccessToken, Effect::Reads);
/// The account's own name for a follower.
pub const USER_REMARK: Endpoint = api(
    "user.info.updateremark",
    Method::Post,
    "/cgi-bin/user/info/updateremark",
    Auth::AccessToken,
    Effect::Writes,
);
/// The account's blacklist.
pub const BLACKLIST_GET: Endpoint = api(
    "tags.members.getblacklist",
    Method::Post,
    "/cgi-bin/tags/members/getblacklist",
    Auth::AccessToken,
    Effect::Reads,
);
/// Puts up to 20 followers on the blacklist.
pub const BLACKLIST_ADD: Endpoint = api(
    "tags.members.batchblacklist",
    Method::Post,
    "/cgi-bin/tags/members/batchblacklist",
    Auth::AccessToken,
    Effect::Writes,
);
/// Takes up to 20 users off the blacklist.
pub const BLACKLIST_REMOVE: Endpoint = api(
    "tags.members.batchunblacklist",
    Method::Post,
    "/cgi-bin/tags/members/batchunblacklist",
    Auth::AccessToken,
    Effect::Writes,
);
/// Openids of an account that was merged into this one.
pub const CHANGE_OPENID: Endpoint =
    api("changeopenid", Method::Post, "/cgi-bin/changeopenid", Auth::AccessToken, Effect::Reads);
/// One-time subscription: the page on which the user allows a message.
pub const SUBSCRIBE_MSG_PAGE: Endpoint =
    api("mp.subscribemsg", Method::Get, "/mp/subscribemsg", Auth::None, Effect::Reads)
        .on(Host::Mp)
        .treat(Treat::Open);
/// Customer service: the workers.
pub const KF_LIST: Endpoint = api(
    "customservice.getkflist",
    Method::Get,
    "/cgi-bin/customservice/getkflist",
    Auth::AccessToken,
    Effect::Reads,
);
/// Customer service: who is at work.
pub const KF_ONLINE: Endpoint = api(
    "customservice.getonlinekflist",
    Method::Get,
    "/cgi-bin/customservice/getonlinekflist",
    Auth::AccessToken,
    Effect::Reads,
);
/// Customer service: another worker.
pub const KF_ADD: Endpoint = api(
    "customservice.kfaccount.add",
    Method::Post,
    "/customservice/kfaccount/add",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: a worker's nickname.
pub const KF_UPDATE: Endpoint = api(
    "customservice.kfaccount.update",
    Method::Post,
    "/customservice/kfaccount/update",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: removes a worker. The page says POST now; GET is what SDKs send.
pub const KF_DELETE: Endpoint = api(
    "customservice.kfaccount.del",
    Method::Get,
    "/customservice/kfaccount/del",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: asks a person to be a worker.
pub const KF_INVITE: Endpoint = api(
    "customservice.kfaccount.inviteworker",
    Method::Post,
    "/customservice/kfaccount/inviteworker",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: a worker's portrait.
pub const KF_HEADIMG: Endpoint = api(
    "customservice.kfaccount.uploadheadimg",
    Method::Post,
    "/customservice/kfaccount/uploadheadimg",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: a worker takes a user on.
pub const KF_SESSION_CREATE: Endpoint = api(
    "customservice.kfsession.create",
    Method::Post,
    "/customservice/kfsession/create",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: a worker lets a user go.
pub const KF_SESSION_CLOSE: Endpoint = api(
    "customservice.kfsession.close",
    Method::Post,
    "/customservice/kfsession/close",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: who serves a user.
pub const KF_SESSION_GET: Endpoint = api(
    "customservice.kfsession.getsession",
    Method::Get,
    "/customservice/kfsession/getsession",
    Auth::AccessToken,
    Effect::Reads,
);
/// Customer service: whom a worker serves.
pub const KF_SESSION_LIST: Endpoint = api(
    "customservice.kfsession.getsessionlist",
    Method::Get,
    "/customservice/kfsession/getsessionlist",
    Auth::AccessToken,
    Effect::Reads,
);
/// Customer service: who waits.
pub const KF_WAITING: Endpoint = api(
    "customservice.kfsession.getwaitcase",
    Method::Get,
    "/customservice/kfsession/getwaitcase",
    Auth::AccessToken,
    Effect::Reads,
);
/// Customer service: what was said.
pub const KF_RECORDS: Endpoint = api(
    "customservice.msgrecord.getmsglist",
    Method::Post,
    "/customservice/msgrecord/getmsglist",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: followers who came and went.
pub const CUBE_USER_SUMMARY: Endpoint = api(
    "datacube.getusersummary",
    Method::Post,
    "/datacube/getusersummary",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: followers in all.
pub const CUBE_USER_CUMULATE: Endpoint = api(
    "datacube.getusercumulate",
    Method::Post,
    "/datacube/getusercumulate",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: articles of a day.
pub const CUBE_ARTICLE_SUMMARY: Endpoint = api(
    "datacube.getarticlesummary",
    Method::Post,
    "/datacube/getarticlesummary",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: articles since they were sent.
pub const CUBE_ARTICLE_TOTAL: Endpoint = api(
    "datacube.getarticletotal",
    Method::Post,
    "/datacube/getarticletotal",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: reading.
pub const CUBE_USER_READ: Endpoint =
    api("datacube.getuserread", Method::Post, "/datacube/getuserread", Auth::AccessToken, Effect::Reads);
/// Figures: reading by hour.
pub const CUBE_USER_READ_HOUR: Endpoint = api(
    "datacube.getuserreadhour",
    Method::Post,
    "/datacube/getuserreadhour",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: sharing.
pub const CUBE_USER_SHARE: Endpoint =
    api("datacube.getusershare", Method::Post, "/datacube/getusershare", Auth::AccessToken, Effect::Reads);
/// Figures: sharing by hour.
pub const CUBE_USER_SHARE_HOUR: Endpoint = api(
    "datacube.getusersharehour",
    Method::Post,
    "/datacube/getusersharehour",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: messages from users.
pub const CUBE_UPSTREAM: Endpoint = api(
    "datacube.getupstreammsg",
    Method::Post,
    "/datacube/getupstreammsg",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: messages from users by hour.
pub const CUBE_UPSTREAM_HOUR: Endpoint = api(
    "datacube.getupstreammsghour",
    Method::Post,
    "/datacube/getupstreammsghour",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: messages from users by week.
pub const CUBE_UPSTREAM_WEEK: Endpoint = api(
    "datacube.getupstreammsgweek",
    Method::Post,
    "/datacube/getupstreammsgweek",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: messages from users by month.
pub const CUBE_UPSTREAM_MONTH: Endpoint = api(
    "datacube.getupstreammsgmonth",
    Method::Post,
    "/datacube/getupstreammsgmonth",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: how many messages users send.
pub const CUBE_UPSTREAM_DIST: Endpoint = api(
    "datacube.getupstreammsgdist",
    Method::Post,
    "/datacube/getupstreammsgdist",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: how many messages users send in a week.
pub const CUBE_UPSTREAM_DIST_WEEK: Endpoint = api(
    "datacube.getupstreammsgdistweek",
    Method::Post,
    "/datacube/getupstreammsgdistweek",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: how many messages users send in a month.
pub const CUBE_UPSTREAM_DIST_MONTH: Endpoint = api(
    "datacube.getupstreammsgdistmonth",
    Method::Post,
    "/datacube/getupstreammsgdistmonth",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: callbacks.
pub const CUBE_INTERFACE: Endpoint = api(
    "datacube.getinterfacesummary",
    Method::Post,
    "/datacube/getinterfacesummary",
    Auth::AccessToken,
    Effect::Reads,
);
/// Figures: callbacks by hour.
pub const CUBE_INTERFACE_HOUR: Endpoint = api(
    "datacube.getinterfacesummaryhour",
    Method::Post,
    "/datacube/getinterfacesummaryhour",
    Auth::AccessToken,
    Effect::Reads,
);
/// The risk of a mini program's user.
pub const USER_RISK: Endpoint =
    api("wxa.getuserriskrank", Method::Post, "/wxa/getuserriskrank", Auth::AccessToken, Effect::Reads);
/// A follower.
pub const USER_INFO: Endpoint =
    api("user.info", Method::Get, "/cgi-bin/user/info", Auth::AccessToken, Effect::Reads);
/// Up to 100 followers.
pub const USER_INFO_BATCHGET: Endpoint =
    api("user.info.batchget", Method::Post, "/cgi-bin/user/info/batchget", Auth::AccessToken, Effect::Reads);
/// The followers' openids, 10,000 a page.
pub const USER_GET: Endpoint =
    api("user.get", Method::Get, "/cgi-bin/user/get", Auth::AccessToken, Effect::Reads);
