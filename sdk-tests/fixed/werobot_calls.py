"""WeRoBot 1.13.1, whose hosts stand in its source, as it is; see ../README.md."""

import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "callers"))

from steps import PICTURE, TEMPLATE, appid, held, openid, run, secret
from werobot.client import Client

client = Client({"APP_ID": appid, "APP_SECRET": secret})
scene = {"expire_seconds": 60, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "fixed"}}}
kept: dict[str, str] = {}


def upload() -> str:
    file = io.BytesIO(PICTURE)
    file.name = "p.jpg"
    kept["media"] = client.upload_media("image", file)["media_id"]
    return kept["media"]


def qrcode() -> str:
    kept["ticket"] = client.create_qrcode(scene)["ticket"]
    return kept["ticket"]


run(
    {
        "token": lambda: client.grant_token()["access_token"],
        "ip_list": lambda: client.get_ip_list()["ip_list"],
        "user_info": lambda: client.get_user_info(openid)["subscribe"] == 1,
        "users_info": lambda: client.get_users_info([openid])["user_info_list"][0]["openid"] == openid,
        "followers": lambda: openid in client.get_followers()["data"]["openid"],
        "template": lambda: client.send_template_message(openid, TEMPLATE, {"keyword1": {"value": "你好 & <b>"}})["msgid"],
        "qrcode": qrcode,
        "showqrcode": lambda: client.show_qrcode(kept["ticket"]).content[:3] == b"\xff\xd8\xff",  # of mp.weixin.qq.com
        "media_upload": upload,
        "media_download": lambda: client.download_media(kept["media"]).content == PICTURE,
    },
    held,
)
