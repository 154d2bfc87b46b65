//! Waiting awake for a moment, before a thread is put to sleep: waking it takes longer than most commits, above all on a virtual machine, whose processors sleep as well.

use std::hint;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::clock::MachineClock;

/// About what a commit takes. A thread of an async runtime waits so as well, so it is no more than that.
const MOMENT: Duration = Duration::from_micros(60);

/// What `look` finds within a moment. Looks once where there is no other processor that could bring it meanwhile.
pub(crate) fn awake<T>(clock: MachineClock, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = clock.now() + MOMENT;
    loop {
        let found = look();
        if found.is_some() || !has_others() || clock.now() >= until {
            return found;
        }
        (0..16).for_each(|_| hint::spin_loop());
    }
}

fn has_others() -> bool {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from)) > 1
}

#[cfg(test)]
mod tests {
    use super::{MOMENT, awake};
    use crate::clock::MachineClock;

    #[test]
    fn what_is_there_is_found_at_once_and_what_does_not_come_is_not_waited_for() {
        let clock = MachineClock::find().unwrap();
        let mut looks = 0;
        let mut look = |enough: u32| {
            looks += 1;
            (looks >= enough).then_some(looks)
        };
        assert_eq!(awake(clock, || look(1)), Some(1));
        let started = clock.now();
        assert_eq!(awake(clock, || look(u32::MAX)), None);
        assert!(super::has_others() == (started.until(clock.now()) >= MOMENT));
    }
}
