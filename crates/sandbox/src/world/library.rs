//! The public library of templates, and the industries an account may be of.
//!
//! WeChat has thousands; these are enough to choose from. Both `template/api_add_template`, which names keywords, and
//! `wxaapi/newtmpl`, which numbers them, choose from it.

use super::{Purpose, Template};

/// Categories every account of the sandbox is in.
pub(crate) const CATEGORIES: [(u32, &str); 2] = [(616, "公交"), (307, "服装/鞋/箱包")];

/// One template of the library.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) tid: u32,
    pub(crate) title: &'static str,
    /// 2: one message for each consent; 3: many.
    pub(crate) kind: u8,
    pub(crate) category: u32,
    pub(crate) keywords: &'static [Keyword],
}

/// One keyword that a template may have. Its number in the list, from 1, is its `kid`.
#[derive(Debug)]
pub(crate) struct Keyword {
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
    /// The type of its value, and the beginning of its key in `data`.
    pub(crate) rule: &'static str,
}

const fn keyword(name: &'static str, example: &'static str, rule: &'static str) -> Keyword {
    Keyword { name, example, rule }
}

const THINGS: Keyword = keyword("物品名称", "名称", "thing");
const AMOUNT: Keyword = keyword("金额", "39.80元", "amount");
const TIME: Keyword = keyword("时间", "2026年1月2日 12:30", "time");
const PLACE: Keyword = keyword("地点", "北京西站", "thing");
const NUMBER: Keyword = keyword("订单编号", "2026010200001", "character_string");

/// All of them, by number.
pub(crate) const LIBRARY: &[Public] = &[
    Public {
        tid: 99,
        title: "付款成功通知",
        kind: 2,
        category: 616,
        keywords: &[THINGS, AMOUNT, TIME, NUMBER, keyword("备注", "如有疑问请联系客服", "thing")],
    },
    Public {
        tid: 401,
        title: "行程提醒",
        kind: 2,
        category: 616,
        keywords: &[
            keyword("出发时间", "2026年1月2日 12:30", "time"),
            keyword("出发地", "北京西站", "thing"),
            keyword("目的地", "上海虹桥站", "thing"),
            keyword("车次", "G101", "character_string"),
            keyword("温馨提示", "请提前到站", "thing"),
        ],
    },
    Public {
        tid: 1128,
        title: "订单发货提醒",
        kind: 2,
        category: 307,
        keywords: &[
            NUMBER,
            keyword("商品名称", "羽绒服", "thing"),
            keyword("快递公司", "顺丰速运", "phrase"),
            keyword("快递单号", "SF1234567890", "character_string"),
            keyword("发货时间", "2026年1月2日 12:30", "time"),
        ],
    },
    Public {
        tid: 47123,
        title: "消费成功通知",
        kind: 2,
        category: 616,
        keywords: &[TIME, PLACE, AMOUNT, NUMBER],
    },
    Public {
        tid: 47862,
        title: "交易提醒",
        kind: 2,
        category: 307,
        keywords: &[
            keyword("商户名称", "沙箱商店", "thing"),
            keyword("交易时间", "2026年1月2日 12:30", "time"),
            keyword("交易类型", "消费", "phrase"),
            keyword("交易金额", "39.80元", "amount"),
        ],
    },
    Public {
        tid: 50001,
        title: "公交到站提醒",
        kind: 3,
        category: 616,
        keywords: &[keyword("线路", "1路", "thing"), PLACE, TIME],
    },
];

impl Public {
    /// What an account gets that chooses keywords by their `kid`.
    pub(crate) fn choose(&self, id: String, purpose: Purpose, kids: &[usize]) -> Template {
        let word = |kid: usize| Some((kid, self.keywords.get(kid.checked_sub(1)?)?));
        let chosen: Vec<_> = kids.iter().copied().filter_map(word).collect();
        let keys: Vec<String> = chosen.iter().map(|(kid, word)| format!("{}{kid}", word.rule)).collect();
        let lines = |text: fn(&Keyword, &str) -> String| -> String {
            chosen.iter().zip(&keys).map(|((_, word), key)| text(word, key)).collect()
        };
        Template {
            id,
            purpose,
            title: self.title.to_owned(),
            content: lines(|word, key| format!("{}:{{{{{key}.DATA}}}}\n", word.name)),
            example: lines(|word, _| format!("{}:{}\n", word.name, word.example)),
            keywords: keys,
            tid: Some(self.tid),
            is_lasting: purpose == Purpose::Subscription && self.kind == 3,
        }
    }
}

/// The library's template of a number.
pub(crate) fn public(tid: u32) -> Option<&'static Public> {
    LIBRARY.iter().find(|public| public.tid == tid)
}

/// Numbers of the library that was closed in 2023, such as `TM00015` and `OPENTM201752540`.
pub(crate) fn is_of_old_library(id: &str) -> bool {
    let digits = id.strip_prefix("OPENTM").or_else(|| id.strip_prefix("TM"));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// An industry's two names, by its number, 1 to 41.
pub(crate) fn industry(number: u32) -> Option<(&'static str, &'static str)> {
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    INDUSTRIES.get(at).copied()
}

const INDUSTRIES: [(&str, &str); 41] = [
    ("IT科技", "互联网|电子商务"),
    ("IT科技", "IT软件与服务"),
    ("IT科技", "IT硬件与设备"),
    ("IT科技", "电子技术"),
    ("IT科技", "通信与运营商"),
    ("IT科技", "网络游戏"),
    ("金融业", "银行"),
    ("金融业", "基金理财信托"),
    ("金融业", "保险"),
    ("餐饮", "餐饮"),
    ("酒店旅游", "酒店"),
    ("酒店旅游", "旅游"),
    ("运输与仓储", "快递"),
    ("运输与仓储", "物流"),
    ("运输与仓储", "仓储"),
    ("教育", "培训"),
    ("教育", "院校"),
    ("政府与公共事业", "学术科研"),
    ("政府与公共事业", "交警"),
    ("政府与公共事业", "博物馆"),
    ("政府与公共事业", "公共事业非盈利机构"),
    ("医药护理", "医药医疗"),
    ("医药护理", "护理美容"),
    ("医药护理", "保健与卫生"),
    ("交通工具", "汽车相关"),
    ("交通工具", "摩托车相关"),
    ("交通工具", "火车相关"),
    ("交通工具", "飞机相关"),
    ("房地产", "建筑"),
    ("房地产", "物业"),
    ("消费品", "消费品"),
    ("商业服务", "法律"),
    ("商业服务", "会展"),
    ("商业服务", "中介服务"),
    ("商业服务", "认证"),
    ("商业服务", "审计"),
    ("文体娱乐", "传媒"),
    ("文体娱乐", "体育"),
    ("文体娱乐", "娱乐休闲"),
    ("印刷", "印刷"),
    ("其它", "其它"),
];
