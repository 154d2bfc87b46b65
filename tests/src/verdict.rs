//! Runs one case, on a thread and a runtime of its own, and within its bound.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use crate::case::Case;
use crate::context::{Context, Opened, name};
use crate::harness::Harness;

/// How long a case may spend on closing what it opened.
const TIDY_UP: Duration = Duration::from_secs(2);

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The backend kept the guarantee.
    Passed,
    /// The backend cannot be judged by this case: why.
    Ignored(String),
    /// It did not: how.
    Failed(String),
}

/// Judges a backend by one case.
#[must_use]
pub fn judge(case: &'static Case, harness: &Arc<dyn Harness>) -> Verdict {
    let bound = harness.bound();
    let (sender, receiver) = mpsc::channel();
    let harness = Arc::clone(harness);
    let thread = std::thread::Builder::new().name(case.name.into()).spawn(move || {
        // Nobody receives any more when the bound has passed.
        drop(sender.send(judge_here(case, &*harness)));
    });
    if let Err(error) = thread {
        return Verdict::Failed(format!("no thread for the case: {error}"));
    }
    // A case that waits for ever is ended by its own runtime at the bound; one that blocks its thread is left behind.
    match receiver.recv_timeout(bound + 2 * TIDY_UP) {
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Timeout) => Verdict::Failed(format!("it blocked its thread beyond {bound:?}")),
        Err(RecvTimeoutError::Disconnected) => Verdict::Failed("its thread ended without a verdict".into()),
    }
}

fn judge_here(case: &'static Case, harness: &dyn Harness) -> Verdict {
    let store = match harness.store() {
        Ok(store) => store,
        Err(missing) => return Verdict::Failed(missing.to_string()),
    };
    let backend = store.connect(&name("judge"));
    if let Some(reason) = case.unmet(backend.capabilities(), store.faults().as_deref()) {
        return Verdict::Ignored(reason);
    }
    let messages = Messages::default();
    messages.collect_on_this_thread();
    let on_worker = messages.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || on_worker.collect_on_this_thread())
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Verdict::Failed(format!("no runtime for the case: {error}")),
    };
    let (bound, opened) = (harness.bound(), Opened::default());
    let run = async {
        let context = Context::new(harness, store, opened.clone());
        tokio::time::timeout(bound, (case.run)(context)).await
    };
    let verdict = match panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(run))) {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(_)) => Verdict::Failed(format!("it did not end within {bound:?}")),
        Err(_) => Verdict::Failed(messages.text()),
    };
    // A store that was cut off answers nothing, and nobody needs to know.
    drop(runtime.block_on(async { tokio::time::timeout(TIDY_UP, opened.close()).await }));
    runtime.shutdown_timeout(TIDY_UP);
    verdict
}

/// The messages of the panics on the threads of one case, kept instead of printed.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<String>>>);

thread_local! {
    static MESSAGES: RefCell<Option<Messages>> = const { RefCell::new(None) };
}

impl Messages {
    fn collect_on_this_thread(&self) {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let print = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                let messages = MESSAGES.with_borrow(Clone::clone);
                match messages {
                    Some(messages) => messages.lock().push(info.to_string()),
                    None => print(info),
                }
            }));
        });
        MESSAGES.set(Some(self.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in order: the one of the case comes last, behind those of its tasks.
    fn text(&self) -> String {
        self.lock().join("\n")
    }
}
