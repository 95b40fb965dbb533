// What every Node receiver does; the same form as receiver.py.
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

// The packages lie outside the checkout, where `import` doesn't look.
export const require = createRequire(`${process.env.WXGATE_SDK_NODE}/package.json`);
export const settings = JSON.parse(process.argv[2]);

export function note(entry) {
  appendFileSync(settings.log, JSON.stringify(entry) + "\n");
}

// What the log says of every accepted request, whatever the SDK.
export function common(req) {
  const kept = Object.entries(req.headers).filter(([name]) => /^(x-wxgate|webhook)-/.test(name));
  return { accepted: true, query: req.query, headers: Object.fromEntries(kept) };
}

// Runs until it is stopped; whatever `answer` throws is a refusal.
export function serve(answer) {
  const server = createServer(async (req, res) => {
    req.query = Object.fromEntries(new URL(req.url, "http://localhost").searchParams);
    let why = "";
    const writeHead = res.writeHead;
    res.writeHead = (status, ...rest) => {
      if (req.method === "POST" && status >= 400) note({ accepted: false, why: why || `HTTP ${status}` });
      return writeHead.call(res, status, ...rest);
    };
    const refuse = (error) => {
      why = String(error);
      res.writeHead(403).end("refused");
    };
    try {
      await answer(req, res, refuse);
    } catch (error) {
      refuse(error);
    }
  });
  server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
}

export async function read(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
