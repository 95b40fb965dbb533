// wechat-api 1.35.1, whose hosts stand in its source and whose agents are its own, as it is; see ../README.md.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PICTURE, TEMPLATE, appid, held, openid, require, run, secret } from "../callers/steps.mjs";

const API = require("wechat-api");

const api = new API(appid, secret);
const picture = join(mkdtempSync(join(tmpdir(), "wechat-api-")), "p.jpg");
writeFileSync(picture, PICTURE);
const called = (method, ...args) =>
  new Promise((done, failed) => api[method](...args, (error, result) => (error ? failed(error) : done(result))));

let media;
await run(
  {
    token: async () => (await called("getAccessToken")).accessToken,
    ip: async () => (await called("getIp")).ip_list,
    user_info: async () => (await called("getUser", openid)).subscribe === 1,
    users_info: async () => (await called("batchGetUsers", [openid])).user_info_list[0].openid === openid,
    followers: async () => (await called("getFollowers")).data.openid.includes(openid),
    template: async () => (await called("sendTemplate", openid, TEMPLATE, "", { keyword1: { value: "你好 & <b>" } })).msgid,
    qrcode: async () => (await called("createTmpQRCode", 7, 60)).ticket,
    media_upload: async () => (media = (await called("uploadMedia", picture, "image")).media_id),
    media_download: async () => PICTURE.equals((await called("getMedia", media)).data ?? (await called("getMedia", media))),
    custom: async () => (await called("sendText", openid, "你好")).errcode === 0,
  },
  held,
);
