//! `wxgate reload`: has the process that serves read its files again, and says what came of it.

use std::path::Path;

use anyhow::bail;

use super::control::{self, Reloaded, Request};
use super::run::print;
use crate::config;
use crate::lang::Words;

pub(super) async fn run(path: &Path) -> anyhow::Result<()> {
    let store = config::store_of(path, &config::environment())?;
    let Some(outcome) =
        control::ask::<Reloaded>(&store, &Request::Reload { file: control::whole(path) }).await?
    else {
        let (path, dir) = (path.display(), store.run_dir());
        let dir = dir.display();
        bail!(Words::new(
            format!(
                "没有用 {path} 运行的 wxgate（{dir} 里没有它的套接字）：先启动 wxgate serve --config {path}"
            ),
            format!("no wxgate runs with {path} (none answers in {dir}): start wxgate serve --config {path}"),
        ));
    };
    if !outcome.done {
        bail!(outcome.text().to_owned());
    }
    print(&format!("{}\n", outcome.text()))
}
