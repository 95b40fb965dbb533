//! What a top-level member of a request may be.

/// A text of the document: Chinese and English.
pub(super) type Doc = (&'static str, &'static str);

/// One top-level member of a request.
#[derive(Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
    /// For people.
    pub(super) doc: Doc,
}

/// What a member may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A string of at most so many characters; a number is taken as its digits.
    Text(usize),
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A whole number between the two.
    Int(i64, i64),
    Flag,
    Object,
    /// An object, or a string that holds one.
    ObjectOrText,
}

pub(super) const fn need(name: &'static str, shape: Shape, zh: &'static str, en: &'static str) -> Param {
    Param { name, shape, required: true, doc: (zh, en) }
}

pub(super) const fn may(name: &'static str, shape: Shape, zh: &'static str, en: &'static str) -> Param {
    Param { name, shape, required: false, doc: (zh, en) }
}

pub(super) const FLOW_ID: Param = may(
    "flow_id",
    Shape::Text(128),
    "业务流水号，原样返回",
    "a number of the caller's own, given back as it is",
);
pub(super) const CODE: Param = need(
    "code",
    Shape::Text(512),
    "微信给的一次性 code；同一调用方 5 分钟内重复提交得到相同结果",
    "WeChat's single-use code; the same caller gets the same answer for 5 minutes",
);
pub(super) const OPENID: Param = may(
    "openid",
    Shape::Text(128),
    "接收者的 openid（也可写 touser）",
    "the receiver's openid (touser is the same)",
);
pub(super) const TOUSER: Param = may("touser", Shape::Text(128), "同 openid", "the same as openid");
