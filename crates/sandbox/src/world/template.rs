//! Templates of messages: plain data, a list for every account.

use super::values::fits;
use super::{App, Kind};
use crate::refusal::{Refusal, refuse, refuse_with};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The template that takes any keywords, of messages and subscriptions.
pub(crate) const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";
/// One of messages that declares its keywords.
const DECLARED: &str = "sandbox-template-00000000000000000000000002";
/// Likewise one of subscriptions.
const SUBSCRIPTION: &str = "sandbox-template-00000000000000000000000003";
/// Most templates that an account chooses for one purpose, besides those it has from the start.
const MOST: usize = 25;

/// What a template is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// 模板消息
    #[default]
    Message,
    /// 订阅消息, 订阅通知
    Subscription,
    /// Either; WeChat has no such templates.
    Both,
}

/// One template of an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Template {
    /// 43 characters.
    pub(crate) id: String,
    pub(crate) purpose: Purpose,
    pub(crate) title: String,
    /// Lines in which `{{keyword1.DATA}}` stands for a value.
    pub(crate) content: String,
    /// The lines with values.
    pub(crate) example: String,
    /// The keywords a message must give, in their order; none: it takes any.
    pub(crate) keywords: Vec<String>,
    /// Its number in the library, if it was chosen there.
    pub(crate) tid: Option<u32>,
    /// A subscription by which one consent is good for many messages.
    pub(crate) is_lasting: bool,
}

impl Template {
    pub(crate) fn is_for(&self, purpose: Purpose) -> bool {
        self.purpose == purpose || self.purpose == Purpose::Both
    }

    /// Whether a message's `data` gives every keyword a value, which fits its type if it is a subscription's; the
    /// refusal names the first that doesn't. What the template doesn't declare is ignored.
    pub(crate) fn check(&self, purpose: Purpose, data: &Map<String, Value>) -> Result<(), Refusal> {
        if data.values().any(|member| !member.is_object()) {
            return Err(refuse(47001));
        }
        let given = || data.keys().map(String::as_str);
        if !self.keywords.is_empty() {
            return self.keywords.iter().try_for_each(|name| check_value(purpose, name, data.get(name)));
        }
        // Whoever copies a name out of the content copies its ".DATA": the keyword itself has no value then.
        if let Some(name) = given().find_map(|name| name.strip_suffix(".DATA")) {
            return check_value(purpose, name, None);
        }
        given().try_for_each(|name| check_value(purpose, name, data.get(name)))
    }
}

fn check_value(purpose: Purpose, name: &str, member: Option<&Value>) -> Result<(), Refusal> {
    let complain = |what: &str| refuse_with(47003, format!("argument invalid! data.{name}.value {what}"));
    let value = match member.and_then(|member| member.get("value")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        None | Some(Value::Null) => String::new(),
        Some(_) => return Err(complain("invalid")),
    };
    if value.is_empty() {
        return Err(complain("is empty"));
    }
    if purpose == Purpose::Subscription && !fits(name, &value) {
        return Err(complain("invalid"));
    }
    Ok(())
}

/// The templates of every account, by AppID, in the order they were added.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Templates(BTreeMap<String, Vec<Template>>);

impl Templates {
    pub(crate) fn of(&self, appid: &str) -> &[Template] {
        self.0.get(appid).map_or(&[], Vec::as_slice)
    }

    /// The account's template of this id, if it is for this.
    pub(crate) fn find(&self, appid: &str, id: &str, purpose: Purpose) -> Option<&Template> {
        self.of(appid).iter().find(|template| template.id == id && template.is_for(purpose))
    }

    /// Adds what was chosen of the library: 45026, or of subscriptions 200012, if the account has 25, and 200022 for a
    /// subscription that it has already.
    pub(crate) fn add(&mut self, appid: &str, template: Template) -> Result<(), Refusal> {
        let list = self.0.entry(appid.to_owned()).or_default();
        let is_subscription = template.purpose == Purpose::Subscription;
        let alike = || list.iter().filter(|known| known.purpose == template.purpose && known.tid.is_some());
        if alike().count() >= MOST {
            return Err(refuse(if is_subscription { 200_012 } else { 45026 }));
        }
        if is_subscription
            && alike().any(|known| known.tid == template.tid && known.keywords == template.keywords)
        {
            return Err(refuse(200_022));
        }
        list.push(template);
        Ok(())
    }

    /// Whether there was such a template, which is gone now.
    pub(crate) fn remove(&mut self, appid: &str, id: &str, purpose: Purpose) -> bool {
        let Some(list) = self.0.get_mut(appid) else { return false };
        let before = list.len();
        list.retain(|template| template.id != id || !template.is_for(purpose));
        list.len() < before
    }

    /// Those that an account has from the start.
    pub(super) fn welcome(&mut self, app: &App) {
        for template in standing() {
            let may_have = match template.purpose {
                Purpose::Message => app.kind == Kind::Official,
                Purpose::Subscription | Purpose::Both => app.kind != Kind::Open,
            };
            if may_have {
                self.0.entry(app.appid.clone()).or_default().push(template);
            }
        }
    }
}

fn standing() -> [Template; 3] {
    let template =
        |id: &str, purpose, title: &str, content: &str, example: &str, keywords: &[&str]| Template {
            id: id.to_owned(),
            purpose,
            title: title.to_owned(),
            content: content.to_owned(),
            example: example.to_owned(),
            keywords: keywords.iter().map(|&name| name.to_owned()).collect(),
            tid: None,
            is_lasting: false,
        };
    [
        template(TEMPLATE, Purpose::Both, "沙箱通知", "{{keyword1.DATA}}\n{{keyword2.DATA}}", "", &[]),
        template(
            DECLARED,
            Purpose::Message,
            "订单通知",
            "{{first.DATA}}\n商品：{{keyword1.DATA}}\n金额：{{keyword2.DATA}}\n{{remark.DATA}}",
            "您好，您已下单\n商品：巧克力\n金额：39.8元\n欢迎再次购买",
            &["first", "keyword1", "keyword2", "remark"],
        ),
        template(
            SUBSCRIPTION,
            Purpose::Subscription,
            "取餐提醒",
            "商品：{{thing1.DATA}}\n取餐时间：{{time2.DATA}}",
            "商品：奶茶\n取餐时间：2026年1月2日 15:30",
            &["thing1", "time2"],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_twenty_five_for_a_purpose() {
        let mut templates = Templates::default();
        let add = |templates: &mut Templates, tid: u32, purpose| {
            let template = Template { id: tid.to_string(), purpose, tid: Some(tid), ..Template::default() };
            templates.add("wx1", template).map_err(|refusal| refusal.code)
        };
        for (purpose, full) in [(Purpose::Message, 45026), (Purpose::Subscription, 200_012)] {
            assert!((0..25).all(|tid| add(&mut templates, tid, purpose).is_ok()));
            assert_eq!(add(&mut templates, 25, purpose), Err(full));
        }
        assert!(templates.find("wx2", "1", Purpose::Message).is_none(), "of another account");
        assert!(templates.remove("wx1", "1", Purpose::Subscription));
        assert!(!templates.remove("wx1", "1", Purpose::Subscription), "it is for messages");
        assert!(templates.remove("wx1", "1", Purpose::Message));
        assert!(!templates.remove("wx1", "1", Purpose::Message));
        assert_eq!(add(&mut templates, 2, Purpose::Subscription), Err(200_022), "twice the same");
        assert_eq!(add(&mut templates, 2, Purpose::Message), Ok(()));
    }

    #[test]
    fn ids_are_as_long_as_wechats() {
        assert!(standing().iter().all(|template| template.id.len() == 43));
    }
}
