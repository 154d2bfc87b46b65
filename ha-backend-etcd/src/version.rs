//! What is known of a server by its version.

use ha_core::{Error, ErrorKind};

/// The oldest series whose transactions and watches work as this backend needs them.
const OLDEST: (u64, u64) = (3, 4);

/// The version of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    /// Reads `3.5.16`, also with something behind it, such as `3.6.0-rc.1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let core = text.split(['-', '+']).next()?;
        let mut parts = core.split('.').map(|part| part.parse().ok());
        Some(Self { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? })
    }

    /// Refuses what is too old, and warns of what has defects that this backend can only work around.
    pub(crate) fn check(self, member: &str) -> Result<(), Error> {
        let Self { major, minor, patch } = self;
        if (major, minor) < OLDEST {
            return Err(Error::new(ErrorKind::Incompatible, "open a session")
                .on(format_args!("at {member}"))
                .because(format_args!(
                    "it runs etcd {major}.{minor}.{patch}, and 3.4 is the oldest that works; update it"
                )));
        }
        if !self.is_recommended() {
            tracing::warn!(
                member,
                version = format_args!("{major}.{minor}.{patch}"),
                "this etcd has known defects in leases and watches; 3.5.23, 3.6.5 or later is recommended"
            );
        }
        Ok(())
    }

    /// Whether the defects of leases and watches are fixed that cost availability here.
    fn is_recommended(self) -> bool {
        match (self.major, self.minor) {
            (3, 4) => false,
            (3, 5) => self.patch >= 23,
            (3, 6) => self.patch >= 5,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Version;
    use ha_core::ErrorKind;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_read_with_and_without_a_suffix() {
        assert!(version("3.6.0-rc.1") > version("3.5.16"));
        assert!(version("3.10.0") > version("3.4.23+git"));
        assert_eq!(Version::parse("unknown"), None);
    }

    #[test]
    fn servers_older_than_3_4_are_refused() {
        assert_eq!(version("3.3.27").check("h:2379").unwrap_err().kind(), ErrorKind::Incompatible);
        assert!(version("3.4.0").check("h:2379").is_ok());
    }

    #[test]
    fn only_versions_with_the_fixes_are_recommended() {
        for (text, recommended) in [
            ("3.4.38", false),
            ("3.5.22", false),
            ("3.5.23", true),
            ("3.6.4", false),
            ("3.6.5", true),
            ("3.7.0", true),
        ] {
            assert_eq!(version(text).is_recommended(), recommended, "{text}");
        }
    }
}
