//! The check that a resource makes: whoever comes with an old token is turned away.

use std::fmt;
use std::sync::{Mutex, MutexGuard};

use crate::sync::lock;
use crate::token::Token;

/// Lets a resource outside the store refuse a holder that was replaced: remembers the largest [`Token`] seen and admits nobody with a smaller one.
///
/// It belongs to the *resource*: the file, the device, the service that writes are sent to. A holder that was frozen, or whose request
/// was long on its way, believes that it still holds what others were granted meanwhile; nothing in its own process can stop it. One gate
/// serves one thing that has a holder: tokens of different locks or elections say nothing about each other.
///
/// ```
/// use ha_core::{FencingGate, Token};
///
/// let gate = FencingGate::new();
/// let mut file = Vec::new();
/// for (token, line) in [(7, "by the first holder"), (9, "by the next one"), (7, "by the first one, late")] {
///     match gate.enter(Token::from(token)) {
///         Ok(_inside) => file.push(line),
///         Err(stale) => assert_eq!(stale.highest(), Token::from(9)),
///     }
/// }
/// assert_eq!(file, ["by the first holder", "by the next one"]);
/// ```
///
/// # Guarantees
/// * Between two visits the token never gets smaller, also with visitors on many threads: a visit lasts as long as [`Entered`] lives, and the next one begins after it.
/// * A refused visit changes nothing.
///
/// # Not promised
/// * **A gate in memory does not survive a restart of the resource**: a new one admits whoever comes first, however old. Keep the token with what
///   was written, in the same step, and begin with [`resume`](Self::resume). Where the resource can compare by itself (`UPDATE … WHERE token <= ?`)
///   no gate is needed.
/// * It does not know who holds: an old holder is refused from the first visit of a newer one on, not before. A new holder that has to read something first
///   shows its token for that as well.
#[derive(Default)]
pub struct FencingGate {
    highest: Mutex<Option<Token>>,
}

impl FencingGate {
    /// A gate that has seen nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A gate that goes on where another one ended: `highest` is what was kept with the resource.
    #[must_use]
    pub fn resume(highest: Option<Token>) -> Self {
        Self { highest: Mutex::new(highest) }
    }

    /// Admits a visitor with `token`, and nobody with a smaller one from then on. Waits, and blocks its thread, while another visitor is inside.
    ///
    /// Do the write while [`Entered`] lives, without waiting for other tasks: it cannot be held across an `await` in work that moves between
    /// threads. A check that ends before the write would admit a newer holder in between, and let the older one
    /// write after it.
    ///
    /// # Errors
    /// [`StaleToken`]: a larger token was here before.
    pub fn enter(&self, token: Token) -> Result<Entered<'_>, StaleToken> {
        let mut highest = lock(&self.highest);
        match *highest {
            Some(seen) if token < seen => Err(StaleToken { token, highest: seen }),
            _ => {
                let is_new = highest.replace(token) != Some(token);
                Ok(Entered { highest, token, is_new })
            }
        }
    }

    /// The largest token seen.
    #[must_use]
    pub fn highest(&self) -> Option<Token> {
        *lock(&self.highest)
    }
}

impl fmt::Debug for FencingGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A visitor may be inside for long: whoever only looks does not wait.
        let highest = self.highest.try_lock().map(|highest| *highest).ok();
        f.debug_struct("FencingGate").field("highest", &highest).finish()
    }
}

/// A visit to a resource behind a [`FencingGate`]; nobody else is let in while it lasts.
#[must_use = "the visit ends when this is dropped: write before"]
pub struct Entered<'a> {
    highest: MutexGuard<'a, Option<Token>>,
    token: Token,
    is_new: bool,
}

impl Entered<'_> {
    /// The token that was admitted.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// Whether this holder is here for the first time, so that its token has to be kept before anything else is done for it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }
}

impl fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").field("token", &self.token).field("highest", &*self.highest).finish()
    }
}

/// A holder came to a [`FencingGate`] after a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleToken {
    token: Token,
    highest: Token,
}

impl StaleToken {
    /// The token that was refused.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// The largest token seen before.
    #[must_use]
    pub fn highest(&self) -> Token {
        self.highest
    }
}

impl fmt::Display for StaleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {} is stale: a holder with {} was here before", self.token, self.highest)
    }
}

impl std::error::Error for StaleToken {}

#[cfg(test)]
mod tests {
    use super::{FencingGate, StaleToken};
    use crate::token::Token;
    use std::sync::Mutex;

    #[test]
    fn a_token_is_refused_once_a_larger_one_was_seen() {
        let gate = FencingGate::new();
        assert_eq!(gate.highest(), None);
        let admitted = [7, 7, 9, 9, u64::MAX];
        let refused = [None, None, None, Some(8), Some(9)];
        for (token, late) in admitted.into_iter().zip(refused) {
            assert_eq!(gate.enter(Token::from(token)).map(|entered| entered.token()), Ok(Token::from(token)));
            let Some(late) = late.map(Token::from) else { continue };
            let stale = StaleToken { token: late, highest: Token::from(token) };
            assert_eq!(gate.enter(late).map(|entered| entered.token()), Err(stale));
            assert_eq!(gate.highest(), Some(Token::from(token)), "a refusal changes nothing");
        }
        assert!(gate.enter(Token::from(9)).is_err());
    }

    #[test]
    fn a_gate_that_resumes_remembers_and_a_new_one_does_not() {
        let before = FencingGate::new();
        drop(before.enter(Token::from(7)));
        let after = FencingGate::resume(before.highest());
        assert!(after.enter(Token::from(6)).is_err());
        assert!(after.enter(Token::from(7)).is_ok_and(|entered| !entered.is_new()));
        assert!(after.enter(Token::from(8)).is_ok_and(|entered| entered.is_new()));
        assert!(FencingGate::new().enter(Token::from(6)).is_ok(), "that is why the token has to be kept");
    }

    /// Each visitor writes in two steps; a check that did not last until the second would let tokens go back.
    #[test]
    fn tokens_never_go_back_between_visits_of_many_threads() {
        let (gate, written) = (FencingGate::new(), Mutex::new(Vec::new()));
        let visit = &|thread: u64| {
            for step in 0..500 {
                let Ok(entered) = gate.enter(Token::from(step * 4 + thread)) else { continue };
                std::thread::yield_now();
                written.lock().unwrap().push(entered.token());
            }
        };
        std::thread::scope(|threads| {
            (0..4).for_each(|thread| drop(threads.spawn(move || visit(thread))));
        });
        let written = written.into_inner().unwrap();
        assert!(written.is_sorted() && written.len() >= 500, "{} visits", written.len());
    }

    #[test]
    fn a_visitor_that_panics_does_not_lock_others_out() {
        let gate = FencingGate::new();
        std::thread::scope(|threads| {
            let visit = threads.spawn(|| {
                let _entered = gate.enter(Token::from(3)).unwrap();
                panic!("on purpose");
            });
            assert!(visit.join().is_err());
        });
        assert!(gate.enter(Token::from(2)).is_err());
        assert!(gate.enter(Token::from(3)).is_ok());
    }
}
