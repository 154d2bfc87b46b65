//! Many futures in one task: each is polled only when it is woken.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::lock;

/// Who was woken, and who polls them.
#[derive(Debug, Default)]
struct Board {
    woken: Mutex<BTreeSet<u64>>,
    task: Mutex<Option<Waker>>,
}

struct Bell {
    number: u64,
    board: Arc<Board>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        lock(&self.board.woken).insert(self.number);
        let task = lock(&self.board.task).take();
        task.into_iter().for_each(Waker::wake);
    }
}

/// Futures that run together.
pub(super) struct Crew<F> {
    board: Arc<Board>,
    next: u64,
    members: BTreeMap<u64, (Waker, Pin<Box<F>>)>,
}

impl<F: Future<Output = ()>> Crew<F> {
    pub(super) fn new() -> Self {
        Self { board: Arc::default(), next: 0, members: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, future: F) {
        let number = self.next;
        self.next += 1;
        let waker = Waker::from(Arc::new(Bell { number, board: Arc::clone(&self.board) }));
        self.members.insert(number, (waker, Box::pin(future)));
        lock(&self.board.woken).insert(number);
    }

    /// Polls those that were woken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        *lock(&self.board.task) = Some(cx.waker().clone());
        let woken = std::mem::take(&mut *lock(&self.board.woken));
        for number in woken {
            let Some((waker, future)) = self.members.get_mut(&number) else { continue };
            let waker = waker.clone();
            if let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.members.remove(&number);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Crew;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn only_those_that_were_woken_are_polled() {
        let (polls, waker) = (Cell::new([0; 2]), Cell::new(None::<Waker>));
        let member = |at: usize| {
            let (polls, waker) = (&polls, &waker);
            poll_fn(move |cx| {
                let mut counts = polls.get();
                counts[at] += 1;
                polls.set(counts);
                if at == 0 {
                    waker.set(Some(cx.waker().clone()));
                }
                if counts[at] == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
        };
        let mut crew = Crew::new();
        crew.add(member(0));
        crew.add(member(1));
        let mut cx = Context::from_waker(Waker::noop());
        crew.poll(&mut cx);
        crew.poll(&mut cx);
        assert_eq!(polls.get(), [1, 1], "nobody was woken in between");
        waker.take().unwrap().wake();
        crew.poll(&mut cx);
        assert_eq!(polls.get(), [2, 1]);
        assert!(!crew.is_empty());
    }
}
