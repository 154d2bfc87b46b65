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
        #[cfg(feature = "etcd")]
        Scheme::Etcd | Scheme::Etcds => {
            let config = ha_backend_etcd::EtcdConfig::from_url(url)?;
            Ok(Arc::new(ha_backend_etcd::EtcdBackend::new(config)))
        }
        #[cfg(feature = "local")]
        Scheme::Local => {
            let config = ha_backend_local::LocalConfig::from_url(url)?;
            Ok(Arc::new(ha_backend_local::LocalBackend::new(config)))
        }
        #[cfg(feature = "redis")]
        Scheme::Redis | Scheme::Rediss | Scheme::RedisUnix => {
            let config = ha_backend_redis::RedisConfig::from_url(url)?;
            Ok(Arc::new(ha_backend_redis::RedisBackend::new(config)))
        }
        #[cfg(feature = "zk")]
        Scheme::Zk | Scheme::Zks => {
            let config = ha_backend_zk::ZkConfig::from_url(url)?;
            Ok(Arc::new(ha_backend_zk::ZkBackend::new(config)))
        }
        scheme => Err(Error::new(ErrorKind::Unsupported, "connect to").on(url).because(missing(scheme))),
    }
}

/// Why there is no backend for `scheme` in this build.
fn missing(scheme: Scheme) -> String {
    match scheme {
        Scheme::Etcd | Scheme::Etcds => {
            format!("{scheme}: needs the feature `etcd` of ha-toolkit; build with it")
        }
        Scheme::Local => {
            format!("{scheme}: needs the feature `local` of ha-toolkit; build with it")
        }
        Scheme::Redis | Scheme::Rediss | Scheme::RedisUnix => {
            format!("{scheme}: needs the feature `redis` of ha-toolkit; build with it")
        }
        Scheme::Zk | Scheme::Zks => {
            format!("{scheme}: needs the feature `zk` of ha-toolkit; build with it")
        }
        scheme => format!(
            "this release has no backend for {scheme}: yet, only for memory:, which serves one process, local:, etcd:, zk: and one redis: server"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::open;
    use ha_core::{ErrorKind, StoreUrl};

    #[test]
    fn a_scheme_without_a_backend_is_unsupported_and_says_what_there_is() {
        for text in ["redis+sentinel://:trustno1@h/main", "redis+cluster://h"] {
            let error = open(&StoreUrl::parse(text).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
            let message = error.to_string();
            let scheme = text.split_once(':').unwrap().0;
            assert!(message.contains(&format!("no backend for {scheme}: yet")), "{message}");
            assert!(message.contains("memory:") && !message.contains("trustno1"), "{message}");
        }
    }

    #[cfg(not(feature = "etcd"))]
    #[test]
    fn a_scheme_whose_feature_is_off_says_which_one_it_is() {
        for text in ["etcd://h", "etcds://user:trustno1@h"] {
            let error = open(&StoreUrl::parse(text).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
            let message = error.to_string();
            assert!(message.contains("feature `etcd`") && !message.contains("trustno1"), "{message}");
        }
    }

    #[cfg(not(feature = "redis"))]
    #[test]
    fn a_redis_server_without_the_feature_says_which_one_it_is() {
        for text in ["redis://:trustno1@h", "rediss://h", "redis+unix:///run/redis.sock"] {
            let error = open(&StoreUrl::parse(text).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
            let message = error.to_string();
            assert!(message.contains("feature `redis`") && !message.contains("trustno1"), "{message}");
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn redis_is_opened_without_connecting_and_knows_its_options() {
        for text in ["redis://:trustno1@h/2", "redis://h?hold=30s&prefix=x", "redis+unix:///no/such.sock"] {
            let backend = open(&StoreUrl::parse(text).unwrap()).unwrap();
            assert_eq!(backend.capabilities().backend, "redis");
            assert!(!format!("{backend:?}").contains("trustno1"), "{backend:?}");
        }
        let error = open(&StoreUrl::parse("redis://h?pool=3").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }

    #[cfg(not(feature = "local"))]
    #[test]
    fn a_local_file_without_its_feature_says_which_one_it_is() {
        let error = open(&StoreUrl::parse("local:///var/lib/ha.db").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("feature `local`"), "{error}");
    }

    #[cfg(feature = "local")]
    #[test]
    fn a_local_file_is_not_touched_before_it_is_used_and_its_options_are_known() {
        let backend = open(&StoreUrl::parse("local:///does/not/exist/ha.db?timeout=1s").unwrap()).unwrap();
        assert_eq!(backend.capabilities().backend, "local");
        let error = open(&StoreUrl::parse("local:///ha.db?timout=1s").unwrap()).unwrap_err();
        assert!(
            error.kind() == ErrorKind::InvalidInput && error.to_string().contains("\"timout\""),
            "{error}"
        );
    }

    #[cfg(feature = "etcd")]
    #[test]
    fn etcd_is_opened_without_connecting_and_knows_its_options() {
        for text in ["etcd://h", "etcds://user:trustno1@h", "etcd://a,b:2380?prefix=/platform&timeout=250ms"]
        {
            let backend = open(&StoreUrl::parse(text).unwrap()).unwrap();
            assert_eq!(backend.capabilities().backend, "etcd");
            assert!(!format!("{backend:?}").contains("trustno1"));
        }
        let error = open(&StoreUrl::parse("etcd://u:trustno1@h?timout=1s").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(
            error.to_string().contains("\"timout\"") && !error.to_string().contains("trustno1"),
            "{error}"
        );
    }

    #[cfg(not(feature = "zk"))]
    #[test]
    fn zookeeper_without_its_feature_says_which_one_it_is() {
        for text in ["zk://h", "zks://user:trustno1@h"] {
            let error = open(&StoreUrl::parse(text).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
            let message = error.to_string();
            assert!(message.contains("feature `zk`") && !message.contains("trustno1"), "{message}");
        }
    }

    #[cfg(feature = "zk")]
    #[test]
    fn zookeeper_is_opened_without_connecting_and_knows_its_options() {
        for text in ["zk://h", "zk://user:trustno1@a,b:2182/platform?timeout=250ms&acl=open"] {
            let backend = open(&StoreUrl::parse(text).unwrap()).unwrap();
            assert_eq!(backend.capabilities().backend, "zk");
            assert!(!format!("{backend:?}").contains("trustno1"));
        }
        let error = open(&StoreUrl::parse("zk://u:trustno1@h?timout=1s").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(
            error.to_string().contains("\"timout\"") && !error.to_string().contains("trustno1"),
            "{error}"
        );
    }

    #[test]
    fn memory_takes_no_options() {
        let error = open(&StoreUrl::parse("memory:a?ttl=5s").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("\"ttl\""), "{error}");
    }
}
