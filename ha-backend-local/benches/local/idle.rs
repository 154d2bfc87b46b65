//! What a process costs that holds a lock and waits.

use std::path::Path;
use std::time::Duration;

use crate::parts::{IDLE, Part};
use crate::{Failure, failed, figure};

/// How long its time on the processor is counted.
const MEASURED: Duration = Duration::from_secs(20);

/// Ticks of the processor's time in a second, as Linux counts it for processes.
const TICKS: f64 = 100.0;

/// Per cent of one core.
pub(crate) async fn of_the_processor(path: &Path) -> Result<(), Failure> {
    let mut part = Part::start(IDLE, path)?;
    part.line().await?.ok_or_else(|| failed("see a child hold a lock"))?;
    let id = part.child.id().ok_or_else(|| failed("find a child"))?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = ticks(id)?;
    tokio::time::sleep(MEASURED).await;
    let used = (ticks(id)? - before) / TICKS;
    figure("idle", used / MEASURED.as_secs_f64() * 100.0, "percent_of_a_core", "<= 0.5");
    Ok(())
}

/// The time that the process has used so far.
fn ticks(id: u32) -> Result<f64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, behind_name) = stat.rsplit_once(')').ok_or_else(|| failed("read /proc"))?;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let field = |at: usize| {
        fields.get(at).and_then(|text| text.parse::<f64>().ok()).ok_or_else(|| failed("read /proc"))
    };
    Ok(field(11)? + field(12)?)
}
