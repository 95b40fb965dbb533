"""The same callback again and again with wechatpy: `decode.py DIRECTORY APPID TOKEN AESKEY SECONDS` prints `count cpu_s`."""
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs

from wechatpy import parse_message
from wechatpy.crypto import WeChatCrypto

folder, appid, token, key, seconds = sys.argv[1:]
query = {name: values[0] for name, values in parse_qs(Path(folder, "query").read_text()).items()}
body = Path(folder, "body").read_text()
crypto = WeChatCrypto(token, key, appid)
count, began = 0, time.process_time()
while time.process_time() - began < float(seconds):
    for _ in range(100):
        text = crypto.decrypt_message(body, query["msg_signature"], query["timestamp"], query["nonce"])
        assert len(parse_message(text).content) == 720
    count += 100
print(count, time.process_time() - began)
