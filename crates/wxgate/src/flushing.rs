//! Bringing what is gathered in memory to the store, again and again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::lang::Words;
use crate::store::StoreError;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Calls `flush` each second until the stop begins. `trouble` is told once, until it works again.
pub(crate) async fn each_second<F: Future<Output = Result<(), StoreError>>>(
    clock: &Clock,
    draining: &CancellationToken,
    trouble: &Words,
    flush: impl Fn() -> F,
) {
    let mut was_away = false;
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            () = clock.pause(EVERY) => {}
        }
        let flushed = flush().await;
        if let Some(error) = flushed.as_ref().err().filter(|_| !was_away) {
            tracing::warn!(%error, "{trouble}");
        }
        was_away = flushed.is_err();
    }
}
