// node-easywechat 3.6.2 against BASE; see README.md.
import { PICTURE, TEMPLATE, appid, base, isPicture, miniAppid, miniOpenid, miniSecret, openid, require, run, secret } from "./steps.mjs";

// docs: begin
const { OfficialAccount, MiniApp } = require("node-easywechat");

const app = new OfficialAccount({ app_id: appid, secret, http: { baseURL: `${base}/` } });
const mini = new MiniApp({ app_id: miniAppid, secret: miniSecret, http: { baseURL: `${base}/` } });

const oauth = () => Object.assign(app.getOAuth(), { _baseUrl: `${base}/sns` });
// docs: end

const FormData = require("form-data");
const ok = (answer) => {
  if (answer.errcode) throw new Error(JSON.stringify(answer));
  return answer;
};
const get = async (of, path, params) => ok((await of.getClient().get(path, { params })).toObject());
const post = async (of, path, json) => ok((await of.getClient().post(path, { json })).toObject());
const bytes = { responseType: "arraybuffer" };

let media, token;
await run({
  token: async () => (await app.getAccessToken().getToken()) && (await mini.getAccessToken().getToken()),
  oauth_token: async () => (token = (await oauth().tokenFromCode("demo-oauth")).access_token),
  oauth_userinfo: async () => (await oauth().userFromCode("demo-oauth")).getNickname(),
  user_info: async () => (await get(app, "cgi-bin/user/info", { openid })).subscribe === 1,
  template: async () =>
    (await post(app, "cgi-bin/message/template/send", {
      touser: openid,
      template_id: TEMPLATE,
      data: { keyword1: { value: "你好 & <b>" } },
    })).msgid,
  qrcode: async () =>
    (await post(app, "cgi-bin/qrcode/create", {
      expire_seconds: 60,
      action_name: "QR_STR_SCENE",
      action_info: { scene: { scene_str: "sdk" } },
    })).ticket,
  media_upload: async () => {
    const form = new FormData();
    form.append("media", PICTURE, { filename: "p.jpg", contentType: "image/jpeg" });
    const answer = await app.getClient().post("cgi-bin/media/upload", { params: { type: "image" }, formData: form });
    return (media = ok(answer.toObject()).media_id);
  },
  media_download: async () => {
    const answer = await app.getClient().get("cgi-bin/media/get", { params: { media_id: media }, ...bytes });
    return PICTURE.equals(Buffer.from(answer.getContent()));
  },
  custom: async () =>
    await post(app, "cgi-bin/message/custom/send", { touser: openid, msgtype: "text", text: { content: "你好" } }),
  mini_code: async () => {
    const json = { scene: "a=1", page: "pages/index/index" };
    return isPicture((await mini.getClient().post("wxa/getwxacodeunlimit", { json, ...bytes })).getContent());
  },
  mini_phone: async () => (await post(mini, "wxa/business/getuserphonenumber", { code: "demo-phone" })).phone_info.purePhoneNumber,
  mini_session: async () => (await mini.getUtils().codeToSession("demo-login")).session_key,
  mini_custom: async () =>
    await post(mini, "cgi-bin/message/custom/send", { touser: miniOpenid, msgtype: "text", text: { content: "你好" } }),
});
