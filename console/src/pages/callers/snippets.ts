// How a service is told to go through wxgate: the lines of docs/sdk, with this gateway's address, account and key.

import { pathFor } from './rights'

export interface Given {
  base: string
  appid: string
  /** The key, or what stands for one that isn't known any more; null: it shows none. */
  key: string | null
  isMini: boolean
  name: string
  /** Patterns of the APIs that the caller may use. */
  apis: string[]
}

/** An SDK wants a secret even where any will do. */
type GivenSdk = Given & { key: string }

export interface Snippet {
  id: string
  label: string
  code: (given: Given) => string
}

const quoted = (text: string) => JSON.stringify(text)

function curl({ base, appid, key, name, apis }: Given) {
  const path = pathFor(apis)
  const isService = path.startsWith('/v1/service/wx/')
  return [
    `curl -s '${base}${path}'`,
    ...(key === null ? [] : [`-H 'Authorization: Bearer ${key}'`]),
    isService ? `-d '${JSON.stringify({ source: name, appid, url: 'https://example.com/' })}'` : `-H 'X-Wx-Appid: ${appid}'`,
  ].join(' \\\n  ')
}

const wxjava = ({ base, appid, key, isMini }: GivenSdk) => isMini
  ? `WxMaDefaultConfigImpl config = new WxMaDefaultConfigImpl();
config.setAppid(${quoted(appid)});
config.setSecret(${quoted(key)});
config.setApiHostUrl(${quoted(base)});
WxMaService service = new WxMaServiceImpl();
service.setWxMaConfig(config);`
  : `# Spring Boot, application.yml
wx:
  mp:
    app-id: ${appid}
    secret: ${key}
    hosts:
      api-host: ${base}
      mp-host: ${base}
      open-host: ${base}

// Java
WxMpDefaultConfigImpl config = new WxMpDefaultConfigImpl();
config.setAppId(${quoted(appid)});
config.setSecret(${quoted(key)});
config.setHostConfig(new WxMpHostConfig(${quoted(base)}, ${quoted(base)}, ${quoted(base)}));
WxMpService service = new WxMpServiceImpl();
service.setWxMpConfigStorage(config);`

const easywechat = ({ base, appid, key, isMini }: GivenSdk) => `// PHP 6.x
use EasyWeChat\\${isMini ? 'MiniApp' : 'OfficialAccount'}\\Application;

$app = new Application([
    'app_id' => '${appid}',
    'secret' => '${key}',
    'http'   => ['base_uri' => '${base}/'],
]);

// Node.js
const { ${isMini ? 'MiniApp' : 'OfficialAccount'} } = require("node-easywechat");
const app = new ${isMini ? 'MiniApp' : 'OfficialAccount'}({ app_id: ${quoted(appid)}, secret: ${quoted(key)}, http: { baseURL: ${quoted(base + '/')} } });`

const silenceper = ({ base, appid, key, isMini }: GivenSdk) => `type toWxgate struct{ base string }

func (to toWxgate) RoundTrip(request *http.Request) (*http.Response, error) {
	target, err := url.Parse(to.base)
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host, request.Host = target.Scheme, target.Host, target.Host
	return http.DefaultTransport.RoundTrip(request)
}

wc := wechat.NewWechat()
wc.SetHTTPClient(&http.Client{Transport: toWxgate{${quoted(base)}}})
wc.SetCache(cache.NewMemory())
account := wc.${isMini ? 'GetMiniProgram(&mini' : 'GetOfficialAccount(&official'}.Config{AppID: ${quoted(appid)}, AppSecret: ${quoted(key)}})`

const wechatpy = ({ base, appid, key }: GivenSdk) => `from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient


class Wxgate(HTTPAdapter):
    def send(self, request, **kwargs):
        request.url = ${quoted(base)} + request.path_url
        return super().send(request, **kwargs)


client = WeChatClient(${quoted(appid)}, ${quoted(key)})
client._http.mount("https://api.weixin.qq.com/", Wxgate())`

const coWechat = ({ base, appid, key }: GivenSdk) => `const WechatAPI = require("co-wechat-api");

const wxgate = (url) => url.replace(/^https?:\\/\\/[^/]+/, ${quoted(base)});

class API extends WechatAPI {
  request(url, opts, retry) {
    return super.request(wxgate(url), opts, retry);
  }
}
const api = new API(${quoted(appid)}, ${quoted(key)});`

const senparc = ({ base, appid, key, isMini }: GivenSdk) => `// Program.cs
Senparc.Weixin.Config.ApiMpHost = ${quoted(base)};

// appsettings.json
{ "SenparcWeixinSetting": {
    "${isMini ? 'WxOpenAppId' : 'WeixinAppId'}": ${quoted(appid)}, "${isMini ? 'WxOpenAppSecret' : 'WeixinAppSecret'}": ${quoted(key)} } }`

const sdk = (code: (given: GivenSdk) => string) => (given: Given) => code({ ...given, key: given.key ?? 'none' })

export const snippets: Snippet[] = [
  { id: 'curl', label: 'curl', code: curl },
  { id: 'wxjava', label: 'WxJava', code: sdk(wxjava) },
  { id: 'easywechat', label: 'EasyWeChat', code: sdk(easywechat) },
  { id: 'silenceper', label: 'silenceper', code: sdk(silenceper) },
  { id: 'wechatpy', label: 'wechatpy', code: sdk(wechatpy) },
  { id: 'co-wechat-api', label: 'co-wechat-api', code: sdk(coWechat) },
  { id: 'senparc', label: 'Senparc', code: sdk(senparc) },
]
