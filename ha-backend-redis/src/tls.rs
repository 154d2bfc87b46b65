//! TLS: which certificate authority to trust, and which certificate to show.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ha_core::{Error, ErrorKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

const OPERATION: &str = "configure TLS for redis";

/// The files that a TLS connection needs, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisTls {
    /// The certificate authority that signed the server's certificate; otherwise those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate, where the server asks for one.
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate.
    pub key: Option<PathBuf>,
    /// The name that the server's certificate carries, if it is not the host name of the URL.
    pub domain: Option<String>,
}

impl RedisTls {
    /// Reads the files.
    pub(crate) fn load(&self) -> Result<Arc<ClientConfig>, Error> {
        // The family has one provider; the default of the process belongs to the service.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refused("no version of TLS can be used", error))?
            .with_root_certificates(self.roots()?);
        let config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let read = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, read)
                    .map_err(|error| refused("the certificate and the key do not belong together", error))?
            }
            _ => {
                return Err(Error::new(ErrorKind::InvalidInput, OPERATION)
                    .because("a certificate needs its key, and a key its certificate"));
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        if let Some(ca) = &self.ca {
            for certificate in certificates(ca)? {
                roots.add(certificate).map_err(|error| unusable(ca, error))?;
            }
            return Ok(roots);
        }
        // Some of what a system trusts may be of a kind that is not supported any more.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, OPERATION)
                .because("the system trusts no certificate authority; name one with ca"));
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found = read.map_err(|error| unusable(path, error))?;
    if found.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, OPERATION)
            .on(format_args!("with the file {}", path.display()))
            .because("there is no certificate in it"));
    }
    Ok(found)
}

fn unusable(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidInput, OPERATION)
        .on(format_args!("with the file {}", path.display()))
        .because(format_args!("{error}; is it there, in PEM, and may this user read it?"))
        .with_source(error)
}

fn refused(reason: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidInput, OPERATION)
        .because(format_args!("{reason}: {error}"))
        .with_source(error)
}
