//! A case: one guarantee of the guide, as data and a function.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use ha_core::spi::Capabilities;

use crate::context::Context;
use crate::faults::{FaultKind, Faults};

/// The future of a case. It runs on a thread of its own, so that it need not be `Send`.
pub type CaseFuture = Pin<Box<dyn Future<Output = ()>>>;

/// One reason for a backend to fail: a sentence, the guarantee that it states, and the code that judges it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// A sentence in a module path, such as `guards::absent_refuses_an_existing_entry`.
    pub name: &'static str,
    /// The id of the guarantee in the guide of `ha-core`, such as `"G7"`.
    pub guarantee: &'static str,
    /// What the backend or its harness must offer; otherwise the case shows as ignored.
    pub needs: &'static [Need],
    /// Fails by panicking.
    pub run: fn(Context) -> CaseFuture,
}

impl Case {
    /// A case made by `cases!`.
    pub(crate) const fn new(
        name: &'static str,
        guarantee: &'static str,
        needs: &'static [Need],
        run: fn(Context) -> CaseFuture,
    ) -> Self {
        Self { name, guarantee, needs, run }
    }

    /// Why this backend cannot be judged by the case; `None` if it can.
    #[must_use]
    pub fn unmet(&self, capabilities: &Capabilities, faults: Option<&dyn Faults>) -> Option<String> {
        self.needs.iter().find_map(|need| need.unmet(capabilities, faults))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.guarantee)
    }
}

/// What a case needs of a backend or of its harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// The backend can end the session of another process.
    EndsSessions,
    /// Listings show what others have committed, at once.
    LinearizableReads,
    /// The harness can inject this fault.
    Fault(FaultKind),
    /// The harness can make the store forget commits, and the backend's sessions go on after that.
    Reconciliation,
}

impl Need {
    /// Why it is not met; `None` if it is.
    #[must_use]
    pub fn unmet(self, capabilities: &Capabilities, faults: Option<&dyn Faults>) -> Option<String> {
        match self {
            Self::EndsSessions if !capabilities.ends_sessions => {
                Some("the backend cannot end another session".into())
            }
            Self::LinearizableReads if !capabilities.linearizable_reads => {
                Some("the backend's reads are not linearizable".into())
            }
            Self::Fault(kind) if !faults.is_some_and(|faults| faults.offers(kind)) => {
                Some(format!("the harness cannot make the store {kind}"))
            }
            Self::Reconciliation if !capabilities.sessions_outlive_discontinuity => Some(
                "a discontinuity ends every session of the backend: none goes on to be reconciled".into(),
            ),
            Self::Reconciliation => Self::Fault(FaultKind::Forget).unmet(capabilities, faults),
            _ => None,
        }
    }
}

/// Declares the cases of one file: each is an `async fn(Context)` of the same name.
macro_rules! cases {
    ($module:literal; $($name:ident { guarantee: $guarantee:literal $(, needs: [$($need:expr),* $(,)?])? $(,)? })*) => {
        /// The cases of this file.
        pub(super) const CASES: &[$crate::Case] = &[
            $($crate::Case::new(
                concat!($module, "::", stringify!($name)),
                $guarantee,
                &[$($($need),*)?],
                |cx| Box::pin($name(cx)),
            ),)*
        ];
    };
}

pub(crate) use cases;
