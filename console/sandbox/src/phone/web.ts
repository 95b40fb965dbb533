import { whole } from '../api'

/** An OAuth address of an account that leads back to a page here which shows the code. */
export function authorize(appid: string, scope: string) {
  const back = whole('?view=came')
  return whole(`connect/oauth2/authorize?appid=${appid}&redirect_uri=${encodeURIComponent(back)}&response_type=code&scope=${scope}&state=phone#wechat_redirect`)
}
