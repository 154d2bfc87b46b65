//! The search itself.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use super::super::index::Mixer;
use super::{Model, Timed, Verdict};

/// A depth-first search through the orders of one history.
///
/// Operations stand in one array: first those with a known outcome, the earliest return first, because that one is the most likely to be next;
/// then the others, the earliest invocation first. Those that are not placed yet form two linked lists through it.
pub(super) struct Search<'h, M: Model> {
    model: &'h M,
    history: &'h [Timed<M::Operation>],
    order: Vec<usize>,
    /// How many of `order` have a known outcome.
    known: usize,
    /// The earliest invocation from a place on, among those with a known outcome.
    earliest: Vec<u64>,
    next: Vec<usize>,
    previous: Vec<usize>,
    placed: Vec<u64>,
    missing: usize,
    tried: Tried<M::State>,
    backtracked: bool,
    steps: u64,
}

/// Configurations that led nowhere: which operations are placed, and the state they led to.
type Tried<S> = HashSet<(Box<[u64]>, S), BuildHasherDefault<Mixer>>;

/// An operation that was placed: where it stands, and the state before it.
struct Placed<S> {
    place: usize,
    before: S,
}

impl<'h, M: Model> Search<'h, M> {
    pub(super) fn new(model: &'h M, history: &'h [Timed<M::Operation>], steps: u64) -> Self {
        let mut order: Vec<usize> = (0..history.len()).collect();
        order.sort_by_key(|&number| {
            let Timed { invoked, returned, .. } = &history[number];
            (returned.is_none(), returned.unwrap_or(*invoked), *invoked)
        });
        let known = history.iter().filter(|timed| timed.returned.is_some()).count();
        let mut earliest = vec![u64::MAX; known + 1];
        for place in (0..known).rev() {
            earliest[place] = earliest[place + 1].min(history[order[place]].invoked);
        }
        let length = order.len();
        // Two sentinels behind the operations: the heads of the two lists.
        let mut next: Vec<usize> = (1..=length + 2).collect();
        let mut previous: Vec<usize> = (0..length + 2).map(|place| place.wrapping_sub(1)).collect();
        for (head, from, to) in [(length, 0, known), (length + 1, known, length)] {
            if from == to {
                (next[head], previous[head]) = (head, head);
            } else {
                (next[head], previous[from]) = (from, head);
                (next[to - 1], previous[head]) = (head, to - 1);
            }
        }
        Self {
            model,
            history,
            order,
            known,
            earliest,
            next,
            previous,
            placed: vec![0; length.div_ceil(64)],
            missing: known,
            tried: Tried::default(),
            backtracked: false,
            steps,
        }
    }

    pub(super) fn run(mut self) -> Verdict {
        let mut state = self.model.initial();
        let mut path: Vec<Placed<M::State>> = Vec::with_capacity(self.order.len());
        let (mut deepest, mut stuck_at) = (0, 0);
        // The operation behind which the next candidate is looked for: at first the head of the list.
        let mut behind = self.order.len();
        while self.missing > 0 {
            match self.candidate(behind, &state) {
                Err(OutOfSteps) => return Verdict::Undecided,
                Ok(Some((place, after))) => {
                    self.place(place);
                    if self.backtracked && !self.tried.insert((self.placed.clone().into(), after.clone())) {
                        self.take_back(place);
                        behind = place;
                        continue;
                    }
                    path.push(Placed { place, before: std::mem::replace(&mut state, after) });
                    behind = self.order.len();
                }
                Ok(None) => {
                    if path.len() >= deepest {
                        (deepest, stuck_at) = (path.len(), self.order[self.next[self.order.len()]]);
                    }
                    let Some(last) = path.pop() else { return Verdict::Impossible { stuck_at } };
                    self.backtracked = true;
                    self.take_back(last.place);
                    state = last.before;
                    behind = last.place;
                }
            }
        }
        Verdict::Linearizable
    }

    /// The next operation behind `behind` that may come now, and the state after it.
    fn candidate(
        &mut self,
        behind: usize,
        state: &M::State,
    ) -> Result<Option<(usize, M::State)>, OutOfSteps> {
        let (known_head, unknown_head) = (self.order.len(), self.order.len() + 1);
        // Whatever comes now was invoked before the first of the missing operations had returned.
        let first = &self.history[self.order[self.next[known_head]]];
        let deadline = first.returned.unwrap_or(u64::MAX);
        let mut place = self.next[behind];
        loop {
            let in_known = place < self.known;
            if place == known_head || in_known && self.earliest[place] > deadline {
                place = self.next[unknown_head];
                continue;
            }
            if place == unknown_head {
                return Ok(None);
            }
            let Timed { invoked, operation, .. } = &self.history[self.order[place]];
            if *invoked <= deadline {
                self.steps = self.steps.checked_sub(1).ok_or(OutOfSteps)?;
                if let Some(after) = self.model.apply(state, operation) {
                    return Ok(Some((place, after)));
                }
            } else if !in_known {
                return Ok(None);
            }
            place = self.next[place];
        }
    }

    fn place(&mut self, place: usize) {
        let (before, after) = (self.previous[place], self.next[place]);
        (self.next[before], self.previous[after]) = (after, before);
        self.placed[place / 64] |= 1 << (place % 64);
        self.missing -= usize::from(place < self.known);
    }

    /// Undoes the latest [`place`](Self::place) that has not been undone.
    fn take_back(&mut self, place: usize) {
        let (before, after) = (self.previous[place], self.next[place]);
        (self.next[before], self.previous[after]) = (place, place);
        self.placed[place / 64] &= !(1 << (place % 64));
        self.missing += usize::from(place < self.known);
    }
}

/// The budget is spent.
struct OutOfSteps;
