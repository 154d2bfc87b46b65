//! What to know before relying on this: in the order in which questions come up.
//!
//! * [`choosing`]: which recipe, which way of using it, which store.
//! * [`guarantees`]: what is promised, each promise with a number and a test.
//! * [`timing`]: what a ttl means, what it costs, and how long things take.
//! * [`fencing`]: keeping a holder that was replaced from doing harm, in the store and outside.
//! * [`failure_modes`]: what happens when a process, a network or a store fails, and what your code has to do.
//! * [`members`]: names and restarts, groups, draining.
//! * [`partitions`]: owning pieces of work, planners, restarts, and what happens when an owner does not let go.
//! * [`work_sets`]: items that are done once each, retries, dead letters; one configuration for each process.
//! * [`operating`]: configuration, probes, events, metrics, spans, and what to alert on.
//! * [`defaults`]: every default with its reason.
//! * [`writing_a_backend`]: for a store that is not there yet.

pub mod choosing {
    #![doc = include_str!("guide/choosing.md")]
}

pub mod guarantees {
    #![doc = include_str!("guide/guarantees.md")]
}

pub mod timing {
    #![doc = include_str!("guide/timing.md")]
}

pub mod fencing {
    #![doc = include_str!("guide/fencing.md")]
}

pub mod failure_modes {
    #![doc = include_str!("guide/failure_modes.md")]
}

pub mod operating {
    #![doc = include_str!("guide/operating.md")]
}

pub mod members {
    #![doc = include_str!("guide/members.md")]
}

pub mod partitions {
    #![doc = include_str!("guide/partitions.md")]
}

pub mod work_sets {
    #![doc = include_str!("guide/work_sets.md")]
}

pub mod defaults {
    #![doc = include_str!("guide/defaults.md")]
}

pub mod writing_a_backend {
    #![doc = include_str!("guide/writing_a_backend.md")]
}
