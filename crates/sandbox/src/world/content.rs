//! What texts and pictures are to WeChat's eye. Nothing here understands anything: texts are risky by words that the
//! manual names or a control call sets, pictures show what a control call says they show.

use super::World;
use super::lately::{OVERHEAD, Weighs};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};

/// The texts WeChat's own page gave for trying the check (security.msgSecCheck, version 1).
const OFFICIAL: [&str; 2] =
    ["特3456书yuuo莞6543李zxcz蒜7782法fgnv级", "完2347全dfji试3726测asad感3847知qwez到"];
/// What a text or a picture's address, name or bytes may hold: alone, or with `-` and a label behind it.
const RISKY: &str = "sandbox-risky";
const REVIEW: &str = "sandbox-review";

/// Labels of the content check: normal, advertisement, politics, pornography, abuse, crime, fraud, vulgarity,
/// copyright, other.
pub(crate) const LABELS: [u32; 10] = [100, 10001, 20001, 20002, 20003, 20006, 20008, 20012, 20013, 21000];
const NORMAL: u32 = 100;
const CRIME: u32 = 20006;
const OTHER: u32 = 21000;

/// Words and pictures kept.
const MAX_WORDS: usize = 10_000;
const MAX_PICTURES: usize = 10_000;
/// Bytes of all of them.
const MAX_BYTES: usize = 32 << 20;

/// What WeChat advises; the worst is last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Suggest {
    #[default]
    Pass,
    Review,
    Risky,
}

/// An advice, and the label that is its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) suggest: Suggest,
    pub(crate) label: u32,
}

impl Default for Verdict {
    fn default() -> Self {
        Self { suggest: Suggest::Pass, label: NORMAL }
    }
}

/// A word of an account's own, as its console has them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Word {
    pub(crate) word: String,
    pub(crate) verdict: Verdict,
}

/// What a picture is said to be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Picture {
    /// By the last part of an OCR path: what that reads.
    pub(crate) shows: BTreeMap<String, Value>,
    /// Instead of what its words say.
    pub(crate) verdict: Option<Verdict>,
    /// Its address can't be loaded.
    pub(crate) missing: bool,
}

/// Words and pictures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Content {
    /// By AppID.
    words: BTreeMap<String, Vec<Word>>,
    /// By address, or by the SHA-256 of the bytes.
    pictures: BTreeMap<String, Picture>,
    /// Of the pictures that nothing is known of, the next ones.
    next: VecDeque<Picture>,
}

impl Picture {
    fn weight(&self) -> usize {
        2 * OVERHEAD + self.shows.iter().map(|(name, value)| name.len() + value.weight()).sum::<usize>()
    }
}

impl Content {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        let words = self.words.values().flatten().map(|word| OVERHEAD + word.word.len());
        let named = self.pictures.iter().map(|(name, picture)| name.len() + picture.weight());
        words.chain(named).chain(self.next.iter().map(Picture::weight)).sum()
    }

    fn check_room(&self, more: usize) -> Result<(), String> {
        if self.bytes() + more > MAX_BYTES {
            return Err(format!("words and pictures take {} MiB at most: reset", MAX_BYTES >> 20));
        }
        Ok(())
    }

    /// An account's own word; again: with another verdict.
    pub(crate) fn set_word(&mut self, appid: &str, word: Word) -> Result<(), String> {
        self.check_room(word.word.len())?;
        let words = self.words.entry(appid.to_owned()).or_default();
        words.retain(|known| known.word != word.word);
        if words.len() >= MAX_WORDS {
            return Err(format!("word: an account has {MAX_WORDS} at most"));
        }
        words.push(word);
        Ok(())
    }

    /// Says what a picture shows: that of an address, that of a SHA-256, or with neither the next unknown one.
    pub(crate) fn set_picture(&mut self, name: Option<String>, picture: Picture) -> Result<(), String> {
        if self.pictures.len() + self.next.len() >= MAX_PICTURES {
            return Err(format!("there are {MAX_PICTURES} pictures already: reset"));
        }
        self.check_room(picture.weight() + name.as_ref().map_or(0, String::len))?;
        match name {
            Some(name) => {
                self.pictures.insert(name, picture);
            }
            None => self.next.push_back(picture),
        }
        Ok(())
    }
}

/// What a text comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// What WeChat's own model thinks.
    pub(crate) model: Verdict,
    /// The account's own words in it.
    pub(crate) words: Vec<(String, Verdict)>,
}

impl Judgement {
    /// The worst of it, the first of the equally bad.
    pub(crate) fn verdict(&self) -> Verdict {
        let all = self.words.iter().map(|(_, verdict)| *verdict).chain([self.model]);
        all.fold(Verdict::default(), |worst, one| if one.suggest > worst.suggest { one } else { worst })
    }
}

/// What the manual's words in it say.
fn judge(text: &str) -> Verdict {
    if OFFICIAL.iter().any(|official| text.contains(official)) {
        return Verdict { suggest: Suggest::Risky, label: CRIME };
    }
    let found = [(RISKY, Suggest::Risky), (REVIEW, Suggest::Review)];
    let verdict = found.into_iter().find_map(|(word, suggest)| {
        let (_, behind) = text.split_once(word)?;
        let digits = behind.strip_prefix('-').unwrap_or_default();
        let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let label = digits.parse().ok().filter(|label| LABELS.contains(label) && *label != NORMAL);
        Some(Verdict { suggest, label: label.unwrap_or(OTHER) })
    });
    verdict.unwrap_or_default()
}

impl World {
    pub(crate) fn judge_text(&self, appid: &str, text: &str) -> Judgement {
        let words = self.content.words.get(appid).into_iter().flatten();
        let words = words.filter(|known| text.contains(&known.word));
        Judgement {
            model: judge(text),
            words: words.map(|known| (known.word.clone(), known.verdict)).collect(),
        }
    }

    /// What there is to know of a picture by its name: its address or the SHA-256 of its bytes. One that nothing was
    /// said of is the next, if that was.
    pub(crate) fn look_at(&mut self, name: &str) -> Picture {
        let content = &mut self.content;
        content.pictures.get(name).cloned().or_else(|| content.next.pop_front()).unwrap_or_default()
    }
}

impl Picture {
    /// What is said of it, else what the manual's words in `text` (its address or name, its bytes) say.
    pub(crate) fn judge(&self, text: &str) -> Verdict {
        self.verdict.unwrap_or_else(|| judge(text))
    }
}

/// What an OCR reads off its kind of document, in the order of WeChat's answers: its path's last part, the members.
pub(crate) const DOCUMENTS: &[(&str, &[&str])] = &[
    ("bankcard", &["number"]),
    (
        "bizlicense",
        &[
            "reg_num",
            "serial",
            "legal_representative",
            "enterprise_name",
            "type_of_organization",
            "address",
            "type_of_enterprise",
            "business_scope",
            "registered_capital",
            "paid_in_capital",
            "valid_period",
            "registered_date",
        ],
    ),
    (
        "driving",
        &[
            "plate_num",
            "vehicle_type",
            "owner",
            "addr",
            "use_character",
            "model",
            "vin",
            "engine_num",
            "register_date",
            "issue_date",
            "plate_num_b",
            "record",
            "passengers_num",
            "total_quality",
            "prepare_quality",
            "overall_size",
        ],
    ),
    (
        "drivinglicense",
        &[
            "id_num",
            "name",
            "sex",
            "nationality",
            "address",
            "birth_date",
            "issue_date",
            "car_class",
            "valid_from",
            "valid_to",
            "official_seal",
        ],
    ),
    ("idcard", &["name", "id", "addr", "gender", "nationality", "valid_date"]),
    ("platenum", &["number"]),
];

/// What is wrong with what a picture is to show: a kind that there isn't, a member that its answers don't have, lines
/// that are no texts.
pub(crate) fn check_shows(shows: &Map<String, Value>) -> Result<(), String> {
    for (kind, shown) in shows {
        if kind == "comm" {
            let lines = shown.as_array().filter(|lines| lines.iter().all(Value::is_string));
            lines.ok_or("shows.comm: a list of lines")?;
            continue;
        }
        let members = DOCUMENTS.iter().find(|(known, _)| known == kind).map(|(_, members)| *members);
        let members = members.ok_or_else(|| {
            let known: Vec<&str> = DOCUMENTS.iter().map(|(kind, _)| *kind).collect();
            format!("shows.{kind}: comm, {}", known.join(", "))
        })?;
        let shown = shown.as_object().ok_or_else(|| format!("shows.{kind}: an object"))?;
        for (name, value) in shown {
            if !members.contains(&name.as_str()) || !value.is_string() {
                return Err(format!("shows.{kind}.{name}: texts of {}", members.join(", ")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_manual() {
        let risky = |label| Verdict { suggest: Suggest::Risky, label };
        assert_eq!(judge("hello"), Verdict::default());
        assert_eq!(judge(OFFICIAL[0]), risky(CRIME));
        assert_eq!(judge("a sandbox-risky b"), risky(OTHER));
        assert_eq!(judge("sandbox-risky-20002.png"), risky(20002));
        assert_eq!(judge("sandbox-risky-100"), risky(OTHER), "normal is no reason");
        assert_eq!(judge("sandbox-review-10001"), Verdict { suggest: Suggest::Review, label: 10001 });
    }

    #[test]
    fn the_worst_counts() {
        let word = |suggest, label| ("w".to_owned(), Verdict { suggest, label });
        let judged = Judgement {
            model: Verdict::default(),
            words: vec![
                word(Suggest::Review, 10001),
                word(Suggest::Risky, 20003),
                word(Suggest::Risky, 20008),
            ],
        };
        assert_eq!(judged.verdict(), Verdict { suggest: Suggest::Risky, label: 20003 });
    }
}
