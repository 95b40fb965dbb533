//! Which routes take a message: filters over app, event, user and scene.

use std::borrow::Cow;

use wechat::message::Message;

use super::pattern::{List, Pattern};
use super::rights::AppPatterns;

/// What a route's `apps`, `events`, `openids` and `scenes` say. A list that is empty, or holds
/// exclusions only, takes everything else.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Filter {
    apps: AppPatterns,
    events: List<EventPattern>,
    openids: List<String>,
    scenes: List<Pattern>,
}

/// `SCAN`, `event:LOCATION`, `message:*`, `*`; names in lower case.
#[derive(Clone, Debug, PartialEq)]
struct EventPattern {
    /// Whether it means events, or messages; absent: both.
    is_event: Option<bool>,
    /// Absent: any.
    name: Option<String>,
}

/// A list of a route, as one message stands to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its key.
    pub list: &'static str,
    /// The message fits it.
    pub holds: bool,
    /// What the message has for it; "": nothing.
    pub given: String,
}

/// The lists of a route, in the order in which they are looked at.
#[derive(Clone, Copy)]
enum Part {
    Apps,
    Events,
    Openids,
    Scenes,
}

const LISTS: [(Part, &str); 4] =
    [(Part::Apps, "apps"), (Part::Events, "events"), (Part::Openids, "openids"), (Part::Scenes, "scenes")];

/// The list that keeps a message from a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miss(pub &'static str);

/// What filters look at in a message, found once for all of them.
#[derive(Clone, Debug)]
pub struct Subject<'m> {
    /// Absent if nobody knows.
    is_event: Option<bool>,
    name: Cow<'m, str>,
    openid: Cow<'m, str>,
    scene: Cow<'m, str>,
    is_malformed: bool,
}

impl<'m> Subject<'m> {
    /// Of `message`.
    pub fn of(message: &'m Message) -> Self {
        let (msg_type, is_event) = (message.msg_type(), message.is_event());
        Self {
            is_event: (!msg_type.is_empty()).then_some(is_event),
            // Of what is suspect nothing counts but what kind of message it is.
            name: if is_event && !message.is_suspect() { message.event() } else { msg_type },
            openid: message.from_user(),
            scene: message.scene(),
            is_malformed: message.is_malformed(),
        }
    }
}

impl EventPattern {
    fn parse(text: &str) -> Option<Self> {
        let (is_event, name) = match text.split_once(':') {
            None => (None, text),
            Some((kind, name)) if kind.eq_ignore_ascii_case("event") => (Some(true), name),
            Some((kind, name)) if kind.eq_ignore_ascii_case("message") => (Some(false), name),
            Some(_) => return None,
        };
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        match name {
            "" => None,
            "*" => Some(Self { is_event, name: None }),
            name => is_name(name).then(|| Self { is_event, name: Some(name.to_ascii_lowercase()) }),
        }
    }

    /// `is_event`: absent if nobody knows.
    fn fits(&self, is_event: Option<bool>, name: &str) -> bool {
        self.is_event.is_none_or(|wanted| Some(wanted) == is_event)
            && self.name.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
    }
}

impl Filter {
    /// Reads `apps`, `events`, `openids` and `scenes`; the error is the list and what can't be read
    /// in it.
    pub fn parse(lists: &[Vec<String>; 4]) -> Result<Self, (&'static str, String)> {
        let [apps, events, openids, scenes] = lists;
        let everything = "*".to_owned();
        let only_exclusions = apps.iter().all(|text| text.starts_with('!'));
        let apps: Vec<String> =
            only_exclusions.then_some(everything).into_iter().chain(apps.iter().cloned()).collect();
        Ok(Self {
            apps: AppPatterns::parse(&apps).map_err(|wrong| ("apps", wrong))?,
            events: List::parse(events, EventPattern::parse).map_err(|wrong| ("events", wrong))?,
            openids: List::parse(openids, |text| (!text.is_empty()).then(|| text.to_owned()))
                .map_err(|wrong| ("openids", wrong))?,
            scenes: List::parse(scenes, Pattern::parse).map_err(|wrong| ("scenes", wrong))?,
        })
    }

    /// The names in `events`, in lower case.
    pub fn event_names(&self) -> impl Iterator<Item = &str> {
        self.events.each().filter_map(|pattern| pattern.name.as_deref())
    }

    /// Whether any message of the app may be taken.
    pub fn takes_app(&self, appid: &str, tags: &[String]) -> bool {
        self.apps.matches(appid, tags)
    }

    /// Why `message` of the app isn't taken; `None`: it is.
    pub fn misses(&self, appid: &str, tags: &[String], message: &Subject<'_>) -> Option<Miss> {
        let missed = LISTS.into_iter().find(|(part, _)| !self.holds(*part, appid, tags, message));
        missed.map(|(_, list)| Miss(list))
    }

    fn holds(&self, part: Part, appid: &str, tags: &[String], message: &Subject<'_>) -> bool {
        let Subject { is_event, name, openid, scene, is_malformed } = message;
        match part {
            Part::Apps => self.takes_app(appid, tags),
            Part::Events => self.events.takes(|pattern| pattern.fits(*is_event, name)),
            // Whose, and which scene, is nothing to be guessed.
            Part::Openids if *is_malformed => self.openids.is_empty(),
            Part::Openids => self.openids.takes(|one| one == openid),
            Part::Scenes if self.scenes.is_empty() => true,
            Part::Scenes => !scene.is_empty() && self.scenes.takes(|pattern| pattern.matches(scene)),
        }
    }

    /// How `message` stands to each list.
    pub fn conditions(&self, appid: &str, tags: &[String], message: &Subject<'_>) -> Vec<Condition> {
        let Subject { is_event, name, openid, scene, .. } = message;
        let kind = match is_event {
            Some(true) => "event:",
            Some(false) => "message:",
            None => "",
        };
        let given = |part| match part {
            Part::Apps => {
                let tags = tags.iter().map(|tag| format!(" tag:{tag}"));
                std::iter::once(appid.to_owned()).chain(tags).collect()
            }
            Part::Events => format!("{kind}{name}"),
            Part::Openids => openid.to_string(),
            Part::Scenes => scene.to_string(),
        };
        let one = |(part, list)| {
            let holds = self.holds(part, appid, tags, message);
            Condition { list, holds, given: given(part) }
        };
        LISTS.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(apps: &[&str], events: &[&str], openids: &[&str], scenes: &[&str]) -> Filter {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        Filter::parse(&[apps, events, openids, scenes].map(owned)).unwrap()
    }

    fn message(json: &str) -> Message {
        Message::parse(json.as_bytes()).unwrap()
    }

    fn misses(filter: &Filter, json: &str) -> Option<&'static str> {
        filter.misses("wx1", &["prod".to_owned()], &Subject::of(&message(json))).map(|miss| miss.0)
    }

    const SCAN: &str = r#"{"FromUserName":"o1","MsgType":"event","Event":"SCAN","EventKey":"login_7"}"#;
    const FOLLOW: &str =
        r#"{"FromUserName":"o2","MsgType":"event","Event":"subscribe","EventKey":"qrscene_login_7"}"#;
    const PLAIN_FOLLOW: &str = r#"{"FromUserName":"o2","MsgType":"event","Event":"subscribe","EventKey":""}"#;
    const TEXT: &str = r#"{"FromUserName":"o1","MsgType":"text","Content":"hi"}"#;
    const PLACE: &str = r#"{"FromUserName":"o1","MsgType":"location"}"#;
    const MOVED: &str = r#"{"FromUserName":"o1","MsgType":"event","Event":"LOCATION"}"#;

    #[test]
    fn events_by_name_by_kind_and_by_exclusion() {
        let cases: &[(&[&str], &[&str], &[&str])] = &[
            (&[], &[SCAN, FOLLOW, TEXT, PLACE, MOVED], &[]),
            (&["*"], &[SCAN, TEXT], &[]),
            (&["scan", "Subscribe"], &[SCAN, FOLLOW], &[TEXT, PLACE]),
            (&["location"], &[PLACE, MOVED], &[TEXT]),
            (&["event:location"], &[MOVED], &[PLACE]),
            (&["message:LOCATION"], &[PLACE], &[MOVED]),
            (&["message:*"], &[TEXT, PLACE], &[SCAN, MOVED]),
            (&["event:*", "!LOCATION"], &[SCAN, FOLLOW], &[MOVED, TEXT]),
            (&["!event:LOCATION"], &[SCAN, TEXT, PLACE], &[MOVED]),
        ];
        for (events, taken, missed) in cases {
            let filter = filter(&[], events, &[], &[]);
            for json in *taken {
                assert_eq!(misses(&filter, json), None, "{events:?} {json}");
            }
            for json in *missed {
                assert_eq!(misses(&filter, json), Some("events"), "{events:?} {json}");
            }
        }
    }

    #[test]
    fn users_scenes_and_apps() {
        let one = filter(&["tag:prod"], &[], &["o1"], &[]);
        assert_eq!((misses(&one, SCAN), misses(&one, FOLLOW)), (None, Some("openids")));
        let others = filter(&["!wx2"], &[], &["!o1"], &[]);
        assert_eq!((misses(&others, SCAN), misses(&others, FOLLOW)), (Some("openids"), None));
        assert_eq!(misses(&filter(&["!wx1"], &[], &[], &[]), SCAN), Some("apps"));
        assert_eq!(misses(&filter(&["wx2"], &[], &[], &[]), SCAN), Some("apps"));
        let logins = filter(&[], &[], &[], &["login_*"]);
        for (json, expected) in
            [(SCAN, None), (FOLLOW, None), (PLAIN_FOLLOW, Some("scenes")), (TEXT, Some("scenes"))]
        {
            assert_eq!(misses(&logins, json), expected, "{json}");
        }
        let no_login = filter(&[], &[], &[], &["!login_*"]);
        assert_eq!(misses(&no_login, SCAN), Some("scenes"));
        assert_eq!(misses(&no_login, PLAIN_FOLLOW), Some("scenes"), "no scene fits no list of scenes");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let parse = |lists: [&[&str]; 4]| {
            Filter::parse(&lists.map(|list| list.iter().map(ToString::to_string).collect())).unwrap_err()
        };
        assert_eq!(parse([&["tag:"], &[], &[], &[]]), ("apps", "tag:".to_owned()));
        assert_eq!(parse([&[], &["evnt:SCAN"], &[], &[]]), ("events", "evnt:SCAN".to_owned()));
        assert_eq!(parse([&[], &["!"], &[], &[]]), ("events", "!".to_owned()));
        assert_eq!(parse([&[], &[], &["!"], &[]]), ("openids", "!".to_owned()));
        assert_eq!(parse([&[], &[], &[], &["[a"]]), ("scenes", "[a".to_owned()));
    }
}
