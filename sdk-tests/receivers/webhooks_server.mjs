// Standard Webhooks' own JavaScript library verifies. Settings: secret.
import { common, note, read, require, serve, settings } from "./receiver.mjs";

const { Webhook } = require("standardwebhooks");

serve(async (req, res) => {
  const payload = new Webhook(settings.secret).verify(await read(req), req.headers);
  note({ ...common(req), payload });
  res.end();
});
