//! One node of the platform, as the operator sees it: a process, and what it says.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::ioctl_fionread;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::options::NODE;
use super::process::Process;
use super::resource::Resource;
use super::site::Site;
use super::store::Store;
use super::timeline::{Event, Fault, Timeline};
use super::wire::{Answer, Errand, FromNode, Question, ToNode};

/// A node. Its process is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    process: Process,
    freeze: Arc<Mutex<Option<oneshot::Sender<()>>>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Node {
    /// Starts a node.
    pub(super) fn start(site: &Site, name: &'static str) -> Result<Self, Failure> {
        let (process, output) = Process::start(NODE)?;
        process.say(&ToNode::Live(Box::new(errand(site, name))));
        let freeze = Arc::default();
        let (end, ended) = oneshot::channel();
        let listener = Listener {
            name,
            process: process.clone(),
            store: site.store.clone(),
            timeline: site.timeline.clone(),
            resource: Arc::clone(&site.resource),
            freeze: Arc::clone(&freeze),
        };
        std::thread::spawn(move || {
            listener.listen(BufReader::new(output));
            // With it goes its part of what is temporary, before anybody takes the node for ended.
            drop(listener);
            // Nobody may wait for it.
            end.send(()).ok();
        });
        Ok(Self { name, process, freeze, ended: Some(ended) })
    }

    /// Kills its process.
    pub(super) fn kill(&self) {
        self.process.kill();
    }

    /// Stops its process while it has sent ticks that have not arrived. Resolves when that is so.
    pub(super) fn freeze_while_it_emits(&self) -> oneshot::Receiver<()> {
        let (frozen, is_frozen) = oneshot::channel();
        *lock(&self.freeze) = Some(frozen);
        is_frozen
    }

    /// Lets its process go on, if it is stopped, and does not stop it any more.
    pub(super) fn resume(&self) {
        *lock(&self.freeze) = None;
        self.process.resume();
    }

    /// Cuts it off from the store, or no longer.
    pub(super) fn set_cut(&self, store: &Store, is_cut: bool) {
        match store {
            Store::File { .. } => self.process.forbid_files(is_cut),
            Store::Servers(_) => store.set_cut(self.name, is_cut),
        }
    }

    /// Asks the node to hand the timers over to another one.
    pub(super) fn hand_over(&self, to: &str) {
        self.process.say(&ToNode::HandOver { to: to.to_owned() });
    }

    /// Asks the node to shut down, and waits until its process is gone.
    pub(super) async fn shut_down(&mut self) {
        self.process.say(&ToNode::ShutDown);
        if let Some(ended) = self.ended.take() {
            // Whoever tells ends with the process.
            drop(ended.await);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process.kill();
    }
}

fn errand(site: &Site, name: &str) -> Errand {
    Errand {
        node: name.to_owned(),
        url: site.store.url(name),
        namespace: site.namespace.clone(),
        ttl: site.ttl,
        start: site.clock.beginning().since_start(),
        inputs: site.inputs.clone(),
        places: site.world.places(),
        sabotage: site.sabotage,
    }
}

/// Hears what a node says, and answers for the resource.
struct Listener {
    name: &'static str,
    process: Process,
    store: Store,
    timeline: Timeline,
    resource: Arc<Resource>,
    freeze: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Listener {
    /// Hears all that the process says. What it was saying when it was killed is lost.
    fn listen(&self, mut output: BufReader<ChildStdout>) {
        let mut line = String::new();
        while output.read_line(&mut line).is_ok() && line.ends_with('\n') {
            match serde_json::from_str(&line) {
                Ok(FromNode::Event(record)) => self.timeline.note(&record),
                Ok(FromNode::TicksUnderWay) => self.freeze_if_wanted(&output),
                Ok(FromNode::Ask { number, token, question }) => {
                    let answer = self.answer(token, question);
                    self.process.say(&ToNode::Answer { number, answer });
                }
                Err(error) => {
                    let message = format!("it said what nobody understands: {error}");
                    self.timeline.record(Event::Trouble { node: Some(self.name.into()), message });
                }
            }
            line.clear();
        }
        self.process.wait();
    }

    fn answer(&self, token: u64, question: Question) -> Answer {
        let answer = match question {
            Question::Emitted => self.resource.emitted(token).map(Answer::Emitted),
            Question::Counter => self.resource.counter(token).map(Answer::Counter),
            Question::Write(write) => self.resource.write(self.name, token, write).map(|()| Answer::Written),
        };
        answer.unwrap_or_else(|stale| Answer::Stale(stale.highest))
    }

    /// Stops the process, if that is wanted and ticks are under way indeed. In the middle of a transaction it would keep all the others from
    /// writing for as long as it stands still, which is another story: then it goes on, until the next ticks.
    fn freeze_if_wanted(&self, output: &BufReader<ChildStdout>) {
        let Some(frozen) = lock(&self.freeze).take() else { return };
        self.process.freeze();
        let has_said_more = !output.buffer().is_empty() || ioctl_fionread(output.get_ref()) != Ok(0);
        if has_said_more || self.store.is_being_written_by(self.process.id()) {
            self.process.resume();
            lock(&self.freeze).get_or_insert(frozen);
            return;
        }
        if frozen.send(()).is_ok() {
            self.timeline.record(Event::Fault { node: self.name.into(), fault: Fault::Frozen });
        } else {
            // Nobody waits for it any more.
            self.process.resume();
        }
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
