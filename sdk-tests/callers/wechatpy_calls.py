"""wechatpy 1.8.18 against BASE; see README.md."""

import io

from steps import PICTURE, TEMPLATE, appid, base, mini_appid, mini_openid, mini_secret, openid, run, secret

# docs: begin
from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient
from wechatpy.oauth import WeChatOAuth


class Wxgate(HTTPAdapter):
    def send(self, request, **kwargs):
        request.url = base + request.path_url
        return super().send(request, **kwargs)


client = WeChatClient(appid, secret)
client._http.mount("https://api.weixin.qq.com/", Wxgate())
oauth = WeChatOAuth(appid, secret, "https://example.com/")
oauth._http.mount("https://api.weixin.qq.com/", Wxgate())
# docs: end

mini = WeChatClient(mini_appid, mini_secret)
mini._http.mount("https://api.weixin.qq.com/", Wxgate())

kept: dict[str, str] = {}


def oauth_token() -> bool:
    return oauth.fetch_access_token("demo-oauth")["openid"] != ""


def media_upload() -> str:
    kept["media"] = client.media.upload("image", ("p.jpg", io.BytesIO(PICTURE), "image/jpeg"))["media_id"]
    return kept["media"]


def phone() -> str:  # no method of its own for it
    answer = mini.post("https://api.weixin.qq.com/wxa/business/getuserphonenumber", data={"code": "demo-phone"})
    return answer["phone_info"]["purePhoneNumber"]


def qrcode() -> str:
    scene = {"scene_str": "sdk"}
    return client.qrcode.create({"expire_seconds": 60, "action_name": "QR_STR_SCENE", "action_info": {"scene": scene}})["ticket"]


run(
    {
        "token": lambda: client.access_token and mini.access_token,
        "oauth_token": oauth_token,
        "oauth_userinfo": lambda: oauth.get_user_info()["nickname"],
        "user_info": lambda: client.user.get(openid)["subscribe"] == 1,
        "template": lambda: client.message.send_template(openid, TEMPLATE, {"keyword1": {"value": "你好 & <b>"}})["msgid"],
        "qrcode": qrcode,
        "media_upload": media_upload,
        "media_download": lambda: client.media.download(kept["media"]).content == PICTURE,
        "custom": lambda: client.message.send_text(openid, "你好")["errcode"] == 0,
        "mini_code": lambda: mini.wxa.get_wxa_code_unlimited("a=1", page="pages/index/index").content[:3] in (b"\xff\xd8\xff", b"\x89PN"),
        "mini_phone": phone,
        "mini_session": lambda: mini.wxa.code_to_session("demo-login")["session_key"],
        "mini_custom": lambda: mini.message.send_text(mini_openid, "你好")["errcode"] == 0,
    }
)
