import { root, whole } from '../api'
import { place } from '../store'

/** The page that shows what an OAuth address gave; it knows whose code it is. */
const cameOf = (appid: string) => whole(`?view=came&appid=${appid}`)

/** An OAuth address of an account that leads to `back`: unless told otherwise to a page here which shows the code. */
export function authorize(appid: string, scope: string, back = cameOf(appid)) {
  return whole(`connect/oauth2/authorize?appid=${appid}&redirect_uri=${encodeURIComponent(back)}&response_type=code&scope=${scope}&state=phone#wechat_redirect`)
}

/** The same with another scope: an OAuth address keeps all the rest, any other page is the one that gets the code. */
export function askWith(address: string, appid: string, scope: string) {
  if (!/^https?:/.test(address)) return authorize(appid, scope)
  if (!/\/connect\/oauth2\/authorize\?/.test(address)) return authorize(appid, scope, address)
  return /[?&]scope=/.test(address) ? address.replace(/([?&]scope=)[^&#]*/, `$1${scope}`) : address.replace('?', `?scope=${scope}&`)
}

/** Hosts of WeChat's whose pages and pictures are here. */
const WECHATS = ['open.weixin.qq.com', 'mp.weixin.qq.com', 'api.weixin.qq.com', 'weixin.qq.com', 'mmbiz.qpic.cn']
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]']

/**
 * Where the phone really goes: what is WeChat's is here, below this page's own root, and its pages learn who holds the phone.
 * Anything else stays as it is.
 */
export function local(address: string) {
  let url: URL
  try {
    url = new URL(address)
  } catch {
    return address
  }
  const home = new URL(root, location.href)
  const isWechats = WECHATS.includes(url.hostname)
  const isHere = url.host === home.host || (url.port === home.port && LOOPBACK.includes(url.hostname) && LOOPBACK.includes(home.hostname))
  if (!isWechats && !isHere) return address
  const here = isWechats ? new URL(url.pathname.slice(1), new URL('./', home)) : new URL(url.pathname, home.origin)
  here.search = url.search
  here.hash = url.hash
  if (/\/(connect|mp)\/\w/.test(here.pathname)) here.search += `${here.search ? '&' : '?'}sandbox_holder=${encodeURIComponent(place.user)}`
  return here.href
}

/** A picture that the page may show: one that is here. Nothing of one elsewhere, which is not fetched. */
export function pictureOf(address: string) {
  const found = local(address)
  return found.startsWith(new URL(root, location.href).origin + '/') ? found : ''
}
