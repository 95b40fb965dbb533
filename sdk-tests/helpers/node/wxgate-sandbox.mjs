// A fake WeChat in a test: copy this file beside your tests. It needs Node 18 and the program `wxgate`, on PATH or at
// WXGATE_BIN; nothing else.
//
//     import { startSandbox } from "./wxgate-sandbox.mjs";
//
//     const sandbox = await startSandbox();
//     after(() => sandbox.stop());
//
//     test("login", async () => {
//       const wechat = await sandbox.world();            // nobody else has it: tests may run side by side
//       const { openids } = await wechat.user("Ann");
//       const { code } = await wechat.control("login/code", { appid: MINI_APPID, openid: openids[MINI_APPID] });
//       await myBackend({ apiBase: wechat.url }).login(code);
//       assert.equal((await wechat.calls())[0].path, "/sns/jscode2session");
//     });
//
// Accounts, codes that never run out and all control calls: `wechat.url` in a browser, or docs/sandbox.en.md of wxgate.
import { spawn } from "node:child_process";

export const [APPID, SECRET] = ["wx00000000000000a1", "a1".repeat(16)]; // an official account
export const [MINI_APPID, MINI_SECRET] = ["wx00000000000000b2", "b2".repeat(16)]; // a mini program
export const [CALLBACK_TOKEN, AES_KEY] = ["sandboxtoken", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"];
export const TEMPLATE = "sandbox-template-00000000000000000000000001";

/** A WeChat of its own. `url` is the base of its api, mp and open hosts. */
export class World {
  constructor(url) {
    this.url = url;
  }

  /** A control call: `control("fault", { path: "/cgi-bin/token", errcode: 45009 })`; rejects with what it refuses. */
  control(call, members = {}) {
    return this.send("POST", call, members);
  }

  /** `state`, `faults`, `snapshot`. */
  read(call) {
    return this.send("GET", call);
  }

  /** A new WeChat user: `{user, nickname, unionid, openids: {appid: openid}}`. */
  user(nickname) {
    return this.control("users", nickname ? { nickname } : {});
  }

  /** The calls that came, whole, oldest first; `which`: path, appid, since, limit (100). */
  async calls(which = {}) {
    return (await this.send("GET", `calls?${new URLSearchParams(which)}`)).calls;
  }

  /** Back to the start; with a seed every id, token and code is the same again. */
  reset(seed) {
    return this.control("reset", seed === undefined ? {} : { seed });
  }

  async send(method, call, members) {
    const answer = await fetch(`${this.url}/sandbox/${call}`, { method, body: members && JSON.stringify(members) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} /sandbox/${call}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }
}

/** The program, and its first world. */
export class Sandbox extends World {
  #child;

  constructor(child, url) {
    super(url);
    this.#child = child;
  }

  /** Another world (`{name, seed}`), which nobody else has unless it is given a name that others know. */
  async world(asked = {}) {
    return new World((await this.control("worlds", asked)).url);
  }

  /** Ends another world. */
  end(world) {
    return this.send("DELETE", `worlds/${world.url.split("/").at(-1)}`);
  }

  /** Ends the program. */
  stop() {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    const ended = new Promise((done) => child.once("exit", done));
    child.kill();
    return ended;
  }
}

/** Starts the program on a free port; resolves when it answers. `options`: `["--seed", "7"]`, `["--world", "file.json"]`. */
export function startSandbox(options = []) {
  const program = process.env.WXGATE_BIN || "wxgate";
  const child = spawn(program, ["sandbox", "--listen", "127.0.0.1:0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const kill = () => child.kill();
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  return new Promise((started, failed) => {
    // It says where it listens when it does.
    const late = setTimeout(() => (kill(), failed(new Error(`${program} sandbox did not start within 20 s`))), 20_000);
    child.once("error", (error) => (clearTimeout(late), failed(new Error(`${program}: ${error.message}; is it on PATH, or at WXGATE_BIN?`))));
    child.once("exit", (code) => (clearTimeout(late), failed(new Error(`${program} sandbox ended with ${code}`))));
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (more) => {
      said += more;
      const url = said.includes("\n") && said.match(/http:\/\/[\d.:]+\d/)?.[0];
      if (!url) return;
      clearTimeout(late);
      child.stdout.removeAllListeners("data").resume();
      started(new Sandbox(child, url));
    });
  });
}
