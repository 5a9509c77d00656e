//! Which servers are believed: certificate rules.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::Error;

/// Rules for the server's certificate.
#[derive(Clone)]
pub struct TlsConfig {
    /// Whether the certificate must be valid for the host. Without it the connection is encrypted,
    /// but anybody may be at the other end.
    pub verify: bool,
    /// Authorities to believe besides the system's, in PEM form.
    pub ca_pem: Option<Vec<u8>>,
}

impl Default for TlsConfig {
    fn default() -> TlsConfig {
        TlsConfig { verify: true, ca_pem: None }
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("verify", &self.verify)
            .field("ca_pem", &self.ca_pem.as_ref().map(Vec::len))
            .finish()
    }
}

/// The client side of TLS by these rules. `encrypted` is false for plain `http`, where the system's
/// certificate store need not be read.
pub(crate) fn client(config: &TlsConfig, encrypted: bool) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::config(format!("tls: {e}")))?;
    if encrypted && !config.verify {
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth());
    }
    let roots = if encrypted { roots(config)? } else { RootCertStore::empty() };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn roots(config: &TlsConfig) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = &config.ca_pem {
        let mut found = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| Error::config(format!("ca: {e}")))?;
            roots.add(certificate).map_err(|e| Error::config(format!("ca: {e}")))?;
            found += 1;
        }
        if found == 0 {
            return Err(Error::config("ca: no certificate in the pem text".to_owned()));
        }
    }
    if roots.is_empty() {
        return Err(Error::config("tls: no certificate authority is known".to_owned()));
    }
    Ok(roots)
}

/// Believes every certificate, as `verify: false` asks; signatures are still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_without_certificates_is_refused() {
        let config = TlsConfig { verify: true, ca_pem: Some(b"nothing here".to_vec()) };
        let error = client(&config, true).unwrap_err();
        assert!(error.to_string().contains("no certificate"), "{error}");
    }

    #[test]
    fn plain_http_reads_no_certificates() {
        let config = TlsConfig { verify: true, ca_pem: Some(b"nothing here".to_vec()) };
        assert!(client(&config, false).is_ok());
    }
}
