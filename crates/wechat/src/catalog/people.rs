//! What an official account knows of its users and says to them: tags, customer service, templates, figures, diagnosis.

use super::{Auth, Effect, Endpoint, Host, Method, Treat, api, asks, does, get};

/// Tags: makes one.
pub const TAGS_CREATE: Endpoint = does("tags.create", "/cgi-bin/tags/create");
/// Tags: those of the account.
pub const TAGS_GET: Endpoint = get("tags.get", "/cgi-bin/tags/get");
/// Tags: gives one another name.
pub const TAGS_UPDATE: Endpoint = does("tags.update", "/cgi-bin/tags/update");
/// Tags: removes one.
pub const TAGS_DELETE: Endpoint = does("tags.delete", "/cgi-bin/tags/delete");
/// Tags: those of a follower.
pub const TAGS_OF_USER: Endpoint = asks("tags.getidlist", "/cgi-bin/tags/getidlist");
/// Tags: gives one to up to 50 followers.
pub const TAGS_TAG: Endpoint = does("tags.members.batchtagging", "/cgi-bin/tags/members/batchtagging");
/// Tags: takes one from up to 50 followers.
pub const TAGS_UNTAG: Endpoint = does("tags.members.batchuntagging", "/cgi-bin/tags/members/batchuntagging");
/// Tags: who carries one.
pub const TAG_MEMBERS: Endpoint = asks("user.tag.get", "/cgi-bin/user/tag/get");
/// The account's own name for a follower.
pub const USER_REMARK: Endpoint = does("user.info.updateremark", "/cgi-bin/user/info/updateremark");
/// The account's blacklist.
pub const BLACKLIST_GET: Endpoint = asks("tags.members.getblacklist", "/cgi-bin/tags/members/getblacklist");
/// Puts up to 20 followers on the blacklist.
pub const BLACKLIST_ADD: Endpoint =
    does("tags.members.batchblacklist", "/cgi-bin/tags/members/batchblacklist");
/// Takes up to 20 users off the blacklist.
pub const BLACKLIST_REMOVE: Endpoint =
    does("tags.members.batchunblacklist", "/cgi-bin/tags/members/batchunblacklist");
/// Openids of an account that was merged into this one.
pub const CHANGE_OPENID: Endpoint = asks("changeopenid", "/cgi-bin/changeopenid");
/// One-time subscription: the page on which the user allows a message.
pub const SUBSCRIBE_MSG_PAGE: Endpoint =
    api("mp.subscribemsg", Method::Get, "/mp/subscribemsg", Auth::None, Effect::Reads)
        .on(Host::Mp)
        .treat(Treat::Open);
/// Customer service: the workers.
pub const KF_LIST: Endpoint = get("customservice.getkflist", "/cgi-bin/customservice/getkflist");
/// Customer service: who is at work.
pub const KF_ONLINE: Endpoint =
    get("customservice.getonlinekflist", "/cgi-bin/customservice/getonlinekflist");
/// Customer service: another worker.
pub const KF_ADD: Endpoint = does("customservice.kfaccount.add", "/customservice/kfaccount/add");
/// Customer service: a worker's nickname.
pub const KF_UPDATE: Endpoint = does("customservice.kfaccount.update", "/customservice/kfaccount/update");
/// Customer service: removes a worker. The page says POST now; GET is what SDKs send.
pub const KF_DELETE: Endpoint = api(
    "customservice.kfaccount.del",
    Method::Get,
    "/customservice/kfaccount/del",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: asks a person to be a worker.
pub const KF_INVITE: Endpoint =
    does("customservice.kfaccount.inviteworker", "/customservice/kfaccount/inviteworker");
/// Customer service: a worker's portrait.
pub const KF_HEADIMG: Endpoint =
    does("customservice.kfaccount.uploadheadimg", "/customservice/kfaccount/uploadheadimg");
/// Customer service: a worker takes a user on.
pub const KF_SESSION_CREATE: Endpoint =
    does("customservice.kfsession.create", "/customservice/kfsession/create");
/// Customer service: a worker lets a user go.
pub const KF_SESSION_CLOSE: Endpoint =
    does("customservice.kfsession.close", "/customservice/kfsession/close");
/// Customer service: who serves a user.
pub const KF_SESSION_GET: Endpoint =
    get("customservice.kfsession.getsession", "/customservice/kfsession/getsession");
/// Customer service: whom a worker serves.
pub const KF_SESSION_LIST: Endpoint =
    get("customservice.kfsession.getsessionlist", "/customservice/kfsession/getsessionlist");
/// Customer service: who waits.
pub const KF_WAITING: Endpoint =
    get("customservice.kfsession.getwaitcase", "/customservice/kfsession/getwaitcase");
/// Customer service: what was said.
pub const KF_RECORDS: Endpoint =
    asks("customservice.msgrecord.getmsglist", "/customservice/msgrecord/getmsglist");
/// Figures: followers who came and went.
pub const CUBE_USER_SUMMARY: Endpoint = asks("datacube.getusersummary", "/datacube/getusersummary");
/// Figures: followers in all.
pub const CUBE_USER_CUMULATE: Endpoint = asks("datacube.getusercumulate", "/datacube/getusercumulate");
/// Figures: articles of a day.
pub const CUBE_ARTICLE_SUMMARY: Endpoint = asks("datacube.getarticlesummary", "/datacube/getarticlesummary");
/// Figures: articles since they were sent.
pub const CUBE_ARTICLE_TOTAL: Endpoint = asks("datacube.getarticletotal", "/datacube/getarticletotal");
/// Figures: reading.
pub const CUBE_USER_READ: Endpoint = asks("datacube.getuserread", "/datacube/getuserread");
/// Figures: reading by hour.
pub const CUBE_USER_READ_HOUR: Endpoint = asks("datacube.getuserreadhour", "/datacube/getuserreadhour");
/// Figures: sharing.
pub const CUBE_USER_SHARE: Endpoint = asks("datacube.getusershare", "/datacube/getusershare");
/// Figures: sharing by hour.
pub const CUBE_USER_SHARE_HOUR: Endpoint = asks("datacube.getusersharehour", "/datacube/getusersharehour");
/// Figures: messages from users.
pub const CUBE_UPSTREAM: Endpoint = asks("datacube.getupstreammsg", "/datacube/getupstreammsg");
/// Figures: messages from users by hour.
pub const CUBE_UPSTREAM_HOUR: Endpoint = asks("datacube.getupstreammsghour", "/datacube/getupstreammsghour");
/// Figures: messages from users by week.
pub const CUBE_UPSTREAM_WEEK: Endpoint = asks("datacube.getupstreammsgweek", "/datacube/getupstreammsgweek");
/// Figures: messages from users by month.
pub const CUBE_UPSTREAM_MONTH: Endpoint =
    asks("datacube.getupstreammsgmonth", "/datacube/getupstreammsgmonth");
/// Figures: how many messages users send.
pub const CUBE_UPSTREAM_DIST: Endpoint = asks("datacube.getupstreammsgdist", "/datacube/getupstreammsgdist");
/// Figures: how many messages users send in a week.
pub const CUBE_UPSTREAM_DIST_WEEK: Endpoint =
    asks("datacube.getupstreammsgdistweek", "/datacube/getupstreammsgdistweek");
/// Figures: how many messages users send in a month.
pub const CUBE_UPSTREAM_DIST_MONTH: Endpoint =
    asks("datacube.getupstreammsgdistmonth", "/datacube/getupstreammsgdistmonth");
/// Figures: callbacks.
pub const CUBE_INTERFACE: Endpoint = asks("datacube.getinterfacesummary", "/datacube/getinterfacesummary");
/// Figures: callbacks by hour.
pub const CUBE_INTERFACE_HOUR: Endpoint =
    asks("datacube.getinterfacesummaryhour", "/datacube/getinterfacesummaryhour");
/// The risk of a mini program's user.
pub const USER_RISK: Endpoint = asks("wxa.getuserriskrank", "/wxa/getuserriskrank");
/// A follower.
pub const USER_INFO: Endpoint = get("user.info", "/cgi-bin/user/info");
/// Up to 100 followers.
pub const USER_INFO_BATCHGET: Endpoint = asks("user.info.batchget", "/cgi-bin/user/info/batchget");
/// The followers' openids, 10,000 a page.
pub const USER_GET: Endpoint = get("user.get", "/cgi-bin/user/get");
