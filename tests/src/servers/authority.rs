//! Certificates for tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Folder, Program};
use crate::harness::Missing;

/// An authority that signs certificates, in a folder of its own. They are good for two days.
#[derive(Debug)]
pub struct Authority {
    openssl: Program,
    folder: Folder,
}

/// A certificate with its key, both in PEM.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Certificate {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// [`Missing`], if there is no openssl on this machine.
    ///
    /// # Panics
    /// If it fails.
    pub fn new() -> Result<Self, Missing> {
        let authority = Self { openssl: Program::find("openssl")?, folder: Folder::new("tls") };
        authority
            .run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority");
        Ok(authority)
    }

    /// The file with its own certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate of `name`, for clients and servers, with these alternative names: `IP:127.0.0.1,DNS:localhost`.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn certify(&self, name: &str, names: &str) -> Certificate {
        let extensions = format!("subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n");
        self.write("extensions", &extensions);
        self.run(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        self.run(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile extensions"
        ));
        let file = |kind: &str| self.folder.path().join(format!("{name}.{kind}"));
        Certificate { certificate: file("pem"), key: file("key") }
    }

    /// Puts a file beside the certificates; its path.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        write(&path, content);
        path
    }

    fn run(&self, line: &str) {
        let mut openssl = Command::new(self.openssl.path());
        let output = openssl.current_dir(self.folder.path()).args(line.split(' ')).output();
        let is_done = output.as_ref().is_ok_and(|output| output.status.success());
        assert!(is_done, "openssl {line}: {output:?}");
    }
}

impl Certificate {
    /// The certificate and behind it the key, as programs want them that read one file.
    ///
    /// # Panics
    /// If they cannot be read.
    #[must_use]
    pub fn in_one_file(&self) -> PathBuf {
        let read = |path: &Path| match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => panic!("read {}: {error}", path.display()),
        };
        let path = self.certificate.with_extension("both.pem");
        write(&path, &(read(&self.certificate) + &read(&self.key)));
        path
    }
}

fn write(path: &Path, content: &str) {
    if let Err(error) = std::fs::write(path, content) {
        panic!("write {}: {error}", path.display());
    }
}
