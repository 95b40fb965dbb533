// co-wechat-api 3.11.0 and wechat-oauth 1.5.0 against BASE; see README.md.
import { PICTURE, TEMPLATE, appid, base, isPicture, miniAppid, miniOpenid, miniSecret, openid, require, run, secret } from "./steps.mjs";

// docs: begin
const WechatAPI = require("co-wechat-api");
const OAuth = require("wechat-oauth");

const wxgate = (url) => url.replace(/^https?:\/\/[^/]+/, base);

class API extends WechatAPI {
  request(url, opts, retry) {
    return super.request(wxgate(url), opts, retry);
  }
}
class WebOAuth extends OAuth {
  request(url, opts, callback) {
    return super.request(wxgate(url), opts, callback);
  }
}
const api = new API(appid, secret);
const oauth = new WebOAuth(appid, secret);
// docs: end

const mini = new API(miniAppid, miniSecret);
const miniLogin = new WebOAuth(miniAppid, miniSecret, null, null, true);

/** A call of wechat-oauth, which has callbacks. */
const called = (method, ...args) => new Promise((done, failed) => method(...args, (error, result) => (error ? failed(error) : done(result))));

let media, user;
await run({
  token: async () => (await api.getAccessToken()).accessToken && (await mini.getAccessToken()).accessToken,
  oauth_token: async () => (user = (await called(oauth.getAccessToken.bind(oauth), "demo-oauth")).data.openid),
  oauth_userinfo: async () => (await called(oauth.getUser.bind(oauth), user)).nickname,
  user_info: async () => (await api.getUser(openid)).subscribe === 1,
  template: async () => (await api.sendTemplate(openid, TEMPLATE, "", "", { keyword1: { value: "你好 & <b>" } })).msgid,
  qrcode: async () => (await api.createTmpQRCode("sdk", 60)).ticket,
  media_upload: async () => (media = (await api.uploadMedia(PICTURE, "image", "p.jpg", "image/jpeg")).media_id),
  media_download: async () => PICTURE.equals(await api.getMedia(media)),
  custom: async () => (await api.sendText(openid, "你好")).errcode === 0,
  mini_code: async () => isPicture(await mini.getWXACodeUnlimit("a=1", "pages/index/index")),
  mini_session: async () => (await mini.code2Session("demo-login")).session_key,
  mini_session_oauth: async () => (await called(miniLogin.getSessionKey.bind(miniLogin), "demo-login")).data.session_key,
  mini_custom: async () => (await mini.sendText(miniOpenid, "你好")).errcode === 0,
});
