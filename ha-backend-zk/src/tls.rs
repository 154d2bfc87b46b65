//! TLS: which files, and what is in them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ha_core::{Error, ErrorKind};
use zookeeper_client::TlsOptions;

/// What TLS needs. Files in PEM format.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZkTls {
    /// The authorities that sign the servers' certificates. Required: those of the machine are not used.
    pub ca: Option<PathBuf>,
    /// Our own certificate, where the servers ask for one; with its key.
    pub certificate: Option<PathBuf>,
    /// The key of our certificate.
    pub key: Option<PathBuf>,
}

impl ZkTls {
    /// Servers whose certificates are signed by the authorities in `ca`.
    #[must_use]
    pub fn new(ca: impl Into<PathBuf>) -> Self {
        Self { ca: Some(ca.into()), ..Self::default() }
    }

    /// The same with a certificate of our own.
    #[must_use]
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some(certificate.into());
        self.key = Some(key.into());
        self
    }

    /// Reads the files.
    pub(crate) fn load(&self) -> Result<TlsOptions, Error> {
        let Some(ca) = &self.ca else {
            return Err(invalid(
                "TLS needs the authorities that sign the servers' certificates; name their file as ca",
            ));
        };
        let refuse = |file: &Path| {
            let file = file.display().to_string();
            move |error: zookeeper_client::Error| {
                Error::new(ErrorKind::InvalidInput, "configure TLS")
                    .on(file)
                    .because("it holds no certificates that can be used")
                    .with_source(error)
            }
        };
        let options = TlsOptions::new().with_pem_ca(&read(ca)?).map_err(refuse(ca))?;
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                options.with_pem_identity(&read(certificate)?, &read(key)?).map_err(refuse(certificate))
            }
            (None, None) => Ok(options),
            _ => Err(invalid("a certificate needs its key, and a key its certificate")),
        }
    }
}

impl fmt::Debug for ZkTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZkTls")
            .field("ca", &self.ca)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "read")
            .on(path.display())
            .because("it is needed for TLS")
            .with_source(error)
    })
}

fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, "configure TLS").because(reason)
}
