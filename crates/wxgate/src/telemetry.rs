//! The log: wxgate's own modules at the configured level, every other crate at WARN and above.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{Log, LogFormat};

/// Starts logging to standard error; a second call changes nothing.
pub fn start(log: Log) {
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(log.level))
        .with_target("wxgate", log.level)
        .with_target("sandbox", log.level);
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match log.format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // Only a test that starts twice in one process meets the error.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}
