use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::{Engine, Item};
use crate::coordinator::format::Format;
use crate::coordinator::hub::{Identity, Signal};
use crate::coordinator::model_test::{Manual, Unreliable};
use crate::coordinator::{Context, Driver, Hub, Input, Lifetime, Machine, Output};
use crate::memory::MemoryBackend;
use crate::names::{Collection, Key, Name};
use crate::runtime::{Instant, Runtime};
use crate::spi::{Backend, Lineage, Listing, Revision, Session, SessionRequest, Txn};
use crate::sync::lock;

/// What the probe was told, in one word each.
type Diary = Arc<Mutex<Vec<String>>>;

/// A machine that notes what it is told, and wants what it is asked to want.
#[derive(Debug)]
struct Probe {
    diary: Diary,
    busy: bool,
    wake: Option<Instant>,
    /// Whether it answers a discontinuity at once.
    prompt: bool,
}

enum Wish {
    Busy(bool),
    Wake(Instant),
    Reconcile,
    /// To write something.
    Write,
}

impl Machine for Probe {
    type Request = Wish;
    type Delivery = ();

    fn on_input(&mut self, input: Input<Wish>, context: &Context<'_>, out: &mut Vec<Output<()>>) {
        let word = match input {
            Input::SessionUp { hold_until, .. } => format!("up {hold_until:?}"),
            Input::SessionDown => "down".into(),
            Input::Listed { .. } => "listed".into(),
            Input::Voided { .. } => "voided".into(),
            Input::Discontinuity { .. } => {
                out.extend(self.prompt.then_some(Output::Reconciled));
                "discontinuity".into()
            }
            Input::Tick => {
                self.wake = self.wake.filter(|at| *at > context.now);
                "tick".into()
            }
            Input::Closing => "closing".into(),
            Input::Request(Wish::Busy(busy)) => {
                self.busy = busy;
                "busy".into()
            }
            Input::Request(Wish::Wake(at)) => {
                self.wake = Some(at);
                "wake".into()
            }
            Input::Request(Wish::Reconcile) => {
                out.push(Output::Reconciled);
                "reconcile".into()
            }
            Input::Request(Wish::Write) => {
                out.push(Output::Commit { tag: 1, txn: Txn::new().create(note(), "") });
                "write".into()
            }
            Input::Committed { outcome, .. } => match outcome {
                Ok(_) => "committed".into(),
                Err(error) => format!("{:?}", error.kind()),
            },
            Input::Watched { .. } => "watched".into(),
        };
        lock(&self.diary).push(word);
    }

    fn next_wake(&self) -> Option<Instant> {
        self.wake
    }

    fn is_idle(&self) -> bool {
        !self.busy
    }
}

impl Driver for Probe {
    type Ports = ();

    fn deliver(_: &Arc<Engine<Self>>, (): (), _: Option<&Arc<Lifetime>>) {}
}

struct Desk {
    runtime: Manual,
    hub: Arc<Hub>,
    session: Arc<dyn Session>,
    engine: Option<Arc<Engine<Probe>>>,
    memory: MemoryBackend,
    diary: Diary,
    /// The latest session.
    life: Mutex<Option<Arc<Lifetime>>>,
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn note() -> Key {
    Collection::parse(&["notes"]).unwrap().key(name("a"))
}

impl Desk {
    fn new(prompt: bool) -> Self {
        let (runtime, backend) = (Manual::default(), Unreliable::default());
        let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
        let request = SessionRequest::observer(name("n"), name("a"), Arc::clone(&shared))
            .with_ttl(Duration::from_secs(10));
        let session = runtime.block_on(backend.open_session(request)).unwrap();
        let identity =
            Identity { namespace: name("n"), node: name("a"), capabilities: [].into(), observer: false };
        let (hub, _control) = Hub::new(identity, backend.capabilities().clone(), shared);
        let diary = Diary::default();
        let probe = Probe { diary: Arc::clone(&diary), busy: false, wake: None, prompt };
        let engine = Some(Engine::start(&hub, probe, ()));
        Self { runtime, hub, session, engine, memory: backend.memory, diary, life: Mutex::default() }
    }

    fn engine(&self) -> &Arc<Engine<Probe>> {
        self.engine.as_ref().unwrap()
    }

    /// A session of this number, as the supervisor announces it.
    fn up(&self, epoch: u64, lineage: Lineage) -> Signal {
        let runtime: Arc<dyn Runtime> = Arc::new(self.runtime.clone());
        let until = self.runtime.now() + Duration::from_secs(9);
        let life = Lifetime::new(Arc::clone(&self.session), runtime, epoch, Format::default(), until);
        *lock(&self.life) = Some(Arc::clone(&life));
        Signal::SessionUp { life, lineage }
    }

    /// A renewal that was sent now is answered.
    fn renewed(&self) {
        let life = lock(&self.life).clone();
        life.into_iter().for_each(|life| life.set_renewed_at(self.runtime.now()));
    }

    fn listed(&self, lineage: Lineage) -> Item<Wish> {
        let listing = Listing::new(Vec::new(), false, Revision::new(1), lineage);
        Item::Listed { epoch: 1, tag: 1, listing: Ok(listing) }
    }

    fn diary(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.diary))
    }
}

#[test]
fn an_engine_with_something_to_do_outlives_its_handles_and_no_longer() {
    let mut desk = Desk::new(true);
    let engine = desk.engine.take().unwrap();
    let weak: Weak<_> = Arc::downgrade(&engine);
    engine.request(Wish::Busy(true));
    drop(engine);
    let engine = weak.upgrade().expect("a release may have to be repeated");
    engine.request(Wish::Busy(false));
    drop(engine);
    assert!(weak.upgrade().is_none());
}

#[test]
fn an_engine_stays_for_a_ttl_to_delete_what_a_failover_brings_back() {
    let mut desk = Desk::new(true);
    let engine = desk.engine.take().unwrap();
    let weak: Weak<_> = Arc::downgrade(&engine);
    engine.feed(Item::Signal(desk.up(1, Lineage::default())));
    engine.request(Wish::Busy(true));
    engine.request(Wish::Busy(false));
    drop(engine);
    desk.diary();
    desk.runtime.advance(Duration::from_secs(9));
    desk.hub.observe(Lineage::new(1));
    assert_eq!(desk.diary(), ["discontinuity"]);
    desk.renewed();
    desk.runtime.advance(Duration::from_millis(1_100));
    assert!(weak.upgrade().is_some(), "the renewal does not tell of all that time");
    desk.renewed();
    desk.runtime.advance(Duration::from_millis(2_600));
    assert!(weak.upgrade().is_none());
}

#[test]
fn an_engine_stays_while_nobody_knows_what_the_store_has_forgotten() {
    let mut desk = Desk::new(true);
    let engine = desk.engine.take().unwrap();
    engine.feed(Item::Signal(desk.up(1, Lineage::default())));
    engine.request(Wish::Busy(true));
    engine.request(Wish::Busy(false));
    drop(engine);
    desk.runtime.advance(Duration::from_secs(40));
    desk.diary();
    desk.hub.observe(Lineage::new(1));
    assert_eq!(desk.diary(), ["discontinuity"]);
}

#[test]
fn a_newcomer_in_a_session_that_is_older_than_the_history_looks_for_what_that_brought_back() {
    let desk = Desk::new(true);
    let until = Instant::from_start(Duration::from_secs(7));
    desk.engine().feed(Item::Signal(desk.up(1, Lineage::new(3).held_until(until))));
    assert_eq!(desk.diary(), [format!("up {:?}", Some(until)), "discontinuity".into()]);
}

#[test]
fn an_engine_that_never_had_anything_to_do_goes_with_its_handle() {
    let mut desk = Desk::new(true);
    let engine = desk.engine.take().unwrap();
    let weak: Weak<_> = Arc::downgrade(&engine);
    engine.feed(Item::Signal(desk.up(1, Lineage::default())));
    drop(engine);
    assert!(weak.upgrade().is_none());
}

#[test]
fn an_engine_that_is_kept_for_a_failover_goes_when_its_session_does() {
    let mut desk = Desk::new(true);
    let engine = desk.engine.take().unwrap();
    let weak: Weak<_> = Arc::downgrade(&engine);
    engine.feed(Item::Signal(desk.up(1, Lineage::default())));
    engine.request(Wish::Busy(true));
    engine.request(Wish::Busy(false));
    drop(engine);
    desk.hub.session_down(1);
    assert!(weak.upgrade().is_none());
}

#[test]
fn an_answer_that_is_the_first_to_tell_of_a_newer_history_comes_after_the_news() {
    let desk = Desk::new(true);
    desk.engine().feed(Item::Signal(desk.up(1, Lineage::default())));
    desk.engine().feed(desk.listed(Lineage::new(1)));
    // The signal of whoever saw it first arrives later, and is no news.
    desk.engine().feed(Item::Signal(Signal::Discontinuity(Lineage::new(1))));
    assert_eq!(desk.diary(), ["up None", "discontinuity", "listed"]);
}

#[test]
fn an_answer_of_an_older_history_is_void() {
    let desk = Desk::new(true);
    desk.engine().feed(Item::Signal(desk.up(1, Lineage::new(2))));
    desk.diary();
    desk.engine().feed(desk.listed(Lineage::new(1)));
    assert_eq!(desk.diary(), ["voided"]);
}

#[test]
fn a_session_that_was_opened_in_an_older_history_does_not_end_the_hold_of_the_newer_one() {
    let desk = Desk::new(true);
    let until = Instant::from_start(Duration::from_secs(7));
    desk.engine().feed(Item::Signal(Signal::Discontinuity(Lineage::new(2).held_until(until))));
    desk.engine().feed(Item::Signal(desk.up(1, Lineage::new(1))));
    assert_eq!(desk.diary(), ["discontinuity".into(), format!("up {:?}", Some(until))]);
}

#[test]
fn a_session_opened_in_a_hold_that_is_no_news_keeps_it() {
    let desk = Desk::new(true);
    let until = Instant::from_start(Duration::from_secs(7));
    desk.engine().feed(Item::Signal(desk.up(1, Lineage::new(0).held_until(until))));
    assert_eq!(desk.diary(), [format!("up {:?}", Some(until))]);
}

#[test]
fn what_belongs_to_a_session_that_is_over_is_dropped() {
    let desk = Desk::new(true);
    desk.engine().feed(Item::Signal(desk.up(1, Lineage::default())));
    desk.engine().feed(Item::Signal(Signal::SessionDown { epoch: 1 }));
    desk.engine().feed(desk.listed(Lineage::default()));
    desk.engine().feed(Item::Signal(desk.up(1, Lineage::default())));
    desk.engine().feed(Item::Signal(desk.up(2, Lineage::default())));
    desk.engine().feed(desk.listed(Lineage::default()));
    assert_eq!(desk.diary(), ["up None", "down", "up None"]);
}

#[test]
fn looking_again_for_one_discontinuity_does_not_count_for_the_next() {
    let desk = Desk::new(false);
    desk.hub.observe(Lineage::new(1));
    assert!(desk.hub.is_reconciling());
    let id = desk.engine().id;
    desk.hub.observe(Lineage::new(2));
    desk.hub.reconciled(id, 1);
    assert!(desk.hub.is_reconciling(), "an answer to the first one");
    desk.engine().request(Wish::Reconcile);
    assert!(!desk.hub.is_reconciling());
}

#[test]
fn an_engine_that_is_gone_has_nothing_to_look_at() {
    let mut desk = Desk::new(false);
    desk.hub.observe(Lineage::new(1));
    assert!(desk.hub.is_reconciling());
    desk.engine = None;
    assert!(!desk.hub.is_reconciling());
}

#[test]
fn wake_ups_do_not_pile_up() {
    let desk = Desk::new(true);
    let late = desk.runtime.now() + Duration::from_secs(3_600);
    for _ in 0..50 {
        desk.engine().request(Wish::Wake(late));
        desk.engine().request(Wish::Wake(desk.runtime.now() + Duration::from_millis(20)));
        desk.runtime.advance(Duration::from_millis(40));
    }
    assert!(desk.diary().iter().filter(|word| *word == "tick").count() >= 50);
    assert_eq!(desk.runtime.tasks("tick"), 1);
}

#[test]
fn what_a_machine_asks_for_is_bound_to_the_history_that_it_has_seen() {
    let desk = Desk::new(true);
    desk.engine().feed(Item::Signal(desk.up(1, Lineage::default())));
    desk.memory.faults().forget("n", 0, Duration::ZERO);
    desk.diary();
    // The store has begun another history, and the engine has not heard of it.
    desk.engine().request(Wish::Write);
    assert_eq!(desk.diary(), ["write", "discontinuity", "Recovering"]);
    assert_eq!(desk.memory.entries("n", note().collection()), []);
    desk.engine().request(Wish::Write);
    assert_eq!(desk.diary(), ["write", "committed"]);
}
