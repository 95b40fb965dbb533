//! A mini program's session keys, what is encrypted with them, and unionids of those who paid.
//!
//! What WeChat does is from the official pages under `miniprogram/dev/server/API/user-login` and `…/user-info`.

use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, START, errcode, refused, secret};
use aes::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CHECK: &str = "/wxa/checksession";
const RESET: &str = "/wxa/resetusersessionkey";
const ENCRYPT_KEY: &str = "/wxa/business/getuserencryptkey";
const CHECK_ENCRYPTED: &str = "/wxa/business/checkencryptedmsg";
const PAID: &str = "/wxa/getpaidunionid";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `hmac_sha256(session_key, "")`: the key is the text, not what it decodes to.
fn signature(key: &str) -> String {
    hex(&Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().finalize().into_bytes())
}

fn signed(openid: &str, key: &str) -> String {
    format!("openid={openid}&signature={}&sig_method=hmac_sha256", signature(key))
}

#[test]
fn the_signature_is_that_of_the_vector() {
    // HMAC-SHA256 of nothing with the key "session_key", worked out by hand.
    let known = "30480c5c3390c36edd7477ef83bef62743e696a94ca7c58d0723d93ccf926b0d";
    assert_eq!(signature("session_key"), known);
}

#[tokio::test]
async fn a_session_key_is_known_by_its_signature() {
    let rig = Rig::start().await;
    let (openid, key) = rig.visitor(MINI).await;
    let check = async |query: String| rig.ask(MINI, CHECK, &query).await;
    assert_eq!(check(signed(&openid, &key)).await.json(), json!({"errcode": 0, "errmsg": "ok"}));
    assert_eq!(refused(&check(signed(&openid, "another")).await), 87009);
    let decoded = hex(&Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(&key).unwrap())
        .unwrap()
        .finalize()
        .into_bytes());
    let query = format!("openid={openid}&signature={decoded}&sig_method=hmac_sha256");
    assert_eq!(refused(&check(query).await), 87009, "the key's text signs, not its bytes");
    let query = format!("openid={openid}&signature={}&sig_method=sha1", signature(&key));
    assert_eq!(refused(&check(query).await), 87008);
    assert_eq!(refused(&check(signed("oNobody", &key)).await), 40003);
    assert_eq!(refused(&check("sig_method=hmac_sha256".to_owned()).await), 41009);
    let stranger = rig.user(MINI).await;
    assert_eq!(refused(&check(signed(&stranger, &key)).await), 87009, "who never logged in has no key");
    assert_eq!(refused(&rig.ask(OFFICIAL, CHECK, &signed(&openid, &key)).await), 48001);

    rig.advance(3 * 86_400).await;
    assert_eq!(refused(&check(signed(&openid, &key)).await), 87009);
    assert_eq!(refused(&rig.ask(MINI, RESET, &signed(&openid, &key)).await), 87007);
}

#[tokio::test]
async fn a_login_makes_a_new_key_unless_the_last_is_fresh() {
    let rig = Rig::start().await;
    let (openid, first) = rig.visitor(MINI).await;
    assert_eq!(rig.log_in(MINI, &openid).await, first, "within a short time the key stays");
    rig.advance(300).await;
    let second = rig.log_in(MINI, &openid).await;
    assert_ne!(second, first);
    assert_eq!(refused(&rig.ask(MINI, CHECK, &signed(&openid, &first)).await), 87009, "the old one ends");
    assert_eq!(errcode(&rig.ask(MINI, CHECK, &signed(&openid, &second)).await), 0);
}

#[tokio::test]
async fn a_reset_key_ends_when_the_old_one_would_have() {
    let rig = Rig::start().await;
    let (openid, key) = rig.visitor(MINI).await;
    rig.advance(2 * 86_400).await;
    let body = rig.ask(MINI, RESET, &signed(&openid, &key)).await.json();
    assert_eq!(
        (&body["errcode"], &body["errmsg"], &body["openid"]),
        (&json!(0), &json!("ok"), &json!(openid))
    );
    let fresh = body["session_key"].as_str().unwrap();
    assert_eq!(BASE64_STANDARD.decode(fresh).unwrap().len(), 16);
    assert_eq!(refused(&rig.ask(MINI, RESET, &signed(&openid, &key)).await), 87009);
    assert_eq!(errcode(&rig.ask(MINI, CHECK, &signed(&openid, fresh)).await), 0);
    rig.advance(86_400).await;
    assert_eq!(refused(&rig.ask(MINI, RESET, &signed(&openid, fresh)).await), 87007, "no longer life by it");
}

#[tokio::test]
async fn a_user_has_three_encryption_keys_of_an_hour_each() {
    let rig = Rig::start().await;
    let (openid, key) = rig.visitor(MINI).await;
    let list = async || {
        let body = rig.ask(MINI, ENCRYPT_KEY, &signed(&openid, &key)).await.json();
        assert_eq!((&body["errcode"], &body["errmsg"]), (&json!(0), &json!("ok")), "{body}");
        body["key_info_list"].as_array().unwrap().clone()
    };
    let first = list().await;
    assert_eq!(first.len(), 1);
    let one = &first[0];
    assert_eq!(
        (&one["version"], &one["expire_in"], &one["create_time"]),
        (&json!(1), &json!(3600), &json!(START / 1000))
    );
    assert_eq!(BASE64_STANDARD.decode(one["encrypt_key"].as_str().unwrap()).unwrap().len(), 16);
    assert_eq!(one["iv"].as_str().unwrap().len(), 16);
    rig.advance(600).await;
    assert_eq!(list().await[0]["expire_in"], 3000, "the same one, ten minutes older");
    for _ in 0..3 {
        rig.advance(3600).await;
        list().await;
    }
    let last = list().await;
    let versions: Vec<&Value> = last.iter().map(|key| &key["version"]).collect();
    assert_eq!(versions, [4, 3, 2], "the newest first");
    assert_eq!((&last[1]["expire_in"], &last[2]["expire_in"]), (&json!(0), &json!(0)));
    assert_eq!(refused(&rig.ask(MINI, ENCRYPT_KEY, &signed(&openid, "another")).await), 87009);
    let stranger = rig.user(MINI).await;
    assert_eq!(refused(&rig.ask(MINI, ENCRYPT_KEY, &signed(&stranger, "another")).await), 87007);
}

#[tokio::test]
async fn wechat_knows_what_it_sealed_for_three_days() {
    let rig = Rig::start().await;
    let (openid, key) = rig.visitor(MINI).await;
    let sealed = rig.control("phone/sealed", json!({"appid": MINI, "openid": openid})).await;
    let (data, iv) = (sealed["encryptedData"].as_str().unwrap(), sealed["iv"].as_str().unwrap());
    let decode = |text: &str| BASE64_STANDARD.decode(text).unwrap();
    let key: [u8; 16] = decode(&key).try_into().unwrap();
    let iv: [u8; 16] = decode(iv).try_into().unwrap();
    let opened = cbc::Decryptor::<aes::Aes128>::new(&key.into(), &iv.into())
        .decrypt_padded_vec::<Pkcs7>(&decode(data))
        .unwrap();
    let phone: Value = serde_json::from_slice(&opened).unwrap();
    assert_eq!(phone["watermark"], json!({"timestamp": START / 1000, "appid": MINI}));
    assert_eq!(phone["phoneNumber"].as_str().unwrap().len(), 11);

    // The page's own pair: a hash is of the text as it came.
    let page = "hsSuSUsePBqSQw2rYMtf9Nvha603xX8f2BMQBcYRoJiMNwOqt/UEhrqekebG5ar0LFNAm5MD4Uz6zorRwiXJwbySJ/FEJHav4NsobBIU1PwdjbJWVQLFy7+YFkHB32OnQXWMh6ugW7Dyk2KS5BXp1f5lniKPp1KNLyNLlFlNZ2mgJCJmWvHj5AI7BLpWwoRvqRyZvVXo+9FsWqvBdxmAPA==";
    let hash = |text: &str| hex(&Sha256::digest(text));
    assert_eq!(hash(page), "657edd868c9715a9bebe42b833269a557a48498785397a796f1568c29a200b2c");
    let ask = async |hash: String| rig.call(MINI, CHECK_ENCRYPTED, json!({"encrypted_msg_hash": hash})).await;
    let known = ask(hash(data)).await.json();
    assert_eq!(known, json!({"errcode": 0, "errmsg": "ok", "vaild": true, "create_time": START / 1000}));
    let unknown = ask(hash(page)).await;
    assert_eq!(refused(&unknown), 1);
    assert!(unknown.json()["errmsg"].as_str().unwrap().starts_with("data not exit rid: "), "{unknown:?}");
    assert_eq!(refused(&ask("abc".to_owned()).await), 40097);
    let app = json!({"appid": "wxmini2", "secret": secret("wxmini2"), "kind": "mini"});
    rig.control("apps", app).await;
    let other = json!({"encrypted_msg_hash": hash(data)});
    assert_eq!(refused(&rig.call("wxmini2", CHECK_ENCRYPTED, other).await), 1, "another account's");
    rig.advance(3 * 86_400).await;
    assert_eq!(refused(&ask(hash(data)).await), 1);
}

#[tokio::test]
async fn who_paid_has_a_unionid_for_five_minutes() {
    let rig = Rig::start().await;
    let user = rig.control("users", json!({})).await;
    let openid = user["openids"][MINI].as_str().unwrap();
    let ask = async |more: &str| rig.ask(MINI, PAID, &format!("openid={openid}{more}")).await;
    assert_eq!(refused(&ask("").await), 89300, "nothing was paid");
    let paid = rig.control("pay", json!({"appid": MINI, "openid": openid, "mch_id": "1900000001"})).await;
    let (transaction, order) =
        (paid["transaction_id"].as_str().unwrap(), paid["out_trade_no"].as_str().unwrap());
    assert_eq!(transaction.len(), 28);
    let given = ask("").await.json();
    assert_eq!(given, json!({"unionid": user["unionid"], "errcode": 0, "errmsg": "ok"}));
    assert_eq!(errcode(&ask(&format!("&transaction_id={transaction}")).await), 0);
    assert_eq!(errcode(&ask(&format!("&mch_id=1900000001&out_trade_no={order}")).await), 0);
    for wrong in ["&transaction_id=4200", "&mch_id=1900000001", "&mch_id=1&out_trade_no=1"] {
        assert_eq!(refused(&ask(wrong).await), 89300, "{wrong}");
    }
    let stranger = rig.user(MINI).await;
    let theirs = format!("openid={stranger}&transaction_id={transaction}");
    assert_eq!(refused(&rig.ask(MINI, PAID, &theirs).await), 89300, "another's payment");
    assert_eq!(refused(&rig.ask(MINI, PAID, "openid=oNobody").await), 40003);
    rig.advance(300).await;
    assert_eq!(refused(&ask("").await), 89300);

    let unbound = json!({"appid": "wxalone", "secret": secret("wxalone"), "kind": "mini", "bound": false});
    rig.control("apps", unbound).await;
    let openid = rig.user("wxalone").await;
    rig.control("pay", json!({"appid": "wxalone", "openid": openid})).await;
    assert_eq!(refused(&rig.ask("wxalone", PAID, &format!("openid={openid}")).await), 89002);
    assert_eq!(rig.post("/sandbox/pay", json!({"appid": EXAMPLE, "openid": openid})).await.status, 400);
}
