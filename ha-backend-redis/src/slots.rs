//! Which slots of a session are free.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::sync::lock;

/// The slots of one session. A slot belongs to one operation until that is resolved; then the next one overwrites it.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<BTreeSet<u32>>);

impl Slots {
    /// Takes the lowest slot that is free, so that there are never more than operations at once.
    pub(crate) fn take(&self) -> Slot<'_> {
        let mut taken = lock(&self.0);
        let number = (0..).find(|number| !taken.contains(number)).unwrap_or(u32::MAX);
        taken.insert(number);
        Slot { slots: self, number }
    }
}

/// A slot that is taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
    pub(crate) number: u32,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        lock(&self.slots.0).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn the_lowest_free_slot_is_taken() {
        let slots = Slots::default();
        let (first, second) = (slots.take(), slots.take());
        assert_eq!((first.number, second.number), (0, 1));
        drop(first);
        let again = slots.take();
        assert_eq!((again.number, slots.take().number), (0, 2));
    }
}
