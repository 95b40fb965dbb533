//! `wxgate reload`: has the process that serves read its files again, and says what came of it.

use std::path::Path;

use anyhow::bail;

use super::control::{self, Reloaded, Request};
use super::run::print;
use crate::config;

pub(super) async fn run(path: &Path) -> anyhow::Result<()> {
    let store = config::store_of(path, &config::environment())?;
    let request = Request::Reload { file: control::whole(path) };
    let Some(outcome) = control::ask::<Reloaded>(&store, &request).await? else {
        bail!(control::nobody(path, &store));
    };
    if !outcome.done {
        bail!(outcome.text().to_owned());
    }
    print(&format!("{}\n", outcome.text()))
}
