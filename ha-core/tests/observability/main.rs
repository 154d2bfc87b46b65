//! What operators see of one node's life: metrics, spans, and the events that an observer is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod doubting;
mod recorder;
mod traced;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doubting::{Doubting, LATE, LOST};
use ha_core::memory::MemoryBackend;
use ha_core::runtime::{Runtime, TokioRuntime};
use ha_core::{Coordinator, Effect, Event, LossReason, Observer};
use recorder::Recorded;
use traced::Traced;

/// Hands on what it is told.
struct Telling(Mutex<Sender<Event>>);

impl Observer for Telling {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().send(event.clone()).ok();
    }
}

/// One test, because recorders and subscribers are of the whole process.
#[tokio::test(flavor = "multi_thread")]
async fn one_life_of_a_node_is_counted_traced_and_told() {
    let (recorded, traced) = (Recorded::default(), Traced::default());
    metrics::set_global_recorder(recorded.clone()).unwrap();
    tracing::subscriber::set_global_default(traced.clone()).unwrap();
    ha_core::metrics::describe();
    let (told, seen) = channel();
    let backend = Arc::new(MemoryBackend::new());
    let builder = Coordinator::builder(backend.clone()).namespace("platform").node("box-1");
    let builder = builder.ttl(Duration::from_millis(300)).report_to(Telling(Mutex::new(told)));
    let node = builder.connect().await.unwrap();

    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let (mutex, runtime) = (node.mutex("deploy").unwrap(), TokioRuntime::current().unwrap());
    let holding = async {
        // Long enough for renewals, and for the other to wait.
        runtime.sleep_until(runtime.now() + Duration::from_millis(250)).await;
        guard.release().await.unwrap();
    };
    let waiting = async { mutex.acquire().await.unwrap().release().await.unwrap() };
    tokio::join!(holding, waiting);
    let leading = node.election("timers").unwrap().campaign().await.unwrap();
    let entries = node.store().collection("c").unwrap();
    assert!(entries.create("a", "1").await.unwrap().is_done());
    assert!(!entries.create("a", "2").await.unwrap().is_done());
    assert!((recorded.gauge("ha_leader{election=timers}") - 1.0).abs() < f64::EPSILON);
    assert!((recorded.gauge("ha_session_up{}") - 1.0).abs() < f64::EPSILON);
    let term = leading.token();

    // The session is lost, and replaced.
    backend.faults().cut("box-1");
    assert_eq!(leading.lost().await, LossReason::Expired);
    drop(leading);
    backend.faults().heal("box-1");
    let again = node.election("timers").unwrap().campaign().await.unwrap();
    assert!(again.token() > term);
    again.resign().await.unwrap();
    node.shutdown(Duration::from_secs(5)).await.unwrap();

    let events: Vec<Event> = seen.iter().take_while(|event| *event != Event::Closed).collect();
    assert_told(&events);
    assert_counted(&recorded);
    assert_traced(&traced);
    assert_doubts_and_lag_are_measured(&recorded).await;
}

/// With a backend that loses answers and shows the past.
async fn assert_doubts_and_lag_are_measured(recorded: &Recorded) {
    let builder = Coordinator::builder(Arc::new(Doubting::default())).namespace("platform").node("box-1");
    let node = builder.connect().await.unwrap();
    let entries = node.store().collection(LATE.0).unwrap();
    let before = recorded.value("ha_commits_in_doubt_total{resolved=true}");
    for number in 0..5 {
        assert!(entries.create(&format!("e{number}"), "1").await.unwrap().is_done());
    }
    assert_eq!(recorded.value("ha_commits_in_doubt_total{resolved=true}"), before + 5);
    entries.watch().next().await.unwrap();
    assert!((recorded.gauge("ha_watch_lag_revisions{}") - 3.0).abs() < f64::EPSILON);
    // Whoever assigns is elected too, one after the other, and nobody's leader.
    for _ in 0..2 {
        let mut owned = node.partitions("shifts", 1).unwrap().join().await.unwrap();
        drop(owned.next().await.unwrap());
        owned.leave().await.unwrap();
    }
    assert_eq!(recorded.value("ha_takeover_seconds{election=shifts}"), 0);
    let lost = node.store().collection(LOST).unwrap().create("a", "1").await.unwrap_err();
    assert_eq!(lost.effect(), Effect::Unknown);
    assert_eq!(recorded.value("ha_commits_in_doubt_total{resolved=false}"), 1);
}

fn assert_told(events: &[Event]) {
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert!(matches!(events[0], Event::SessionOpened { .. }), "{events:#?}");
    assert_eq!(count(|event| matches!(event, Event::SessionOpened { .. })), 2, "{events:#?}");
    assert_eq!(count(|event| matches!(event, Event::SessionLost(LossReason::Expired))), 1);
    assert!(count(|event| matches!(event, Event::Suspect { .. })) >= 1);
    assert_eq!(count(|event| matches!(event, Event::Granted { .. })), 4);
    assert_eq!(count(|event| matches!(event, Event::Ended { .. })), 4);
}

fn assert_counted(recorded: &Recorded) {
    let expected = [
        ("ha_sessions_opened_total{}", 2),
        ("ha_sessions_lost_total{reason=expired}", 1),
        ("ha_granted_total{kind=mutex}", 2),
        ("ha_granted_total{kind=election}", 2),
        ("ha_ended_total{kind=mutex,reason=released}", 2),
        ("ha_ended_total{kind=election,reason=expired}", 1),
        ("ha_ended_total{kind=election,reason=released}", 1),
        ("ha_wait_seconds{kind=mutex}", 2),
        ("ha_wait_seconds{kind=election}", 2),
        ("ha_hold_seconds{kind=mutex}", 2),
        ("ha_takeover_seconds{election=timers}", 1),
        ("ha_requests_total{operation=commit,result=conflict}", 1),
    ];
    for (metric, value) in expected {
        assert_eq!(recorded.value(metric), value, "{metric} in {recorded:#?}");
    }
    let some = [
        "ha_renewal_seconds{}",
        "ha_renewals_failed_total{}",
        "ha_requests_total{operation=commit,result=ok}",
        "ha_requests_total{operation=renew,result=ok}",
        "ha_requests_total{operation=list,result=ok}",
        "ha_request_seconds{operation=commit}",
        "ha_watches_opened_total{}",
        "ha_watch_snapshots_total{}",
    ];
    for metric in some {
        assert!(recorded.value(metric) > 0, "{metric} in {recorded:#?}");
    }
    assert_eq!(recorded.value("ha_commits_in_doubt_total{resolved=true}"), 0, "nothing is lost in memory");
    for metric in ["ha_leader{election=timers}", "ha_session_up{}", "ha_session_suspect{}"] {
        assert!(recorded.gauge(metric).abs() < f64::EPSILON, "{metric} after the shutdown");
    }
    assert!(recorded.gauge("ha_term{election=timers}") > 0.0);
    let known: Vec<&str> = ha_core::metrics::ALL.iter().map(|metric| metric.name).collect();
    for name in recorded.names() {
        assert!(known.contains(&name.as_str()), "{name} is recorded, but not listed");
    }
}

fn assert_traced(traced: &Traced) {
    for parts in [
        &["span coordinator", "namespace=platform", "node=box-1", "backend=\"memory\""][..],
        &["session opened", "ttl=Some(300ms)"],
        &["span acquire", "lock=deploy", "node=box-1"],
        &["span waiting for a lock that this process holds", "lock=deploy"],
        &["waits for a change", "node=box-1", "election/timers"],
        &["span campaign", "election=timers", "priority=0"],
        &["elected", "election=timers", "node=box-1", "predecessor="],
        &["leadership ended", "election=timers", "reason=the session could not be renewed in time"],
        &["session lost", "reason=the session could not be renewed in time"],
    ] {
        assert!(traced.has(parts), "{parts:?} in {:#?}", traced.lines());
    }
}
