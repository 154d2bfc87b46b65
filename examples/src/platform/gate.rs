//! The check of a resource that is not part of the platform: who comes with an old token is turned away.

use std::collections::BTreeMap;
use std::fmt;

/// The highest token seen for each thing that has a holder.
///
/// A holder that was frozen, or whose request was long on its way, believes that it still holds what others were granted
/// meanwhile. Nothing in its own process can stop it; the resource can, because a later holder has a larger token.
#[derive(Debug, Default)]
pub(super) struct Gate {
    highest: BTreeMap<String, u64>,
}

/// A request that came too late: somebody with a larger token was here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stale {
    pub(super) highest: u64,
}

impl Gate {
    /// Admits a request for `thing` with `token`, and from then on nobody with a smaller one.
    pub(super) fn admit(&mut self, thing: &str, token: u64) -> Result<(), Stale> {
        match self.highest.get_mut(thing) {
            Some(highest) if token < *highest => Err(Stale { highest: *highest }),
            Some(highest) => {
                *highest = token;
                Ok(())
            }
            None => {
                self.highest.insert(thing.to_owned(), token);
                Ok(())
            }
        }
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {} was seen before", self.highest)
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, Stale};

    #[test]
    fn a_token_is_refused_once_a_larger_one_was_seen_for_the_same_thing() {
        let mut gate = Gate::default();
        assert_eq!(gate.admit("timers", 7), Ok(()));
        assert_eq!(gate.admit("timers", 7), Ok(()), "a holder comes more than once");
        assert_eq!(gate.admit("timers", 9), Ok(()));
        assert_eq!(gate.admit("timers", 8), Err(Stale { highest: 9 }));
        assert_eq!(gate.admit("timers", 9), Ok(()), "a refusal changes nothing");
        assert_eq!(gate.admit("sensor/web", 3), Ok(()), "another thing has another sequence of holders");
    }
}
