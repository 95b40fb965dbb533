"""FastAPI and wechatpy with its session in memory: `uvicorn main:app`; APPID, KEY and TOKEN in the environment."""
import os
import time

from fastapi import FastAPI, HTTPException
from wechatpy import WeChatClient
from wechatpy.session.memorystorage import MemoryStorage

APPID, KEY, TOKEN = (os.environ[name] for name in ("APPID", "KEY", "TOKEN"))
session = MemoryStorage()
session.set(f"{APPID}_access_token", TOKEN)
session.set(f"{APPID}_expires_at", int(time.time()) + 7200)
client = WeChatClient(APPID, "secret", session=session)
client.expires_at = int(time.time()) + 7200
clients, keys = {APPID: client}, {KEY}
app = FastAPI()


@app.get("/cgi-bin/token")
async def token(appid: str, secret: str) -> dict:
    if secret not in keys or appid not in clients:
        raise HTTPException(403)
    return {"access_token": clients[appid].access_token, "expires_in": 7200}
