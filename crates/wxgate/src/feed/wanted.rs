//! Which messages a stream is asked for.

use crate::rules::filter::{Filter, Subject};
use crate::rules::rights::AppPatterns;

/// Which messages somebody wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) appid: Option<String>,
    pub(super) openid: Option<String>,
    /// As they were written.
    pub(super) events: Vec<String>,
    /// By event and user.
    filter: Filter,
    /// What its caller may use.
    pub(super) apps: AppPatterns,
    /// With the message as WeChat wrote it.
    pub(super) raw: bool,
}

impl Wanted {
    /// By someone who may use `apps`; the error is the kind of event that can't be read.
    pub(super) fn of(
        appid: Option<String>,
        openid: Option<String>,
        events: Vec<String>,
        apps: &AppPatterns,
    ) -> Result<Self, String> {
        let openids = openid.iter().cloned().collect();
        let filter = Filter::parse(&[Vec::new(), events.clone(), openids, Vec::new()]);
        let filter = filter.map_err(|(_, wrong)| wrong)?;
        Ok(Self { appid, openid, events, filter, apps: apps.clone(), raw: false })
    }

    /// With the message as WeChat wrote it, or without.
    pub(super) fn raw(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    /// Whether the message is wanted.
    pub(super) fn takes(&self, appid: &str, tags: &[String], message: &Subject<'_>) -> bool {
        self.appid.as_ref().is_none_or(|one| one == appid)
            && self.apps.matches(appid, tags)
            && self.filter.misses(appid, tags, message).is_none()
    }
}
