"""wxcrypt, which stands in for an SDK where accounts speak JSON, against samples that WeChat and SDKs published."""

import json
from pathlib import Path

import pytest
import wxcrypt

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS["plain_signature"], ids=lambda vector: vector["source"])
def test_signature(vector: dict) -> None:
    assert wxcrypt.signature(vector["token"], vector["timestamp"], vector["nonce"]) == vector["signature"]


@pytest.mark.parametrize("vector", VECTORS["crypt"], ids=lambda vector: vector["source"])
def test_encryption(vector: dict) -> None:
    key, encrypted, appid = vector["encoding_aes_key"], vector["cipher_base64"], vector["receive_id"]
    assert wxcrypt.decrypt(key, encrypted, appid) == vector["msg"]
    assert wxcrypt.encrypt(key, vector["msg"], appid, vector["random16"].encode()) == encrypted
    with pytest.raises(ValueError, match="appid"):
        wxcrypt.decrypt(key, encrypted, appid + "0")
    if vector["msg_signature"]:
        parts = (vector["token"], vector["timestamp"], vector["nonce"], encrypted)
        assert wxcrypt.signature(*parts) == vector["msg_signature"]
