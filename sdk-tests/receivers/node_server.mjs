// Callback servers as the documentation of two Node SDKs writes them. Settings: sdk, token, aes_key, appid, reply.
import { common, note, require, serve, settings } from "./receiver.mjs";

const { token, aes_key, appid, reply } = settings;

function accepted(req, message) {
  note({
    ...common(req),
    encrypted: req.query.encrypt_type === "aes",
    openid: message.FromUserName,
    to: message.ToUserName,
    msg_type: message.MsgType,
    event: message.Event ?? "",
    content: message.Content ?? "",
  });
}

// `wechat`: express middleware; checks every signature, not the appid in an encrypted message.
function wechat() {
  return require("wechat")({ token, appid, encodingAESKey: aes_key }, (req, res) => {
    accepted(req, req.weixin);
    if (reply && req.weixin.MsgType === "text") res.reply(reply);
    else res.end("success");
  });
}

// `node-easywechat`: checks encrypted messages, the appid too; looks at no signature of a plain one.
function easywechat() {
  const { OfficialAccount, ServerRequest } = require("node-easywechat");
  return async (req, res) => {
    const app = new OfficialAccount({ app_id: appid, secret: "unused", token, aes_key });
    app.setRequest(await ServerRequest.createFromIncomingMessage(req));
    const server = app.getServer();
    server.with((message) => {
      accepted(req, message);
      return reply && message.MsgType === "text" ? reply : true;
    });
    const response = await server.serve();
    res.writeHead(response.getStatusCode(), response.getHeaders()).end(response.getBody());
  };
}

serve({ wechat, easywechat }[settings.sdk]());
