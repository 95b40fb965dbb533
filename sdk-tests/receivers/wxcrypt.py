"""WeChat's signatures and encryption for accounts in JSON, which no SDK here reads; test_vectors.py holds this to
WeChat's published samples."""

import base64
import hashlib
import json
import os
import time

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32


def signature(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()


def cipher(aes_key: str) -> Cipher:
    key = base64.b64decode(aes_key + "=")
    return Cipher(algorithms.AES(key), modes.CBC(key[:16]))


def encrypt(aes_key: str, message: str, appid: str, random16: bytes | None = None) -> str:
    body = message.encode()
    plain = (random16 or os.urandom(16)) + len(body).to_bytes(4, "big") + body + appid.encode()
    pad = BLOCK - len(plain) % BLOCK
    encryptor = cipher(aes_key).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()


def decrypt(aes_key: str, encrypted: str, appid: str) -> str:
    decryptor = cipher(aes_key).decryptor()
    plain = decryptor.update(base64.b64decode(encrypted, validate=True)) + decryptor.finalize()
    pad = plain[-1]
    if not 1 <= pad <= BLOCK or plain[-pad:] != bytes([pad]) * pad:
        raise ValueError("padding")
    length = int.from_bytes(plain[16:20], "big")
    if plain[20 + length : -pad] != appid.encode():
        raise ValueError("appid")
    return plain[20 : 20 + length].decode()


def open_push(query: dict[str, str], body: str, token: str, aes_key: str, appid: str) -> dict:
    """The message of a push in JSON, verified; raises if anything is wrong."""
    stamp = (token, query["timestamp"], query["nonce"])
    if query["signature"] != signature(*stamp):
        raise ValueError("signature")
    message = json.loads(body)
    if query.get("encrypt_type") != "aes":
        return message
    if query["msg_signature"] != signature(*stamp, message["Encrypt"]):
        raise ValueError("msg_signature")
    return json.loads(decrypt(aes_key, message["Encrypt"], appid))


def seal_reply(reply: dict, nonce: str, token: str, aes_key: str, appid: str) -> dict:
    encrypted = encrypt(aes_key, json.dumps(reply, ensure_ascii=False), appid)
    now = int(time.time())
    return {
        "Encrypt": encrypted,
        "MsgSignature": signature(token, str(now), nonce, encrypted),
        "TimeStamp": now,
        "Nonce": nonce,
    }
