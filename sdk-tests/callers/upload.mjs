// Uploads that are refused while they are under way, with Node's fetch or axios; see ../test_uploads.py.
import { createRequire } from "node:module";
import { Readable } from "node:stream";

const require = createRequire(`${process.env.WXGATE_SDK_NODE}/`);
const ask = JSON.parse(process.argv[2]);
const bytes = Buffer.alloc(ask.size);
const pieces = () => Readable.from((function* () {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536);
})());

async function byFetch() {
  const body = ask.chunked ? Readable.toWeb(pieces()) : bytes;
  const answer = await fetch(ask.url, { method: "POST", headers: ask.headers, body, duplex: "half" });
  return answer.text();
}

async function byAxios() {
  const axios = require("axios");
  const answer = await axios.post(ask.url, ask.chunked ? pieces() : bytes, {
    headers: { "content-type": "application/octet-stream", ...ask.headers },
    maxRedirects: 0, maxBodyLength: Infinity, validateStatus: () => true, responseType: "text", transformResponse: (text) => text,
  });
  return answer.data;
}

const said = [];
for (let n = 0; n < ask.times; n++) {
  said.push(await (ask.client === "axios" ? byAxios() : byFetch()).catch((error) => `${error} ${error.cause ?? ""}`));
}
console.log(JSON.stringify(said));
