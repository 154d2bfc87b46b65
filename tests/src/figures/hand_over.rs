//! How long it takes until the next one leads when the leader resigns.

use std::time::Duration;

use super::{Failure, Raw, Subject, failed, figure, leave, median, node, now};

const ROUNDS: usize = 60;
const PATIENCE: Duration = Duration::from_secs(10);

/// From the call of `resign` to the campaign that ends, in round trips of the client library.
pub(super) async fn planned<S: Subject>(address: &str) -> Result<(), Failure> {
    let raws = [S::Raw::connect(address).await?, S::Raw::connect(address).await?];
    let nodes = [node::<S>(address, "first").await?, node::<S>(address, "second").await?];
    let (mut took, mut floors, mut trips) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (leader, next) = (&nodes[round % 2], nodes[(round + 1) % 2].clone());
        let leading = leader.election("hand-over")?.campaign().await?;
        let campaign = tokio::spawn(async move {
            let leading = next.election("hand-over")?.campaign().await?;
            Ok::<_, Failure>((now(), leading))
        });
        // Long enough for the next one to stand.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let started = now();
        leading.resign().await?;
        let elected = tokio::time::timeout(PATIENCE, campaign).await;
        let (at, leading) = elected.map_err(|_late| failed("see the next one lead"))???;
        took.push(at.duration_since(started).as_secs_f64());
        leading.resign().await?;
        let (raw, other) = (&raws[round % 2], &raws[(round + 1) % 2]);
        let turn = other.await_turn().await?;
        let started = now();
        raw.hand_over(other, turn).await?;
        floors.push(started.elapsed().as_secs_f64());
        let started = now();
        raw.round_trip().await?;
        trips.push(started.elapsed().as_secs_f64());
    }
    let (took, floor, trip) = (median(took), median(floors), median(trips));
    println!("planned hand-over: {:.0} us, a round trip {:.0} us", took * 1e6, trip * 1e6);
    // Two requests, one after the other, with an event between them.
    println!("the same from the client library: {:.0} us, {:.1} round trips", floor * 1e6, floor / trip);
    figure::<S>("planned_hand_over", took / trip, "round_trips", S::TARGETS.hand_over);
    for node in nodes {
        leave(node).await;
    }
    Ok(())
}
