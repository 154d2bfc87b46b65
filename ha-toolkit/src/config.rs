//! Settings from a file and from the environment.

use std::env::VarError;
use std::fmt;
use std::time::Duration;

use ha_core::spi::{Name, Scope};
use ha_core::{Coordinator, Error, ErrorKind, Secret, StoreUrl, Ttl};
use serde::de::{Deserialize, Deserializer, Error as _};

use crate::builder::{Builder, builder};
use crate::duration;

/// Where the store is and who this node is, as a deployment says it: in a file, in the environment, or in both.
///
/// | field | variable | |
/// |---|---|---|
/// | `url` | `HA_URL` | where the store is, such as `etcd://10.0.0.1,10.0.0.2`; there is no default, so that nobody runs on a weaker store by mistake |
/// | `namespace` | `HA_NAMESPACE` | keeps platforms in one store apart |
/// | `node` | `HA_NODE` | the stable name of this node, the same after a restart |
/// | `ttl` | `HA_TTL` | how long others wait for this node after it died, such as `10s` or `500ms` |
/// | `password` | `HA_PASSWORD` | for the user that the url names, so that the url can stand in a file that everybody reads |
/// | `connect_timeout` | | how long to go on trying when the store cannot be reached |
/// | `capabilities` | | what this node can do, for elections that require it |
/// | `require` | | `threads`, `processes` or `hosts`: refuses a store whose grants hold between fewer parties |
///
/// What is left out has the default of [`CoordinatorBuilder`](ha_core::CoordinatorBuilder). In the file durations are texts, as in the environment; unknown fields are
/// refused. It can be read, not written, and its `Debug` shows neither the password nor one in the url.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = r#"{ "url": "memory:", "namespace": "platform", "ttl": "5s" }"#;
/// let config: ha::Config = serde_json::from_str(file)?;
/// let node = config.with_env()?.connect().await?;     // the environment wins
/// assert_eq!(node.namespace(), "platform");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where the store is.
    #[serde(deserialize_with = "url")]
    pub url: Option<StoreUrl>,
    /// Keeps platforms in one store apart.
    #[serde(deserialize_with = "name")]
    pub namespace: Option<String>,
    /// The stable name of this node.
    #[serde(deserialize_with = "name")]
    pub node: Option<String>,
    /// How long others wait for this node's grants after it died.
    #[serde(deserialize_with = "ttl")]
    pub ttl: Option<Duration>,
    /// For the user that the url names.
    #[serde(deserialize_with = "password")]
    pub password: Option<Secret>,
    /// How long to go on trying when the store cannot be reached.
    #[serde(deserialize_with = "timeout")]
    pub connect_timeout: Option<Duration>,
    /// What this node can do.
    pub capabilities: Vec<String>,
    /// Between whom grants have to hold.
    #[serde(deserialize_with = "scope")]
    pub require: Option<Scope>,
}

impl Config {
    /// The variables that [`from_env`](Self::from_env) reads.
    pub const VARIABLES: [&str; 5] = ["HA_URL", "HA_NAMESPACE", "HA_NODE", "HA_TTL", "HA_PASSWORD"];

    /// Reads the environment alone.
    ///
    /// # Errors
    /// As [`with_env`](Self::with_env).
    pub fn from_env() -> Result<Self, Error> {
        Self::default().with_env()
    }

    /// Lets the environment replace what was set before.
    ///
    /// # Errors
    /// `InvalidInput`, naming the variable, for one that is set and cannot be used: empty, not UTF-8, no url, no duration, no name.
    pub fn with_env(self) -> Result<Self, Error> {
        self.with_variables(|variable| match std::env::var(variable) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(unusable(variable, "it is not UTF-8")),
        })
    }

    /// The same with variables from elsewhere; `None` for one that is not set.
    ///
    /// # Errors
    /// As [`with_env`](Self::with_env), and those of `read`.
    pub fn with_variables(
        mut self,
        mut read: impl FnMut(&'static str) -> Result<Option<String>, Error>,
    ) -> Result<Self, Error> {
        for variable in Self::VARIABLES {
            let Some(value) = read(variable)? else { continue };
            if value.is_empty() {
                return Err(unusable(variable, "it is set but empty; unset it, or give it a value"));
            }
            let used = match variable {
                "HA_URL" => parse_url(value).map(|url| self.url = Some(url)),
                "HA_NAMESPACE" => parse_name(value).map(|namespace| self.namespace = Some(namespace)),
                "HA_NODE" => parse_name(value).map(|node| self.node = Some(node)),
                "HA_TTL" => parse_ttl(value).map(|ttl| self.ttl = Some(ttl)),
                _ => parse_password(value).map(|password| self.password = Some(password)),
            };
            used.map_err(|reason| unusable(variable, reason))?;
        }
        Ok(self)
    }

    /// A builder with these settings, and the url to [connect to](Builder::connect_to), for a service that adds settings of its own.
    ///
    /// # Errors
    /// `InvalidInput` when there is no url, or a password that it cannot take.
    pub fn into_builder(self) -> Result<(Builder, StoreUrl), Error> {
        let Some(url) = self.url else {
            return Err(Error::new(ErrorKind::InvalidInput, "connect").because(
                "no store is named; set HA_URL, or `url` in the configuration, to its url, such as etcd://host or memory:",
            ));
        };
        let url = match self.password {
            Some(password) => url.with_password(password)?,
            None => url,
        };
        let mut builder = builder();
        if let Some(namespace) = self.namespace {
            builder = builder.namespace(namespace);
        }
        if let Some(node) = self.node {
            builder = builder.node(node);
        }
        if let Some(ttl) = self.ttl {
            builder = builder.ttl(ttl);
        }
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(scope) = self.require {
            builder = builder.require(scope);
        }
        let builder = self.capabilities.into_iter().fold(builder, Builder::capability);
        Ok((builder, url))
    }

    /// Connects with these settings alone.
    ///
    /// # Errors
    /// As [`into_builder`](Self::into_builder) and [`Builder::connect`].
    ///
    /// # Cancel safety
    /// As [`Builder::connect`].
    pub async fn connect(self) -> Result<Coordinator, Error> {
        let (builder, url) = self.into_builder()?;
        builder.connect_to(&url).await
    }
}

fn unusable(variable: &'static str, reason: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidInput, "use the variable").on(variable).because(reason)
}

fn parse_url(text: String) -> Result<StoreUrl, String> {
    StoreUrl::parse(&text).map_err(|error| error.to_string())
}

fn parse_name(text: String) -> Result<String, String> {
    Name::parse_user("it", &text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn parse_ttl(text: String) -> Result<Duration, String> {
    let ttl = duration::parse(&text)?;
    Ttl::parse(ttl).map(Ttl::as_duration).map_err(|error| error.to_string())
}

fn parse_timeout(text: String) -> Result<Duration, String> {
    Ok(duration::parse(&text)?)
}

fn parse_password(text: String) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

fn parse_scope(text: String) -> Result<Scope, String> {
    match text.as_str() {
        "threads" => Ok(Scope::Threads),
        "processes" => Ok(Scope::Processes),
        "hosts" => Ok(Scope::Hosts),
        _ => Err("it is one of threads, processes, hosts".into()),
    }
}

/// Reads an optional text of a file by `parse`. The text itself is not shown: it may be secret.
fn field<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: fn(String) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(parse).transpose().map_err(D::Error::custom)
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StoreUrl>, D::Error> {
    field(deserializer, parse_url)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    field(deserializer, parse_name)
}

fn ttl<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    field(deserializer, parse_ttl)
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    field(deserializer, parse_timeout)
}

fn password<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    field(deserializer, parse_password)
}

fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scope>, D::Error> {
    field(deserializer, parse_scope)
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;
