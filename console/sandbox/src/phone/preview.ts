import type { Line } from '../api'
import { t } from '../i18n'
import { isMembers, links, list, members, text, title } from '../message'

/** What a menu's button, a scan, a follow looks like in the middle of the chat. */
export function doing(name: string, key: string) {
  switch (name) {
    case 'SCAN': return t('line.scan', { key })
    case 'subscribe': return key ? t('line.subscribeBy', { key }) : t('line.subscribe')
    case 'unsubscribe': return t('line.unsubscribe')
    case 'CLICK': return t('line.click', { key })
    case 'VIEW': return t('line.view')
    case 'view_miniprogram': return t('line.view_miniprogram')
    case 'user_enter_tempsession': return t('line.enter')
    case 'scancode_push': case 'scancode_waitmsg': return t('line.scancode')
    case 'pic_sysphoto': case 'pic_photo_or_album': case 'pic_weixin': return t('line.pics')
    case 'location_select': return t('line.place')
    case 'subscribe_msg_popup_event': return t(`line.popup_${key}`)
    case 'subscribe_msg_change_event': return t(`line.change_${key}`)
    default: return t('line.event', { name, key })
  }
}

/** The message of a line as members: replies come as they were written. */
export const messageOf = (line: Line) => (typeof line.message === 'string' ? members(line.message) : isMembers(line.message) ? line.message : {})

const PLAIN: Record<string, string> = { image: 'line.picture', voice: 'phone.voice', video: 'line.video', shortvideo: 'line.video', music: 'line.music', location: 'phone.location', link: 'phone.link', wxcard: 'line.card' }

/** A line in a few words. */
export function preview(line: Line): string {
  if (line.by === 'trouble') return t('line.trouble')
  const message = messageOf(line)
  if (line.by === 'user') {
    const { event, name, key } = title(message)
    return event ? doing(name, key) : name === 'text' ? key : `[${PLAIN[name] ? t(PLAIN[name]) : name}]`
  }
  if (line.template_id) return `[${t(line.path.includes('subscribe') ? 'line.subscription' : 'line.template')}]`
  const type = text(message, 'MsgType') || text(message, 'msgtype')
  const content = text(message, 'Content') || text(message, 'text', 'content') || text(message, 'msgmenu', 'head_content')
  if (content) return links(content).map((part) => part.text).join('')
  const articles = [...list(message, 'Articles', 'item'), ...list(message, 'news', 'articles'), ...list(message, 'articles')]
  if (articles.length) return `[${text(articles[0], 'Title') || text(articles[0], 'title')}]`
  return `[${PLAIN[type] ? t(PLAIN[type]) : type}]`
}
