// What a form asks of an account, a caller or a route: a row a key of the configuration. Their labels and hints are in
// the locale of the list, `<list>.field.<key>` and `<list>.hint.<key>`.

import { badName, badOrder, badQuotas, type Mistake } from './checks'

export type ListName = 'apps' | 'callers' | 'routes'

export interface Field {
  key: string
  /** `lines`: a list, one a line. */
  type: 'text' | 'secret' | 'lines' | 'choice' | 'flag' | 'number' | 'quotas' | 'expiry'
  /** Only asked for when it is made; it can't change. */
  isId?: boolean
  required?: boolean
  choices?: string[]
  /** What a flag is when it is set, instead of true. */
  on?: string
  /** Of a list: what can be chosen instead of writing one out, by name, as it stands in the form. */
  presets?: Record<string, string>
  /** What is wrong with it, if it says something, in a form that says `values`. */
  check?: (text: string, values: Values) => Mistake | null
  /** What it is when nobody says. */
  usual?: string | number | boolean
  placeholder?: string
  /** Makes a good one. */
  generate?: () => string
  /** Never asked for; only written out. */
  unseen?: boolean
  /** Folded away at first. */
  rare?: boolean
  when?: (values: Values) => boolean
}

export type Values = Record<string, unknown>

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

function random(length: number) {
  const bytes = crypto.getRandomValues(new Uint8Array(length * 2)).filter((byte) => byte < 248)
  return [...bytes].slice(0, length).map((byte) => letters[byte % 62]).join('')
}

const webhookSecret = () => 'whsec_' + btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))

/** How a list of nothing stands in a form, where an empty text says nothing. */
export const NONE = '[]'

const isJson = (values: Values) => values.format === 'json'
const isWechat = (values: Values) => values.format !== 'json'

export const fields: Record<ListName, Field[]> = {
  apps: [
    { key: 'kind', type: 'choice', choices: ['official', 'mini', 'open'], usual: 'official' },
    { key: 'appid', type: 'text', isId: true, required: true, placeholder: 'wx3cc8fd6963e31a32' },
    { key: 'secret', type: 'secret', required: true },
    { key: 'name', type: 'text' },
    { key: 'tags', type: 'lines' },
    { key: 'callback_token', type: 'secret', generate: () => random(32) },
    { key: 'aes_key', type: 'secret', generate: () => random(43) },
    { key: 'original_id', type: 'text', placeholder: 'gh_10f6c3c3ac5a', rare: true },
    { key: 'token_mode', type: 'choice', choices: ['stable', 'classic'], usual: 'stable', rare: true },
    { key: 'allow_plain', type: 'flag', usual: false, rare: true },
    { key: 'previous_callback_token', type: 'secret', rare: true },
    { key: 'previous_aes_key', type: 'secret', rare: true },
    { key: 'oauth_redirects', type: 'lines', placeholder: 'https://*.example.com/', rare: true },
    { key: 'proxy', type: 'secret', placeholder: 'http://user:password@host:port', rare: true },
  ],
  callers: [
    { key: 'name', type: 'text', isId: true, required: true, placeholder: 'shop', check: badName },
    { key: 'key', type: 'secret', unseen: true },
    { key: 'previous_key', type: 'secret', unseen: true },
    { key: 'apps', type: 'lines', required: true, presets: { all: '*' }, placeholder: 'wx3cc8fd6963e31a32' },
    { key: 'apis', type: 'lines', required: true, presets: { all: '*' }, placeholder: '/v1/service/wx/*' },
    { key: 'networks', type: 'lines', placeholder: '10.0.0.0/8' },
    { key: 'rate', type: 'number', usual: 0 },
    { key: 'concurrency', type: 'number', usual: 0 },
    { key: 'quotas', type: 'quotas', placeholder: '/cgi-bin/message/* = 10000/d', check: badQuotas, rare: true },
    { key: 'expires_at', type: 'expiry', rare: true },
    { key: 'export_token', type: 'flag', usual: false, rare: true },
    { key: 'may_reply', type: 'flag', usual: false, rare: true },
  ],
  routes: [
    { key: 'name', type: 'text', isId: true, required: true, placeholder: 'shop', check: badName },
    { key: 'target', type: 'text', required: true, placeholder: 'http://10.0.0.5:8080/wx/{appid}' },
    { key: 'events', type: 'lines', placeholder: 'SCAN' },
    { key: 'apps', type: 'lines', placeholder: '*' },
    { key: 'scenes', type: 'lines', placeholder: 'login_*' },
    { key: 'openids', type: 'lines', rare: true },
    { key: 'format', type: 'choice', choices: ['wechat', 'json'], usual: 'wechat' },
    { key: 'secret', type: 'secret', generate: webhookSecret, when: isJson },
    { key: 'previous_secret', type: 'secret', rare: true, when: isJson },
    { key: 'token', type: 'secret', rare: true, when: isWechat },
    { key: 'aes_key', type: 'secret', rare: true, when: isWechat },
    { key: 'reply', type: 'choice', choices: ['false', 'true', 'raw'], usual: 'false' },
    { key: 'reply_wait', type: 'text', usual: '4.5s', when: (values) => values.reply !== 'false' },
    { key: 'late_reply', type: 'flag', on: 'custom', when: (values) => values.reply === 'true' },
    { key: 'stop', type: 'flag', usual: false },
    { key: 'ordered', type: 'flag', usual: false, check: badOrder },
    { key: 'concurrency', type: 'number', usual: 8, rare: true },
    { key: 'timeout', type: 'text', usual: '15s', rare: true },
    { key: 'retry', type: 'lines', presets: { usual: '', none: NONE }, placeholder: '5s', rare: true },
  ],
}

export const idOf = (list: ListName) => (list === 'apps' ? 'appid' : 'name')
