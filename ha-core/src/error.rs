//! The one error type of the family.

use std::borrow::Cow;
use std::fmt;

use crate::runtime::Instant;
use crate::spi::Lineage;

/// What went wrong with an operation of the toolkit or of a backend.
///
/// An error says what was attempted ([`operation`](Self::operation)), on what ([`subject`](Self::subject)), why it
/// failed, and whether it changed anything ([`effect`](Self::effect)). Decide by [`kind`](Self::kind); the text is
/// for people. No message contains a password.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    effect: Effect,
    operation: Cow<'static, str>,
    subject: String,
    reason: String,
    until: Option<Instant>,
    lineage: Option<Lineage>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The class of an [`Error`], for decisions in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name, duration, size or URL is not acceptable. Nothing was sent.
    InvalidInput,
    /// The backend or the deployment cannot do this. Nothing was sent.
    Unsupported,
    /// The collection belongs to another kind of recipe.
    TypeMismatch,
    /// A live process uses the same node name, or the expiry of a dead one is late.
    DuplicateNode,
    /// The time that the caller allowed has passed.
    Timeout,
    /// The backend cannot be reached now. Nothing was done and nothing will be.
    Unavailable,
    /// The backend may have forgotten grants and holds back new ones until [`Error::until`]. Nothing was done, unless the effect is [`Effect::Unknown`].
    Recovering,
    /// The session is over: whatever it owned is gone or about to vanish.
    SessionLost,
    /// The backend refused the credentials or the permission.
    Denied,
    /// A value, a name or a transaction is larger than the backend takes. Nothing was sent.
    TooLarge,
    /// The coordinator was shut down, or the handle's owner is gone.
    Closed,
    /// The stored format or the peer's version is not one that this release understands.
    Incompatible,
    /// Stored data cannot be read back.
    Corrupt,
}

/// Whether a failed operation changed the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing was done, and nothing will be later.
    NotApplied,
    /// It may have been done. Only `SessionLost` with an unresolved persistent write says so, and `Recovering` where a store went back between a write and its answer.
    Unknown,
}

impl Error {
    /// An error of `kind` in `operation` (a verb and its object, such as `"acquire mutex"`), with effect
    /// [`Effect::NotApplied`].
    pub fn new(kind: ErrorKind, operation: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            effect: Effect::NotApplied,
            operation: operation.into(),
            subject: String::new(),
            reason: String::new(),
            until: None,
            lineage: None,
            source: None,
        }))
    }

    /// Names what the operation was applied to: a lock, a key, an address without its password.
    #[must_use]
    pub fn on(mut self, subject: impl fmt::Display) -> Self {
        self.0.subject = subject.to_string();
        self
    }

    /// Says why it failed and what to do about it.
    #[must_use]
    pub fn because(mut self, reason: impl fmt::Display) -> Self {
        self.0.reason = reason.to_string();
        self
    }

    /// Sets whether the operation may have been applied.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// Sets the instant until which the backend holds back new grants.
    #[must_use]
    pub fn with_until(mut self, until: Instant) -> Self {
        self.0.until = Some(until);
        self
    }

    /// Tells of the history that the store is in: it is news to whoever asked. Sets [`until`](Self::until) to its hold.
    #[must_use]
    pub fn with_lineage(mut self, lineage: Lineage) -> Self {
        self.0.lineage = Some(lineage);
        self.0.until = lineage.hold_until();
        self
    }

    /// Keeps the native error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The class of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the operation may have changed the store.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// What was attempted.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What it was attempted on; empty where there is only one candidate.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// With [`ErrorKind::Recovering`]: the local instant from which it is worth trying again.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.0.until
    }

    /// The history that the store is in, if the error tells of it.
    #[must_use]
    pub fn lineage(&self) -> Option<Lineage> {
        self.0.lineage
    }

    /// Whether trying again later, unchanged, can succeed: the backend was unreachable or recovering.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Recovering)
    }

    /// The same error again, for a second caller who waits for the same thing. The native source stays with the first.
    pub(crate) fn duplicate(&self) -> Self {
        let inner = &self.0;
        let reason = match &inner.source {
            Some(source) if inner.reason.is_empty() => source.to_string(),
            Some(source) => format!("{}: {source}", inner.reason),
            None => inner.reason.clone(),
        };
        Self(Box::new(Inner {
            kind: inner.kind,
            effect: inner.effect,
            operation: inner.operation.clone(),
            subject: inner.subject.clone(),
            reason,
            until: inner.until,
            lineage: inner.lineage,
            source: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        write!(f, "cannot {}", inner.operation)?;
        if !inner.subject.is_empty() {
            write!(f, " {}", inner.subject)?;
        }
        write!(f, ": {}", inner.kind)?;
        if !inner.reason.is_empty() {
            write!(f, ", {}", inner.reason)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("effect", &self.0.effect)
            .field("operation", &self.0.operation)
            .field("subject", &self.0.subject)
            .field("reason", &self.0.reason)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidInput => "invalid input",
            Self::Unsupported => "not supported",
            Self::TypeMismatch => "used as another kind",
            Self::DuplicateNode => "node name already in use",
            Self::Timeout => "timed out",
            Self::Unavailable => "backend unavailable",
            Self::Recovering => "backend recovering",
            Self::SessionLost => "session lost",
            Self::Denied => "denied",
            Self::TooLarge => "too large",
            Self::Closed => "closed",
            Self::Incompatible => "incompatible version",
            Self::Corrupt => "corrupt data",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Effect, Error, ErrorKind};

    #[test]
    fn message_names_operation_subject_kind_and_remedy() {
        let error =
            Error::new(ErrorKind::Timeout, "acquire mutex").on("\"deploy\"").because("waited 5s; raise it");
        assert_eq!(error.to_string(), "cannot acquire mutex \"deploy\": timed out, waited 5s; raise it");
        assert_eq!(error.effect(), Effect::NotApplied);
    }

    #[test]
    fn duplicate_keeps_the_kind_and_the_text_of_the_source() {
        let error =
            Error::new(ErrorKind::Denied, "renew").with_source("token expired").with_effect(Effect::Unknown);
        let again = error.duplicate();
        assert_eq!((again.kind(), again.effect()), (ErrorKind::Denied, Effect::Unknown));
        assert!(again.to_string().contains("token expired"));
    }
}
