//! Maintenance: a short piece of work that any node may do, one at a time. It reads a counter, and writes it back plus one.

use std::time::Duration;

use ha_core::Error;

use super::member::Member;
use super::records::{MAINTENANCE, Section, Write};

/// How long a node waits between two critical sections.
const PAUSE: Duration = Duration::from_millis(350);
/// How long the work takes: long enough for anybody else inside to be noticed.
const WORK: Duration = Duration::from_millis(10);

/// Does maintenance again and again, until the node shuts down.
pub(super) async fn serve(member: Member) -> Result<(), Error> {
    let mutex = member.coordinator.mutex(MAINTENANCE)?;
    let clock = &member.clock;
    loop {
        let guard = mutex.acquire().await?;
        let start = clock.now();
        let token = guard.token().as_u64();
        // Read with the token: nothing that an earlier holder has sent can arrive after this.
        if let Ok(counter) = member.outbox.counter(token).await {
            clock.sleep(WORK).await;
            if guard.is_valid() {
                let section = Section { start, value: counter + 1 };
                // A refusal means that others went on without us; they did not read what we did not write.
                member.outbox.send(token, Write::Section(section)).wait().await.ok();
            }
        }
        guard.release().await?;
        clock.sleep(PAUSE).await;
    }
}
