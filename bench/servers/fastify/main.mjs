// Fastify and co-wechat-api, whose store of tokens it asks: `node main.mjs PORT APPID KEY TOKEN`
import { createRequire } from "node:module";
import Fastify from "fastify";
const WechatAPI = createRequire(import.meta.url)("co-wechat-api");
const [port, appid, key, token] = process.argv.slice(2);
const held = { accessToken: token, expireTime: Date.now() + 7200_000 };
const apis = new Map([[appid, new WechatAPI(appid, "secret", async () => held, async () => {})]]);
const keys = new Set([key]);
const app = Fastify();
app.get("/cgi-bin/token", async (request, reply) => {
  const api = keys.has(request.query.secret) && apis.get(request.query.appid);
  if (!api) return reply.code(403).send({ errcode: 40125 });
  const token = await api.ensureAccessToken();
  return { access_token: token.accessToken, expires_in: 7200 };
});
await app.listen({ port: Number(port), host: "127.0.0.1" });
