// The real gateway, as WXGATE_BIN names it: a demo, or a server that nobody has set up.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const bin = process.env.WXGATE_BIN
if (!bin) throw new Error('WXGATE_BIN names the program')

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A program, and what it has said. It is ended with its walk. */
async function start(args, more, until) {
  const child = spawn(bin, args, { env: { ...process.env, WXGATE_LANG: 'en', ...more }, stdio: ['ignore', 'pipe', 'pipe'] })
  const it = { child, said: '' }
  const hear = (piece) => (it.said += piece)
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  for (let n = 0; !until.test(it.said); n++) {
    if (n > 300 || child.exitCode !== null) throw new Error(`it doesn't start: ${it.said}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return it
}

export async function startDemo() {
  const [listen, admin, sandbox] = await Promise.all([freePort(), freePort(), freePort()])
  const at = (port) => `127.0.0.1:${port}`
  const it = await start(['demo', '--listen', at(listen), '--admin-listen', at(admin), '--sandbox-listen', at(sandbox)], {}, /Ctrl-C ends it/)
  return { ...it, base: `http://${at(admin)}`, gateway: `http://${at(listen)}`, sandbox: `http://${at(sandbox)}`, link: it.said.match(/http:\S+#once=\w+/)[0], token: it.said.match(/admin token (\S+?)\)/)[1] }
}

/** A gateway whose console nobody has opened yet. */
export async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), 'wxgate-'))
  const [listen, admin] = await Promise.all([freePort(), freePort()])
  const file = join(folder, 'wxgate.toml')
  writeFileSync(file, `[server]\nlisten = "127.0.0.1:${listen}"\nadmin_listen = "127.0.0.1:${admin}"\n[store]\nurl = "sqlite:${folder}/wxgate.db"\n`)
  const it = await start(['serve', '--config', file], {}, /wxgate runs/)
  return { ...it, base: `http://127.0.0.1:${admin}`, folder, end: () => rmSync(folder, { recursive: true, force: true }) }
}
