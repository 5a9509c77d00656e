//! The base address of a cluster, split from the credentials that may be written into it.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

use crate::{Auth, Error};

/// A checked base address. Holds no secrets, so it can be printed.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// `scheme://host[:port][/prefix]`, without a final slash.
    pub(crate) base: String,
    /// Whether the host is this machine.
    pub(crate) loopback: bool,
    /// Whether the connection is encrypted.
    pub(crate) https: bool,
}

impl Address {
    /// Splits `raw` into the address and the credentials that stood in it.
    pub(crate) fn parse(raw: &str) -> Result<(Address, Auth), Error> {
        // The parser's error is dropped together with its input: the text may hold a password.
        let mut url = Url::parse(raw).map_err(|e| Error::config(format!("cluster url: {e}")))?;
        let https = match url.scheme() {
            "http" => false,
            "https" => true,
            other => {
                return Err(Error::config(format!("cluster url: scheme {other} is not http(s)")));
            }
        };
        if url.host().is_none() {
            return Err(Error::config("cluster url: no host".to_owned()));
        }
        let auth = credentials(&url);
        strip(&mut url);
        let loopback = is_loopback(&url);
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok((Address { base, loopback, https }, auth))
    }
}

/// `raw` as it may be printed.
pub(crate) fn without_credentials(raw: &str) -> String {
    match Url::parse(raw) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
            strip(&mut url);
            url.to_string()
        }
        // Without a scheme, what looks like a user name is read as one, and the rest is not split.
        _ => "(not a url)".to_owned(),
    }
}

fn credentials(url: &Url) -> Auth {
    if url.username().is_empty() {
        return Auth::None;
    }
    let text = |raw: &str| percent_decode_str(raw).decode_utf8_lossy().into_owned();
    Auth::Basic {
        user: text(url.username()),
        password: SecretString::from(text(url.password().unwrap_or_default())),
    }
}

fn strip(url: &mut Url) {
    // Both calls fail only for addresses without a host, which have no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split() {
        for (raw, base, loopback, https) in [
            ("http://localhost:9200", "http://localhost:9200", true, false),
            ("http://127.0.0.1:9201/", "http://127.0.0.1:9201", true, false),
            ("http://[::1]:9201/", "http://[::1]:9201", true, false),
            ("https://u:p%40ss@search.example/es/", "https://search.example/es", false, true),
            ("https://localhost.example", "https://localhost.example", false, true),
        ] {
            let (address, _) = Address::parse(raw).unwrap();
            assert_eq!(
                (address.base.as_str(), address.loopback, address.https),
                (base, loopback, https)
            );
        }
    }

    #[test]
    fn credentials_become_basic_and_are_not_printed() {
        use secrecy::ExposeSecret;
        let (address, auth) = Address::parse("https://al%20ice:s%3Acret@h:1").unwrap();
        let Auth::Basic { user, password } = &auth else { panic!("{auth:?}") };
        assert_eq!((user.as_str(), password.expose_secret()), ("al ice", "s:cret"));
        assert!(!format!("{address:?} {auth:?}").contains("cret"));
        assert!(!without_credentials("https://a:secret@h").contains("secret"));
        assert!(!without_credentials("a:secret@h:x").contains("secret"));
    }

    #[test]
    fn other_addresses_are_refused() {
        for raw in ["", "localhost:9200", "ftp://h", "http://", "u:secret@h"] {
            let error = Address::parse(raw).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
