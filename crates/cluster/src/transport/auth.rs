//! Who asks: the credentials of a request.

use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::Error;

/// Credentials sent with every request to a cluster. Never printed.
#[derive(Clone, Default)]
pub enum Auth {
    /// No `Authorization` header.
    #[default]
    None,
    /// HTTP basic authentication.
    Basic {
        /// User name; a colon in it can't be sent and is refused.
        user: String,
        /// Password.
        password: SecretString,
    },
    /// An Elasticsearch API key in its encoded form (`id:key` in base64).
    ApiKey(SecretString),
}

impl Auth {
    /// The value of the `Authorization` header, if there is one.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>, Error> {
        let text = match self {
            Auth::None => return Ok(None),
            Auth::Basic { user, .. } if user.contains(':') => {
                return Err(Error::config("user name: a colon can't be sent".to_owned()));
            }
            Auth::Basic { user, password } => {
                format!(
                    "Basic {}",
                    base64(format!("{user}:{}", password.expose_secret()).as_bytes())
                )
            }
            Auth::ApiKey(key) => format!("ApiKey {}", key.expose_secret()),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| Error::config("credentials: not allowed in a header".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Basic { .. } => "Basic(redacted)",
            Auth::ApiKey(_) => "ApiKey(redacted)",
        })
    }
}

/// Standard alphabet with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let sextet = (word >> (18 - 6 * i) & 63) as usize;
            out.push(if i <= chunk.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_vectors() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{ff}\u{3bf}>?", "w7/Ovz4/"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn headers_are_sensitive() {
        let basic = Auth::Basic { user: "elastic".into(), password: "pä ss".into() };
        let header = basic.header().unwrap().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic ZWxhc3RpYzpww6Qgc3M=");
        assert!(header.is_sensitive());
        assert!(!format!("{header:?} {basic:?}").contains("ZWxh"));
        let key = Auth::ApiKey("abc=".into()).header().unwrap().unwrap();
        assert_eq!(key.to_str().unwrap(), "ApiKey abc=");
        assert!(Auth::None.header().unwrap().is_none());
    }

    #[test]
    fn impossible_credentials_are_refused_without_telling_them() {
        let colon = Auth::Basic { user: "a:b".into(), password: "secret".into() };
        let newline = Auth::ApiKey("sec\nret".into());
        for auth in [colon, newline] {
            let text = auth.header().unwrap_err().to_string();
            assert!(!text.contains("sec"), "{text}");
        }
    }
}
