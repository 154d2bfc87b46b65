use std::fmt;

/// Why a command of xtask did not succeed, told to the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// For `map_err`: says what was attempted, and on what.
    pub(crate) fn because<E: fmt::Display>(attempt: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |source| Self::new(format!("{attempt}: {source}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
