//! The timer service: every node can do it, the leader does. Each tick is emitted exactly once.

use ha_core::Error;
use ha_core::election::{Leadership, Predecessor};

use super::clock::Moment;
use super::member::Member;
use super::options::Sabotage;
use super::records::{TIMERS, Write};
use super::schedule::{Schedule, Tick};
use super::timeline::Event;

/// Stands for election, emits ticks while it leads, and stands again after a loss, until the node shuts down.
///
/// The sensors leave all of this to `Election::run`. This is the long form, for a service that wants to know how its predecessor
/// ended, and to finish what it has begun before it passes leadership on.
pub(super) async fn serve(member: Member) -> Result<(), Error> {
    let election = member.coordinator.election(TIMERS)?;
    loop {
        let leadership = election.campaign().await?;
        emit(&member, &leadership).await;
        leadership.resign().await?;
    }
}

/// Emits what is due and was not emitted yet, by anybody, until leadership is lost.
async fn emit(member: &Member, leadership: &Leadership) {
    let schedule = Schedule::new(member.errand.inputs.timers.clone());
    let clock = &member.clock;
    let token = leadership.token().as_u64();
    // A refusal says that there is a newer leader already.
    let Ok(mut emitted) = member.outbox.emitted(token).await else { return };
    if member.errand.is_sabotaged(Sabotage::SkipMissed) {
        emitted = schedule.skip_to(clock.now());
    }
    tell_missed(member, leadership, &schedule.due(&emitted, clock.now()), clock.now());
    while leadership.is_valid() {
        let due = schedule.due(&emitted, clock.now());
        if due.is_empty() {
            tokio::select! {
                biased;
                _ = leadership.lost() => return,
                () = clock.sleep_until(schedule.next(&emitted)) => continue,
            }
        }
        if member.outbox.send(token, Write::Ticks(due.clone())).wait().await.is_err() {
            return;
        }
        due.iter().for_each(|tick| emitted.note(tick));
    }
}

/// Tells what the node that vanished has left undone. One that resigned has left nothing, but for what is due just now.
fn tell_missed(member: &Member, leadership: &Leadership, missed: &[Tick], now: Moment) {
    let (Some(oldest), Predecessor::Vanished { node: predecessor }) =
        (missed.first(), leadership.predecessor())
    else {
        return;
    };
    let late = now.since(oldest.due).as_millis();
    member.tell(Event::CatchesUp {
        node: member.errand.node.clone(),
        ticks: missed.len(),
        oldest_late_ms: u64::try_from(late).unwrap_or(u64::MAX),
        predecessor: predecessor.clone(),
    });
}
