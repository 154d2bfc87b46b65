//! State machines on a small model of a store: whole scenarios and random interleavings, without a runtime.
//!
//! The test decides when a request reaches the store, when its answer comes back, when a watch speaks, when time passes, when a
//! session runs out and when the store forgets. Nothing here waits, so that ten thousand histories take seconds.

mod manual;
mod process;
mod random;
mod scene;
mod store;
mod unreliable;
mod wire;
mod world;

use std::fmt;

use crate::coordinator::Machine;
use crate::error::ErrorKind;
use crate::runtime::Instant;
use crate::spi::{Entry, Stamp};

pub(crate) use manual::Manual;
pub(crate) use process::Process;
pub(crate) use random::Random;
pub(crate) use scene::Scene;
pub(crate) use store::Store;
pub(crate) use unreliable::Unreliable;
pub(crate) use world::{Faults, World};

/// What a delivery means, whatever the recipe.
#[derive(Debug)]
pub(crate) enum News<R> {
    /// `caller` holds `grant`, which takes so much of [`Play::CAPACITY`]. If its session has run out the machine is told `undelivered`.
    Granted { caller: u64, grant: u64, weight: u64, stamp: Stamp, undelivered: R },
    /// `caller` holds what it held as `grant` before, with this weight now.
    Weakened { caller: u64, grant: u64, weight: u64, stamp: Stamp, undelivered: R },
    /// `caller` has its answer, which is no grant.
    Answered { caller: u64, error: Option<ErrorKind> },
    /// `grant` is over; its holder has yet to let go.
    Ended { grant: u64 },
}

/// A recipe's state machine, as the scheduler of a world drives it.
pub(crate) trait Play: Machine + fmt::Debug + Sized {
    /// How much there is to hold at once.
    const CAPACITY: u64 = 1;

    /// The machine of the process `node`.
    fn create(node: usize) -> Self;

    /// `caller` wants a grant.
    fn want(caller: u64, random: &mut Random, now: Instant) -> Self::Request;

    /// `caller` no longer wants one.
    fn give_up(caller: u64) -> Self::Request;

    /// The holder of `grant` lets go, and wants to know when that is done.
    fn let_go(grant: u64, caller: Option<u64>) -> Self::Request;

    /// The holder of `grant` goes on with less, if that can be; `caller` gets the answer.
    fn weaken(_grant: u64, _caller: u64) -> Option<Self::Request> {
        None
    }

    /// How much of the capacity the entry takes, if it is one that is granted in the order of age.
    fn takes(_entry: &Entry) -> Option<u64> {
        None
    }

    /// Whether the entry stays while its session does, also when nobody wants anything.
    fn stays(_entry: &Entry) -> bool {
        false
    }

    /// Something else that may be asked at any time, and whether `caller` gets an answer.
    fn meddle(caller: u64, random: &mut Random) -> Option<(Self::Request, bool)>;

    /// What puts an end to all that was meddled with.
    fn soothe() -> Option<Self::Request>;

    /// Reads a delivery.
    fn news(delivery: Self::Delivery) -> News<Self::Request>;
}
