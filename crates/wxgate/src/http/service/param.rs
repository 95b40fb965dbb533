//! What a top-level member of a request may be.

/// One top-level member of a request.
#[derive(Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
    /// For people, Chinese.
    pub(super) doc: &'static str,
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

pub(super) const fn need(name: &'static str, shape: Shape, doc: &'static str) -> Param {
    Param { name, shape, required: true, doc }
}

pub(super) const fn may(name: &'static str, shape: Shape, doc: &'static str) -> Param {
    Param { name, shape, required: false, doc }
}
