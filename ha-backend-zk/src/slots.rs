//! Which slots of a session are free, and which have a node already.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::sync::lock;

/// The slots of one session. A slot belongs to one operation until that is resolved; then the next one overwrites it.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    taken: BTreeSet<u32>,
    /// Those whose nodes exist, as far as we know.
    made: BTreeSet<u32>,
}

impl Slots {
    /// Takes the lowest slot that is free, so that there are never more than operations at once.
    pub(crate) fn take(&self) -> Slot<'_> {
        let mut state = lock(&self.0);
        let number = (0..).find(|number| !state.taken.contains(number)).unwrap_or(u32::MAX);
        state.taken.insert(number);
        Slot { slots: self, number }
    }
}

/// A slot that is taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
    pub(crate) number: u32,
}

impl Slot<'_> {
    /// Whether its node exists, as far as we know.
    pub(crate) fn is_made(&self) -> bool {
        lock(&self.slots.0).made.contains(&self.number)
    }

    /// Notes whether its node exists.
    pub(crate) fn set_made(&self, is_made: bool) {
        let mut state = lock(&self.slots.0);
        if is_made {
            state.made.insert(self.number);
        } else {
            state.made.remove(&self.number);
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        lock(&self.slots.0).taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn the_lowest_free_slot_is_taken_and_is_known_to_be_made() {
        let slots = Slots::default();
        let (first, second) = (slots.take(), slots.take());
        assert_eq!((first.number, second.number), (0, 1));
        first.set_made(true);
        drop(first);
        let again = slots.take();
        assert!(again.number == 0 && again.is_made() && !second.is_made());
        again.set_made(false);
        assert!(!again.is_made());
        assert_eq!(slots.take().number, 2);
    }
}
