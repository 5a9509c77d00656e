//! How to reach the cluster. Secrets are references only: a recipe never holds one.

/// Where the cluster is and how to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterRef {
    /// `http://` or `https://` address without credentials.
    pub url: String,
    /// How to sign in.
    pub auth: AuthRef,
    /// How to judge the other side's certificate.
    pub tls: TlsRef,
}

/// How to sign in, by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthRef {
    /// No credentials are sent.
    None,
    /// User and password.
    Basic {
        /// User name.
        user: String,
        /// Where the password is.
        password: SecretRef,
    },
    /// An API key in its encoded form.
    ApiKey(SecretRef),
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In this environment variable.
    Env(String),
    /// In this file; a trailing line break doesn't count.
    File(String),
}

/// How to judge the other side's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRef {
    /// Whether the certificate is checked. Default true.
    pub verify: bool,
    /// A PEM file with the authorities to trust, relative to the recipe.
    pub ca: Option<String>,
}

impl Default for TlsRef {
    fn default() -> Self {
        Self { verify: true, ca: None }
    }
}
