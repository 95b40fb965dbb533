// Node's http, https and fetch through the proxy of `wxgate run`: their agents, and those that libraries make for
// themselves, don't ask HTTPS_PROXY. Loaded first, by NODE_OPTIONS.
"use strict";
const http = require("http");
const https = require("https");
const net = require("net");
const tls = require("tls");
const { Duplex } = require("stream");

const PROXY = { host: "127.0.0.1", port: __PORT__ };
const direct = { http: http.Agent.prototype.createConnection, https: https.Agent.prototype.createConnection };
const isHere = (host) => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/.test(host);

// A stream to a host, which waits for the proxy's yes. It begins at once: there are agents that want a socket at once.
class Tunnel extends Duplex {
  constructor(host, port) {
    super();
    this.connecting = true;
    this.quiet = false;
    const agent = new http.Agent();
    agent.createConnection = direct.http;
    const target = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
    this.ask = http.request({ ...PROXY, agent, method: "CONNECT", path: target, headers: { host: target } });
    this.ask.on("error", (error) => this.destroy(error));
    this.ask.on("connect", (answer, socket, head) => {
      if (this.destroyed) socket.destroy();
      else if (answer.statusCode === 200) this.open(socket, head);
      else this.refuse(answer, socket, head);
    });
    this.ask.end();
  }
  refuse(answer, socket, head) {
    const length = Number(answer.headers["content-length"]);
    const pieces = [head];
    const look = () => {
      const text = Buffer.concat(pieces);
      if (text.length < length) return;
      socket.destroy();
      this.destroy(new Error(`wxgate run: HTTP ${answer.statusCode}: ${text.toString().trim()}`));
    };
    socket.on("error", (error) => this.destroy(error));
    socket.on("data", (piece) => look(pieces.push(piece)));
    look();
  }
  open(socket, head) {
    this.socket = socket;
    if (this.quiet) socket.unref();
    socket.on("data", (piece) => {
      this.move();
      if (!this.push(piece)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
    if (head.length) this.push(head);
    this.connecting = false;
    this.emit("connect");
    if (this.waiting) socket.write(...this.waiting);
    if (this.ending) socket.end(this.ending);
  }
  move() {
    if (this.timer) this.timer.refresh();
  }
  _write(piece, encoding, done) {
    this.move();
    if (this.socket) this.socket.write(piece, encoding, done);
    else this.waiting = [piece, encoding, done];
  }
  _read() {
    if (this.socket) this.socket.resume();
  }
  _final(done) {
    if (this.socket) this.socket.end(done);
    else this.ending = done;
  }
  _destroy(error, done) {
    clearTimeout(this.timer);
    this.ask.destroy();
    if (this.socket) this.socket.destroy();
    done(error);
  }
  // What http expects of a socket.
  setTimeout(after, then) {
    clearTimeout(this.timer);
    this.timer = after ? setTimeout(() => this.emit("timeout"), after).unref() : undefined;
    if (then) after ? this.once("timeout", then) : this.removeListener("timeout", then);
    return this;
  }
  setKeepAlive() {
    return this;
  }
  setNoDelay() {
    return this;
  }
  ref() {
    this.quiet = false;
    if (this.socket) this.socket.ref();
    return this;
  }
  unref() {
    this.quiet = true;
    if (this.socket) this.socket.unref();
    return this;
  }
}

const hostOf = (options) => options.host || options.hostname || "localhost";
const plain = (options) => new Tunnel(hostOf(options), options.port || 80);
const secure = (options) => {
  const host = hostOf(options);
  const servername = options.servername || (net.isIP(host) ? undefined : host);
  const under = new Tunnel(host, options.port || 443);
  const socket = tls.connect({ ...options, servername, socket: under });
  under.on("error", (error) => socket.destroy(error));
  // It may say so twice, when whoever asked has gone.
  socket.on("error", () => {});
  // Whether a process stays for it is up to what lies under it.
  const [ref, unref] = [socket.ref, socket.unref];
  socket.ref = () => under.ref() && ref.call(socket);
  socket.unref = () => under.unref() && unref.call(socket);
  return socket;
};

for (const [agent, there, here] of [
  [http.Agent.prototype, plain, direct.http],
  [https.Agent.prototype, secure, direct.https],
]) {
  agent.createConnection = function (options, ...rest) {
    const isOurs = options && typeof options === "object" && !options.socketPath && !isHere(hostOf(options));
    return isOurs ? there(options) : here.call(this, options, ...rest);
  };
}

// fetch asks the dispatcher that stands in a global place, where the first fetch puts Node's own.
const PLACE = Symbol.for("undici.globalDispatcher.1");
if (typeof fetch === "function") {
  const original = fetch;
  const connect = ({ protocol, hostname, port, servername }, done) => {
    const isSecure = protocol === "https:";
    const options = { host: hostname, port: port || (isSecure ? 443 : 80), servername: servername || undefined };
    const ways = isHere(hostname) ? [net.connect, tls.connect] : [plain, secure];
    const socket = ways[Number(isSecure)](options);
    socket.once("error", done);
    socket.once(isSecure ? "secureConnect" : "connect", () => {
      socket.removeListener("error", done);
      done(null, socket);
    });
  };
  let ready = false;
  globalThis.fetch = function (...call) {
    if (!ready) {
      ready = true;
      if (!globalThis[PLACE]) original("data:,").catch(() => {});
      const Agent = globalThis[PLACE] && globalThis[PLACE].constructor;
      if (Agent) globalThis[PLACE] = new Agent({ connect });
    }
    return original.apply(this, call);
  };
}
