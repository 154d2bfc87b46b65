//! TLS: which certificate authority to trust, and which certificate to show.

use std::path::{Path, PathBuf};

use ha_core::{Error, ErrorKind};

use crate::client::TlsMaterial;

/// The files that a TLS connection needs, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EtcdTls {
    /// The certificate authority that signed the servers' certificates; otherwise those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate, where the servers ask for one. etcd takes its common name for the user.
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate.
    pub key: Option<PathBuf>,
    /// The name that the servers' certificates carry, if it is not the host name of the URL.
    pub domain: Option<String>,
}

impl EtcdTls {
    /// Reads the files.
    pub(crate) fn load(&self) -> Result<TlsMaterial, Error> {
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            (None, None) => None,
            _ => {
                return Err(Error::new(ErrorKind::InvalidInput, "configure TLS for etcd")
                    .because("a certificate needs its key, and a key its certificate"));
            }
        };
        let ca = self.ca.as_deref().map(read).transpose()?;
        Ok(TlsMaterial { ca, identity, domain: self.domain.clone() })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "configure TLS for etcd")
            .on(format_args!("with the file {}", path.display()))
            .because(format_args!("{error}; is it there, and may this user read it?"))
            .with_source(error)
    })
}
