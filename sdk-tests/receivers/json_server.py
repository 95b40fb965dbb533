"""A callback server for accounts in JSON. Settings: token, aes_key, appid, reply."""

import json
import time

import wxcrypt
from receiver import Answer, Request, common, serve, settings


def answer(request: Request) -> Answer:
    query = request.query
    token, aes_key, appid = settings["token"], settings["aes_key"], settings["appid"]
    if request.method == "GET":
        if query["signature"] != wxcrypt.signature(token, query["timestamp"], query["nonce"]):
            raise ValueError("signature")
        return None, query["echostr"]
    message = wxcrypt.open_push(query, request.body, token, aes_key, appid)
    encrypted = query.get("encrypt_type") == "aes"
    entry = common(request) | {
        "encrypted": encrypted,
        "openid": message["FromUserName"],
        "to": message["ToUserName"],
        "msg_type": message["MsgType"],
        "event": message.get("Event", ""),
        "content": message.get("Content", ""),
    }
    if message["MsgType"] != "text" or not settings["reply"]:
        return entry, "success"
    reply = {
        "ToUserName": message["FromUserName"],
        "FromUserName": message["ToUserName"],
        "CreateTime": int(time.time()),
        "MsgType": "text",
        "Content": settings["reply"],
    }
    if encrypted:
        reply = wxcrypt.seal_reply(reply, query["nonce"], token, aes_key, appid)
    return entry, json.dumps(reply, ensure_ascii=False)


serve(answer)
