// helpers/node in a test: co-wechat-api against a fake WeChat. Run by test_helpers.py.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { APPID, SECRET, TEMPLATE, startSandbox } from "../helpers/node/wxgate-sandbox.mjs";

const WechatAPI = createRequire(`${process.env.WXGATE_SDK_NODE}/package.json`)("co-wechat-api");

class API extends WechatAPI {
  constructor(world) {
    super(APPID, SECRET);
    this.base = world.url;
  }
  request(url, opts, retry) {
    return super.request(url.replace(/^https?:\/\/[^/]+/, this.base), opts, retry);
  }
}

const sandbox = await startSandbox(["--seed", "7"]);
after(() => sandbox.stop());

test("tests side by side have a world each", async () => {
  await Promise.all(
    ["Ann", "Bob", "Eve"].map(async (name) => {
      const wechat = await sandbox.world();
      const openid = (await wechat.user(name)).openids[APPID];
      await wechat.control("event", { appid: APPID, openid, event: "subscribe", key: "" });
      const api = new API(wechat);
      assert.equal((await api.getUser(openid)).subscribe, 1);
      await api.sendTemplate(openid, TEMPLATE, "", "", { first: { value: name } });
      const state = await wechat.read("state");
      assert.deepEqual(state.messages.map((message) => message.data.first.value), [name]);
      assert.equal((await wechat.calls({ path: "/cgi-bin/message/template/send" })).length, 1);
      await sandbox.end(wechat);
    }),
  );
});

test("a fault is an error of the SDK, and a reset its end", async () => {
  const wechat = await sandbox.world();
  await wechat.control("fault", { path: "/cgi-bin/token", errcode: 45009, times: 0 });
  await assert.rejects(new API(wechat).getAccessToken(), /45009|reach max api daily quota limit/);
  await wechat.reset(8);
  const { accessToken } = await new API(wechat).getAccessToken();
  await wechat.reset(8);
  assert.equal((await new API(wechat).getAccessToken()).accessToken, accessToken, "the same seed");
  await assert.rejects(wechat.control("fault", { colour: "blue" }), /colour/);
});

test("what can't be started says why", async () => {
  await assert.rejects(startSandbox(["--world", "/nowhere"]), /ended with 1/);
});
