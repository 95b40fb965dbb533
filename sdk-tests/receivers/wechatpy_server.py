"""A callback server as wechatpy's documentation writes it. Settings: token, aes_key, appid, reply."""

from receiver import Answer, Request, common, serve, settings
from wechatpy import create_reply, parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import check_signature


def answer(request: Request) -> Answer:
    query = request.query
    check_signature(settings["token"], query["signature"], query["timestamp"], query["nonce"])
    if request.method == "GET":
        return None, query["echostr"]
    encrypted = query.get("encrypt_type") == "aes"
    text = request.body
    if encrypted:
        crypto = WeChatCrypto(settings["token"], settings["aes_key"], settings["appid"])
        text = crypto.decrypt_message(text, query["msg_signature"], query["timestamp"], query["nonce"])
    message = parse_message(text)
    entry = common(request) | {
        "encrypted": encrypted,
        "openid": message.source,
        "to": message.target,
        "msg_type": message.type,
        "event": getattr(message, "event", ""),
        "content": getattr(message, "content", ""),
    }
    if message.type != "text" or not settings["reply"]:
        return entry, "success"
    reply = create_reply(settings["reply"], message).render()
    return entry, crypto.encrypt_message(reply, query["nonce"], query["timestamp"]) if encrypted else reply


serve(answer)
