//! Which backend serves which scheme.

use std::sync::Arc;

use ha_core::memory::MemoryBackend;
use ha_core::spi::Backend;
use ha_core::{Error, ErrorKind, Scheme, StoreUrl};

/// The store of a `memory:` that names none.
const DEFAULT_MEMORY: &str = "default";

/// The backend that `url` asks for. Connects to nothing.
pub(crate) fn open(url: &StoreUrl) -> Result<Arc<dyn Backend>, Error> {
    match url.scheme() {
        Scheme::Memory => {
            url.reject_unknown(&[])?;
            let name = if url.path().is_empty() { DEFAULT_MEMORY } else { url.path() };
            Ok(Arc::new(MemoryBackend::named(name)?))
        }
        scheme => Err(Error::new(ErrorKind::Unsupported, "connect to").on(url).because(format_args!(
            "this release has no backend for {scheme}: yet, only for memory:, which serves one process"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use ha_core::{ErrorKind, StoreUrl};

    #[test]
    fn a_scheme_without_a_backend_is_unsupported_and_says_what_there_is() {
        for text in [
            "local:///var/lib/ha.db",
            "etcd://h",
            "etcds://user:trustno1@h",
            "zk://h",
            "zks://h",
            "redis://:trustno1@h",
            "rediss://h",
            "redis+sentinel://h/main",
            "redis+cluster://h",
            "redis+unix:///run/redis.sock",
        ] {
            let error = open(&StoreUrl::parse(text).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
            let message = error.to_string();
            let scheme = text.split_once(':').unwrap().0;
            assert!(message.contains(&format!("no backend for {scheme}: yet")), "{message}");
            assert!(message.contains("memory:") && !message.contains("trustno1"), "{message}");
        }
    }

    #[test]
    fn memory_takes_no_options() {
        let error = open(&StoreUrl::parse("memory:a?ttl=5s").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("\"ttl\""), "{error}");
    }
}
