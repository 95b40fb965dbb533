// What walks through the sandbox's page ask of it besides.
import assert from 'node:assert/strict'

export const TEMPLATE = 'sandbox-template-00000000000000000000000001'

/** A control call: with a body it is a POST. */
export async function control(it, path, body) {
  const answer = await fetch(`${it.sandbox}/sandbox/${path}`, body ? { method: 'POST', body: JSON.stringify(body) } : {})
  assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`)
  return answer.json()
}

/** A new code of an account; its ticket. */
export const codeOf = async (it, appid, scene) => (await control(it, 'codes', { appid, scene, seconds: 1800 })).ticket

export const pushed = async (it) => (await control(it, 'state')).pushes
export const lastPush = async (it) => (await pushed(it)).at(-1)

/** A call of the gateway's service API. */
export const service = (it, name, members) => fetch(`${it.gateway}/v1/service/wx/${name}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(members) })

const SECRETS = { wx00000000000000a1: 'a1', wx00000000000000b2: 'b2', wx3cc8fd6963e31a32: 'c3' }

export async function tokenOf(it, appid) {
  const body = JSON.stringify({ grant_type: 'client_credential', appid, secret: SECRETS[appid].repeat(16) })
  return (await (await fetch(`${it.sandbox}/cgi-bin/stable_token`, { method: 'POST', body })).json()).access_token
}

/** A menu as `menu/get` has it. */
export const MENU = (base) => ({
  button: [
    { type: 'click', name: '今日优惠', key: 'sale' },
    { type: 'view', name: '我的订单', url: `${base}/?view=came&code=0123456789&state=menu` },
    { name: '工具', sub_button: [
      { type: 'scancode_waitmsg', name: '扫一扫', key: 'scan' },
      { type: 'pic_sysphoto', name: '发照片', key: 'photo' },
      { type: 'location_select', name: '发位置', key: 'place' },
    ] },
  ],
})
