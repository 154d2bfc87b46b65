use std::sync::Arc;
use std::time::Duration;

use ha_core::memory::MemoryBackend;
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{
    Backend, Collection, Key, Name, Naming, Page, Session, SessionRequest, Txn, WatchEvent, WatchTarget,
};
use ha_core::{Effect, ErrorKind};

use super::Ways;
use crate::faults::{CommitFault, Fault, Faults};
use crate::nodes::abandon_after;

/// Of every session here: nobody waits for it.
const TTL: Duration = Duration::from_secs(60);

/// What is given up is given up after this time.
const PATIENCE: Duration = Duration::from_millis(200);

/// How late a request arrives.
const LATE: Duration = Duration::from_millis(300);

/// How long anything may take that happens at all.
const LONG: Duration = Duration::from_secs(30);

/// A session at the end of a way, and one that meets nothing on its own.
struct Bed {
    ways: Ways,
    session: Arc<dyn Session>,
    judge: Arc<dyn Session>,
}

fn node() -> Name {
    Name::parse("node").unwrap()
}

fn collection() -> Collection {
    Collection::parse(&["c"]).unwrap()
}

fn key(name: &str) -> Key {
    collection().key(Name::parse(name).unwrap())
}

fn own(name: &str) -> Txn {
    Txn::new().create_owned(key(name), "", Naming::Reusable)
}

impl Bed {
    async fn new() -> Self {
        let (store, ways) = (MemoryBackend::new(), Ways::new(PATIENCE));
        let request = |name: &str| {
            let runtime = Arc::new(TokioRuntime::current().unwrap());
            SessionRequest::observer(node(), Name::parse(name).unwrap(), runtime).with_ttl(TTL)
        };
        let session =
            ways.lead(&node(), Arc::new(store.clone())).open_session(request("node")).await.unwrap();
        let judge = store.open_session(request("judge")).await.unwrap();
        Self { ways, session, judge }
    }

    async fn inject(&self, fault: Fault) {
        self.ways.inject(fault).await;
    }

    async fn script(&self, fault: CommitFault) {
        self.inject(Fault::Commits(node(), vec![fault])).await;
    }

    /// What the store has.
    async fn names(&self) -> Vec<String> {
        let listing = self.judge.list(&collection(), Page::by_name(9)).await.unwrap();
        listing.entries().iter().map(|entry| entry.key().name().to_string()).collect()
    }

    async fn until(&self, names: &[&str]) {
        let wait = async {
            while self.names().await != names {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LONG, wait).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_request_never_arrives_and_a_lost_reply_is_told_later() {
    let bed = Bed::new().await;
    bed.script(CommitFault::LoseRequest).await;
    let error = bed.session.commit(own("a")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotApplied));
    assert!(bed.names().await.is_empty() && bed.session.doubts() == 0);
    bed.script(CommitFault::LoseReply).await;
    assert!(bed.session.commit(own("a")).await.unwrap().is_committed());
    assert_eq!((bed.names().await, bed.session.doubts()), (vec!["a".to_owned()], 1));
}

#[tokio::test]
async fn a_late_request_arrives_also_when_nobody_waits_and_what_it_made_is_undone() {
    let bed = Bed::new().await;
    bed.script(CommitFault::Delay(LATE)).await;
    assert!(
        abandon_after(
            2,
            bed.session.commit(own("late").create_persistent(key("kept"), "", Naming::Reusable))
        )
        .await
        .is_none()
    );
    assert!(bed.names().await.is_empty(), "it is on its way");
    bed.until(&["kept"]).await;
    assert!(bed.session.commit(own("next")).await.unwrap().is_committed());
    assert_eq!(bed.names().await, ["kept", "next"]);
}

#[tokio::test]
async fn nothing_arrives_from_a_node_that_is_cut_off() {
    let bed = Bed::new().await;
    bed.inject(Fault::Cut(node())).await;
    let error = bed.session.commit(own("a")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotApplied));
    assert_eq!(bed.session.renew().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(
        bed.session.list(&collection(), Page::by_name(9)).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(bed.session.end(bed.judge.id()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(bed.names().await.is_empty());
    bed.inject(Fault::Heal(node())).await;
    bed.session.renew().await.unwrap();
    assert!(bed.session.commit(own("a")).await.unwrap().is_committed());
}

#[tokio::test]
async fn a_close_that_is_cut_off_is_made_once_it_gets_through() {
    let bed = Bed::new().await;
    assert!(bed.session.commit(own("a")).await.unwrap().is_committed());
    bed.inject(Fault::Cut(node())).await;
    assert_eq!(bed.session.close().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(bed.names().await, ["a"]);
    bed.inject(Fault::Heal(node())).await;
    bed.until(&[]).await;
}

#[tokio::test]
async fn a_commit_without_an_answer_waits_and_is_undone_if_it_is_dropped() {
    let bed = Bed::new().await;
    bed.inject(Fault::CutReplies(node())).await;
    let session = Arc::clone(&bed.session);
    let waiting = tokio::spawn(async move { session.commit(own("waiting")).await });
    bed.until(&["waiting"]).await;
    assert!(abandon_after(3, bed.session.commit(own("dropped"))).await.is_none());
    bed.until(&["waiting"]).await;
    assert!(!waiting.is_finished());
    bed.inject(Fault::Heal(node())).await;
    assert!(waiting.await.unwrap().unwrap().is_committed());
}

#[tokio::test]
async fn a_watch_says_that_it_is_cut_off_and_shows_what_it_missed() {
    let bed = Bed::new().await;
    let mut watch = bed.session.watch(WatchTarget::Collection(collection()));
    assert!(matches!(watch.next().await, Some(WatchEvent::Snapshot { .. })));
    for fault in [Fault::Cut(node()), Fault::CutReplies(node()), Fault::InterruptWatches(node())] {
        let is_break = matches!(fault, Fault::InterruptWatches(_));
        bed.inject(fault).await;
        assert_eq!(watch.next().await, Some(WatchEvent::Interrupted));
        let name = format!("missed-{}", bed.names().await.len());
        assert!(bed.judge.commit(own(&name)).await.unwrap().is_committed());
        if !is_break {
            assert!(abandon_after(5, watch.next()).await.is_none(), "nothing is heard");
            bed.inject(Fault::Heal(node())).await;
        }
        let Some(WatchEvent::Snapshot { entries, .. }) = watch.next().await else { panic!("no snapshot") };
        assert!(entries.iter().any(|entry| *entry.key() == key(&name)), "{name} is not in {entries:?}");
    }
    bed.judge.end(bed.session.id()).await.unwrap();
    while watch.next().await.is_some() {}
}

#[tokio::test]
async fn everything_takes_its_time_on_a_slow_way() {
    let bed = Bed::new().await;
    bed.inject(Fault::Slow(node(), LATE)).await;
    let began = tokio::time::Instant::now();
    let session = Arc::clone(&bed.session);
    let commit = tokio::spawn(async move { session.commit(own("a")).await });
    bed.until(&["a"]).await;
    assert!(began.elapsed() >= LATE);
    assert!(commit.await.unwrap().unwrap().is_committed());
    assert!(began.elapsed() >= LATE * 2);
}

#[tokio::test]
async fn renewals_fail_without_effect_while_everything_else_works() {
    let bed = Bed::new().await;
    bed.inject(Fault::FailRenewals(node())).await;
    assert_eq!(bed.session.renew().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(bed.session.commit(own("a")).await.unwrap().is_committed());
    bed.inject(Fault::Heal(node())).await;
    bed.session.renew().await.unwrap();
}
