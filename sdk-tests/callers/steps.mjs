// What the Node callers share: the environment they are run with, and the lines they print (README.md).
import { createRequire } from "node:module";

// By `wxgate run` no variable of wxgate's comes through.
export const require = createRequire(`${process.env.SDK_NODE ?? process.env.WXGATE_SDK_NODE}/package.json`);

const env = (name) => process.env[name] ?? fail(name);
const fail = (name) => {
  throw new Error(`${name} is not set`);
};
// Programs with fixed hosts have no BASE and no mini program.
export const base = process.env.BASE;
export const [appid, secret, openid] = [env("APPID"), env("SECRET"), env("OPENID")];
export const [miniAppid, miniSecret, miniOpenid] = ["MINI_APPID", "MINI_SECRET", "MINI_OPENID"].map((name) => process.env[name]);
const [loops, pause] = [Number(process.env.LOOPS ?? 1), Number(process.env.PAUSE_MS ?? 0)];

export const TEMPLATE = "sandbox-template-00000000000000000000000001";
export const PICTURE = Buffer.concat([
  Buffer.from([0xff, 0xd8, 0xff, 0xe0]),
  Buffer.from(Array.from({ length: 10240 }, (_, at) => at % 256)),
  Buffer.from([0xff, 0xd9]),
]);
export const isPicture = (bytes) => ["ffd8ff", "89504e"].includes(Buffer.from(bytes).subarray(0, 3).toString("hex"));

/** With HELD it stays until its standard input ends, so that a test may look into it. */
export async function held() {
  if (!process.env.HELD) return;
  console.log(JSON.stringify({ step: "held", ok: true }));
  for await (const _ of process.stdin);
}

/** All steps, LOOPS times; a step fails by throwing or by a false result. */
export async function run(steps, atTheEnd) {
  for (let turn = 0; turn < loops; turn++) {
    if (turn) await new Promise((done) => setTimeout(done, pause));
    for (const [step, act] of Object.entries(steps)) {
      const began = performance.now();
      let error;
      try {
        if (!(await act())) error = "not what it should be";
      } catch (raised) {
        error = `${raised?.name}: ${raised?.message}`;
      }
      const line = { step, ok: !error, ms: Math.round(performance.now() - began), error };
      console.log(JSON.stringify(line));
      if (error) process.exitCode = 1;
    }
  }
  await atTheEnd?.();
}
