//! The sandbox's own cases: calls to WeChat as data, each with the code it is answered with.
//!
//! They are run in three ways. Against a sandbox they show what WeChat's answers look like (`make gen` writes that down, for the
//! comparison at run time); against a real account they show where the sandbox is wrong (`wxgate sandbox compare`); and each run
//! against a sandbox proves that they are right themselves. A further endpoint is a further line of its family.
//!
//! Texts have `<names>` in the place of what is known only when they are run: `<appid>` and `<secret>` of the case's account, `<token>`
//! its access_token, and whatever an answer before gave (`gives`).

mod content;
mod media;
mod menu;
mod message;
mod people;
mod qr;
pub mod shown;
mod sns;
mod token;
mod user;
mod wxa;

use wechat::catalog::{Endpoint, Method};

/// Names of values, and where they stand in an answer, as JSON pointers.
pub type Gives = &'static [(&'static str, &'static str)];

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// An official account's.
    Official,
    /// A mini program's.
    Mini,
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Nothing.
    Nothing,
    /// This text.
    Text(&'static str),
    /// A picture as the file `media` of a form.
    Picture,
}

/// A control call, which sets the scene for a case.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Below `/sandbox/`.
    pub call: &'static str,
    /// What it takes.
    pub body: &'static str,
    /// What is taken of its answer.
    pub gives: Gives,
}

/// A call, and what it is answered with.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// For people and files: `user.info.follower`.
    pub name: &'static str,
    /// Whose call it is.
    pub on: On,
    /// What is called.
    pub at: &'static Endpoint,
    /// The query. One without an `access_token` gets `<token>` where the endpoint takes one.
    pub query: &'static str,
    /// The body.
    pub body: Body,
    /// The errcode it is answered with; 0: success.
    pub says: i64,
    /// It would send, end or use up something of a real account's.
    pub harms: bool,
    /// What happens before. A real WeChat has no such calls: there the case is left out.
    pub scenes: &'static [Scene],
    /// What is taken of the answer for later cases.
    pub gives: Gives,
}

const fn get(name: &'static str, on: On, at: &'static Endpoint, query: &'static str) -> Case {
    Case { name, on, at, query, body: Body::Nothing, says: 0, harms: false, scenes: &[], gives: &[] }
}

const fn post(name: &'static str, on: On, at: &'static Endpoint, body: &'static str) -> Case {
    Case { body: Body::Text(body), ..get(name, on, at, "") }
}

const fn scene(call: &'static str, body: &'static str, gives: Gives) -> Scene {
    Scene { call, body, gives }
}

impl Case {
    const fn says(self, says: i64) -> Self {
        Self { says, ..self }
    }

    const fn harms(self) -> Self {
        Self { harms: true, ..self }
    }

    const fn with(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    const fn sends(self, body: Body) -> Self {
        Self { body, ..self }
    }

    const fn after(self, scenes: &'static [Scene]) -> Self {
        Self { scenes, ..self }
    }

    const fn gives(self, gives: Gives) -> Self {
        Self { gives, ..self }
    }

    /// The method that is documented.
    pub fn method(&self) -> http::Method {
        match self.at.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
        }
    }

    /// Every `<name>` in its texts.
    pub fn wants(&self) -> impl Iterator<Item = &'static str> {
        let body = match self.body {
            Body::Text(text) => text,
            Body::Nothing | Body::Picture => "",
        };
        names(self.query).chain(names(body))
    }
}

/// Every `<name>` in a text.
fn names(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(name, _)| name)
        .filter(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `text` with `value` of each `<name>` in its place; the first that has none is the error.
pub fn filled(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut parts = text.split('<');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('>').filter(|(name, _)| is_name(name)) {
            Some((name, rest)) => {
                filled.push_str(&value(name).ok_or_else(|| name.to_owned())?);
                filled.push_str(rest);
            }
            None => {
                filled.push('<');
                filled.push_str(part);
            }
        }
    }
    Ok(filled)
}

/// By family, in the order in which they are run: users first, for their openids are what others need.
const FAMILIES: &[&[Case]] = &[
    token::CASES,
    user::CASES,
    sns::CASES,
    qr::CASES,
    media::CASES,
    message::CASES,
    wxa::CASES,
    menu::CASES,
    people::CASES,
    content::CASES,
];

/// Every case, in the order in which they are run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    FAMILIES.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_case_has_a_name_of_its_own_and_what_it_wants_is_given_before() {
        let (mut seen, mut known) =
            (HashSet::new(), HashSet::from(["appid", "secret", "token", "official", "mini"]));
        for case in all() {
            assert!(seen.insert(case.name), "{} is there twice", case.name);
            for scene in case.scenes {
                assert!(names(scene.body).all(|name| known.contains(name)), "{}: {}", case.name, scene.body);
                known.extend(scene.gives.iter().map(|(name, _)| *name));
            }
            for name in case.wants() {
                assert!(known.contains(name), "{}: nobody gave <{name}>", case.name);
            }
            known.extend(case.gives.iter().map(|(name, _)| *name));
        }
    }

    #[test]
    fn endpoints_have_a_success_and_refusals() {
        let with = |fits: fn(&Case) -> bool| -> HashSet<&str> {
            all().filter(|case| fits(case)).map(|case| case.at.path).collect()
        };
        let (successes, refusals) = (with(|case| case.says == 0), with(|case| case.says != 0));
        assert!(successes.len() >= 70 && refusals.len() >= 45, "{} and {}", successes.len(), refusals.len());
        let simulated: HashSet<&str> = crate::simulated().collect();
        assert!(successes.is_subset(&simulated), "{:?}", successes.difference(&simulated));
    }

    #[test]
    fn names_are_filled_in() {
        let value = |name: &str| (name == "openid").then(|| "oX".to_owned());
        assert_eq!(filled("a=<openid>&b=<", value).unwrap(), "a=oX&b=<");
        assert_eq!(
            filled("{\"a\":\"1<2>3\",\"b\":\"<openid>\"}", value).unwrap(),
            "{\"a\":\"1<2>3\",\"b\":\"oX\"}"
        );
        assert_eq!(filled("<code>", value).unwrap_err(), "code");
    }
}
