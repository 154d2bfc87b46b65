//! Being told to end.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind};
use crate::runtime::Runtime;

/// Waits, on the I/O runtime, for SIGTERM or SIGINT.
pub(super) async fn terminated(runtime: &Arc<dyn Runtime>) -> Result<(), Error> {
    let (fired, signal) = oneshot::channel();
    let task = async move {
        // A receiver that is gone no longer wants to know.
        drop(fired.send(wait().await));
    };
    runtime.spawn("signal", Box::pin(task));
    let failed = |reason: String| Error::new(ErrorKind::Unsupported, "wait for SIGTERM").because(reason);
    match signal.await {
        Ok(result) => result.map_err(|error| failed(error.to_string())),
        Err(_stopped) => Err(failed("the coordinator's runtime has ended".into())),
    }
}

#[cfg(unix)]
async fn wait() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn wait() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
