//! What an account shows and tells everybody: menus, media, drafts, publications, mass messages, comments.

use super::{Auth, Effect, Endpoint, Method, api, asks, does, get};

/// Menus: one for some of the followers.
pub const MENU_ADDCONDITIONAL: Endpoint = does("menu.addconditional", "/cgi-bin/menu/addconditional");
/// Menus: removes one for some of the followers.
pub const MENU_DELCONDITIONAL: Endpoint = does("menu.delconditional", "/cgi-bin/menu/delconditional");
/// Menus: which one a follower sees.
pub const MENU_TRYMATCH: Endpoint = asks("menu.trymatch", "/cgi-bin/menu/trymatch");
/// Menus: the one in use, whoever made it.
pub const SELFMENU_INFO: Endpoint = get("get_current_selfmenu_info", "/cgi-bin/get_current_selfmenu_info");
/// Permanent articles: withdrawn in favour of drafts.
pub const MATERIAL_ADD_NEWS: Endpoint = does("material.add_news", "/cgi-bin/material/add_news");
/// Likewise.
pub const MATERIAL_UPDATE_NEWS: Endpoint = does("material.update_news", "/cgi-bin/material/update_news");
/// Drafts: a new one.
pub const DRAFT_ADD: Endpoint = does("draft.add", "/cgi-bin/draft/add");
/// Drafts: list.
pub const DRAFT_LIST: Endpoint = asks("draft.batchget", "/cgi-bin/draft/batchget");
/// Drafts: their number.
pub const DRAFT_COUNT: Endpoint = get("draft.count", "/cgi-bin/draft/count");
/// Drafts: removes one.
pub const DRAFT_DELETE: Endpoint = does("draft.delete", "/cgi-bin/draft/delete");
/// Drafts: one.
pub const DRAFT_GET: Endpoint = asks("draft.get", "/cgi-bin/draft/get");
/// Drafts: turns them on for the account, which can't be undone.
pub const DRAFT_SWITCH: Endpoint = does("draft.switch", "/cgi-bin/draft/switch");
/// Drafts: changes one article.
pub const DRAFT_UPDATE: Endpoint = does("draft.update", "/cgi-bin/draft/update");
/// Publications: list.
pub const PUBLISH_LIST: Endpoint = asks("freepublish.batchget", "/cgi-bin/freepublish/batchget");
/// Publications: removes one.
pub const PUBLISH_DELETE: Endpoint = does("freepublish.delete", "/cgi-bin/freepublish/delete");
/// Publications: how one is getting on.
pub const PUBLISH_GET: Endpoint = asks("freepublish.get", "/cgi-bin/freepublish/get");
/// Publications: the articles of one.
pub const PUBLISH_ARTICLE: Endpoint = asks("freepublish.getarticle", "/cgi-bin/freepublish/getarticle");
/// Publications: publishes a draft.
pub const PUBLISH_SUBMIT: Endpoint = does("freepublish.submit", "/cgi-bin/freepublish/submit");
/// Mass messages: takes one's articles away.
pub const MASS_DELETE: Endpoint = does("message.mass.delete", "/cgi-bin/message/mass/delete");
/// Mass messages: how one is getting on.
pub const MASS_GET: Endpoint = asks("message.mass.get", "/cgi-bin/message/mass/get");
/// Mass messages: to one user, for a look.
pub const MASS_PREVIEW: Endpoint = does("message.mass.preview", "/cgi-bin/message/mass/preview");
/// Mass messages: to these users.
pub const MASS_SEND: Endpoint = does("message.mass.send", "/cgi-bin/message/mass/send");
/// Mass messages: to all followers, or those with a tag.
pub const MASS_SENDALL: Endpoint = does("message.mass.sendall", "/cgi-bin/message/mass/sendall");
/// Mass messages: how fast they go out.
pub const MASS_SPEED_GET: Endpoint = asks("message.mass.speed.get", "/cgi-bin/message/mass/speed/get");
/// Mass messages: sets how fast they go out.
pub const MASS_SPEED_SET: Endpoint = does("message.mass.speed.set", "/cgi-bin/message/mass/speed/set");
/// Comments: no more of them on an article.
pub const COMMENT_CLOSE: Endpoint = does("comment.close", "/cgi-bin/comment/close");
/// Comments: removes one.
pub const COMMENT_DELETE: Endpoint = does("comment.delete", "/cgi-bin/comment/delete");
/// Comments: those on an article.
pub const COMMENT_LIST: Endpoint = asks("comment.list", "/cgi-bin/comment/list");
/// Comments: everybody is to see this one.
pub const COMMENT_ELECT: Endpoint = does("comment.markelect", "/cgi-bin/comment/markelect");
/// Comments: lets readers comment on an article.
pub const COMMENT_OPEN: Endpoint = does("comment.open", "/cgi-bin/comment/open");
/// Comments: answers one.
pub const COMMENT_REPLY: Endpoint = does("comment.reply.add", "/cgi-bin/comment/reply/add");
/// Comments: removes the answer to one.
pub const COMMENT_UNREPLY: Endpoint = does("comment.reply.delete", "/cgi-bin/comment/reply/delete");
/// Comments: everybody is no more to see this one.
pub const COMMENT_UNELECT: Endpoint = does("comment.unmarkelect", "/cgi-bin/comment/unmarkelect");
/// Sets the account's menu.
pub const MENU_CREATE: Endpoint = does("menu.create", "/cgi-bin/menu/create");
/// The account's menus.
pub const MENU_GET: Endpoint = get("menu.get", "/cgi-bin/menu/get");
/// Removes the account's menus.
pub const MENU_DELETE: Endpoint =
    api("menu.delete", Method::Get, "/cgi-bin/menu/delete", Auth::AccessToken, Effect::Writes);
/// Temporary media: upload.
pub const MEDIA_UPLOAD: Endpoint = does("media.upload", "/cgi-bin/media/upload");
/// Temporary media: download.
pub const MEDIA_GET: Endpoint = get("media.get", "/cgi-bin/media/get");
/// Temporary media: a page's recording in full quality.
pub const MEDIA_GET_JSSDK: Endpoint = get("media.get.jssdk", "/cgi-bin/media/get/jssdk");
/// Picture for an article.
pub const MEDIA_UPLOADIMG: Endpoint = does("media.uploadimg", "/cgi-bin/media/uploadimg");
/// Permanent media: upload.
pub const MATERIAL_ADD: Endpoint = does("material.add_material", "/cgi-bin/material/add_material");
/// Permanent media: download.
pub const MATERIAL_GET: Endpoint = asks("material.get_material", "/cgi-bin/material/get_material");
/// Permanent media: remove.
pub const MATERIAL_DELETE: Endpoint = does("material.del_material", "/cgi-bin/material/del_material");
/// Permanent media: list.
pub const MATERIAL_LIST: Endpoint = asks("material.batchget_material", "/cgi-bin/material/batchget_material");
/// Permanent media: numbers.
pub const MATERIAL_COUNT: Endpoint = get("material.get_materialcount", "/cgi-bin/material/get_materialcount");
