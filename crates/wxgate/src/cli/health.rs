//! `wxgate health`: whether the process that serves answers, for whoever watches over it and has no HTTP client (a
//! container's health check). Whether it can work is `/readyz`'s to say.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;

use super::control::{self, Request, Status};
use super::run::print;
use crate::config;
use crate::lang::{Words, say};

/// A process that works answers at once.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn run(path: &Path) -> anyhow::Result<()> {
    let store = config::store_of(path, &config::environment())?;
    let request = Request::Status { variables: BTreeMap::new() };
    match tokio::time::timeout(PATIENCE, control::ask::<Status>(&store, &request)).await {
        Err(_) => bail!(Words::fixed(
            "运行中的 wxgate 三秒内没有应答",
            "the wxgate that runs gave no answer within three seconds",
        )),
        Ok(answer) => match answer? {
            None => bail!(control::nobody(path, &store)),
            Some(_) => print(say("wxgate 在运行\n", "wxgate runs\n")),
        },
    }
}
