//! The scripts that run on the server. Each is one atomic step.

use ha_core::spi::{SessionId, Stamp};

use crate::config::RedisConfig;
use crate::keys::{self, FORMAT, Layout, digits};
use crate::resp;

/// A script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Open,
    Renew,
    Look,
    Attach,
    Trace,
    Commit,
    Undo,
    Read,
    End,
}

const PROLOGUE: &str = include_str!("scripts/prologue.lua");

impl Script {
    pub(crate) const ALL: [Self; 9] = [
        Self::Open,
        Self::Renew,
        Self::Look,
        Self::Attach,
        Self::Trace,
        Self::Commit,
        Self::Undo,
        Self::Read,
        Self::End,
    ];

    /// What the server runs.
    pub(crate) fn source(self) -> String {
        let body = match self {
            Self::Open => include_str!("scripts/open.lua"),
            Self::Renew => include_str!("scripts/renew.lua"),
            Self::Look => include_str!("scripts/look.lua"),
            Self::Attach => include_str!("scripts/attach.lua"),
            Self::Trace => include_str!("scripts/trace.lua"),
            Self::Commit => include_str!("scripts/commit.lua"),
            Self::Undo => include_str!("scripts/undo.lua"),
            Self::Read => include_str!("scripts/read.lua"),
            Self::End => include_str!("scripts/end.lua"),
        };
        format!("{PROLOGUE}\n{body}")
    }

    fn index(self) -> usize {
        Self::ALL.iter().position(|script| *script == self).unwrap_or_default()
    }
}

/// The names that a server gave to the scripts.
#[derive(Clone, Debug)]
pub(crate) struct Loaded(pub(crate) Vec<Vec<u8>>);

/// What every script is told of what this process knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) generation: u64,
    pub(crate) revision: u64,
    /// For how long a forgotten holder may go on believing in its grant, in microseconds.
    pub(crate) hold: u64,
}

/// A call of a script, without what is known when it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) script: Script,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, arguments: Vec::new() }
    }

    /// One more argument.
    pub(crate) fn with(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The session that calls; an observer is nobody.
    pub(crate) fn of(self, session: Option<&SessionId>) -> Self {
        self.with(session.map(SessionId::as_str).unwrap_or_default())
    }

    /// Deletes these incarnations.
    pub(crate) fn undo(session: &SessionId, created: &[Stamp]) -> Self {
        let call = Self::new(Script::Undo).of(Some(session)).with(created.len().to_string());
        created.iter().fold(call, |call, stamp| {
            call.with(keys::entry(stamp.key())).with(digits(stamp.created().as_u64()))
        })
    }

    /// The command for the server.
    pub(crate) fn command(
        &self,
        loaded: &Loaded,
        layout: &Layout,
        config: &RedisConfig,
        known: Known,
    ) -> Vec<u8> {
        let count = layout.keys().len().to_string();
        let (generation, revision) = (digits(known.generation), digits(known.revision));
        let hold = known.hold.to_string();
        let trust = if config.trusts_first_use { "1" } else { "0" };
        let mut parts: Vec<&[u8]> = Vec::with_capacity(16 + self.arguments.len());
        parts.extend([&b"EVALSHA"[..], &loaded.0[self.script.index()], count.as_bytes()]);
        parts.extend(layout.keys().iter().map(String::as_bytes));
        parts.extend([FORMAT, &generation, &revision, &hold, trust].map(str::as_bytes));
        parts.extend(self.arguments.iter().map(Vec::as_slice));
        let bytes = parts.iter().map(|part| part.len() + 16).sum();
        let mut command = Vec::with_capacity(bytes);
        resp::encode(&mut command, &parts);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::Script;

    #[test]
    fn scripts_name_no_key_of_their_own_and_write_numbers_as_they_are() {
        for script in Script::ALL {
            let source = script.source();
            assert!(!source.contains("tostring("), "{script:?}: a large number would lose digits");
            assert!(!source.contains("redis.call('"), "{script:?}: as everywhere else, `call`");
        }
    }
}
