//! `GRIP_URL`: where a publisher posts its items, and what proves who it is.
//!
//! Reads no environment and no clock, and sends nothing.
//!
//! ```text
//! https://[user:password@]host[:port]/path?iss=realm&key=base64:...
//! ```
//!
//! Without `iss` the key itself is the bearer token. `verify-iss` and `verify-key` are for who checks
//! `Grip-Sig`, and mean nothing here.
//!
//! Source: what the GRIP client libraries take.

use std::fmt;
use std::net::IpAddr;

use base64::engine::{general_purpose::STANDARD, Engine};
use http::uri::{Authority, Scheme, Uri};

use super::error::{excerpt, SigError};
use super::lenient::{self, hex_digit};
use super::sig::{self, SigKey};

/// Where to publish, and with which credentials.
#[derive(Clone, Debug)]
pub struct GripUrl {
    /// Whom the publisher says it is; none: nobody in particular.
    pub credentials: Option<Credentials>,
    publish_uri: String,
    host: String,
    is_tls: bool,
}

/// What proves who a publisher is. Not shown by `Debug`.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// `Authorization: Basic`
    Basic {
        /// The user.
        user: String,
        /// The password, often empty.
        password: String,
    },
    /// `Authorization: Bearer` with this token.
    Bearer(String),
    /// `Authorization: Bearer` with a JWT signed by this key.
    Signed {
        /// The issuer named in it.
        iss: String,
        /// The key.
        key: SigKey,
    },
}

/// Says what is wrong with a `GRIP_URL`; no text of it repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GripUrlError {
    /// It is no URL with a host.
    #[error("url must be like http://host:port or https://host/path")]
    Syntax,
    /// It is of another scheme.
    #[error("url must begin with http:// or https://, got '{0}://'")]
    Scheme(String),
    /// There is an issuer and nothing to sign with.
    #[error("iss must come with a key to sign with")]
    IssWithoutKey,
    /// The key cannot sign.
    #[error("key cannot sign: {0}")]
    Key(SigError),
    /// The token cannot stand in a header.
    #[error("token must be printable ASCII without blanks")]
    Token,
}

impl GripUrlError {
    /// Gives the stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            GripUrlError::Syntax => "bad-grip-url",
            GripUrlError::Scheme(_) => "bad-grip-url-scheme",
            GripUrlError::IssWithoutKey => "iss-without-key",
            GripUrlError::Key(_) => "bad-grip-url-key",
            GripUrlError::Token => "bad-bearer-token",
        }
    }
}

impl GripUrl {
    /// Parses a `GRIP_URL`.
    ///
    /// **Shape**: see the head of this file. Users, passwords and parameters are percent-decoded;
    /// parameters that nobody knows stay in the URL.
    ///
    /// ```
    /// use p8::grip::grip_url::GripUrl;
    ///
    /// let url = GripUrl::parse("https://example.com/realm/?iss=me&key=base64:c2VjcmV0")?;
    /// assert_eq!(url.publish_uri(), "https://example.com/realm/publish/");
    /// assert!(url.credentials.is_some());
    /// # Ok::<(), p8::grip::grip_url::GripUrlError>(())
    /// ```
    pub fn parse(text: &str) -> Result<GripUrl, GripUrlError> {
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(GripUrlError::Syntax);
        };
        let is_tls = scheme.eq_ignore_ascii_case(Scheme::HTTPS.as_str());
        if !is_tls && !scheme.eq_ignore_ascii_case(Scheme::HTTP.as_str()) {
            return Err(GripUrlError::Scheme(excerpt(scheme)));
        }
        let uri: Uri = text.parse().map_err(|_| GripUrlError::Syntax)?;
        let authority = uri.authority().ok_or(GripUrlError::Syntax)?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        if authority.host().is_empty() || has_bad_port(authority, place) {
            return Err(GripUrlError::Syntax);
        }
        let parameters = Parameters::of(uri.query().unwrap_or_default());
        let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
        let scheme = if is_tls { "https" } else { "http" };
        let rest = &parameters.rest;
        Ok(GripUrl {
            publish_uri: format!("{scheme}://{place}{path}/publish/{rest}"),
            host: authority.host().to_owned(),
            is_tls,
            credentials: parameters.credentials(user)?,
        })
    }

    /// Returns where items are posted.
    pub fn publish_uri(&self) -> &str {
        &self.publish_uri
    }

    /// Returns the host as it is written.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Tells whether requests go over TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Tells whether requests do not leave this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>();
        address.map_or(host.eq_ignore_ascii_case("localhost"), |address| {
            address.to_canonical().is_loopback()
        })
    }
}

impl Credentials {
    /// Makes the credentials of a bearer token.
    ///
    /// **Errors**: a token that cannot stand in a header.
    pub fn bearer(token: &str) -> Result<Credentials, GripUrlError> {
        let is_plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        match is_plain {
            true => Ok(Credentials::Bearer(token.to_owned())),
            false => Err(GripUrlError::Token),
        }
    }

    /// Returns the value of `Authorization`.
    ///
    /// **Units**: seconds since 1970, when a signature made for it expires.
    pub fn authorization(&self, exp_unix_secs: u64) -> Result<String, SigError> {
        Ok(match self {
            Credentials::Basic { user, password } => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }
            Credentials::Bearer(token) => format!("Bearer {token}"),
            Credentials::Signed { iss, key } => {
                format!("Bearer {}", sig::sign(key, iss, exp_unix_secs)?)
            }
        })
    }
}

/// Shows the kind only.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Basic { .. } => "Basic",
            Credentials::Bearer(_) => "Bearer",
            Credentials::Signed { .. } => "Signed",
        })
    }
}

/// The known parameters, and the others as they were written.
#[derive(Default)]
struct Parameters {
    iss: Option<String>,
    key: Option<String>,
    rest: String,
}

impl Parameters {
    fn of(query: &str) -> Parameters {
        let mut parameters = Parameters::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = || Some(percent_decoded(&value.replace('+', " ")));
            match name {
                "iss" => parameters.iss = parameters.iss.or_else(value),
                "key" => parameters.key = parameters.key.or_else(value),
                "verify-iss" | "verify-key" => {}
                _ => {
                    let mark = if parameters.rest.is_empty() { '?' } else { '&' };
                    parameters.rest.push(mark);
                    parameters.rest.push_str(pair);
                }
            }
        }
        parameters
    }

    fn credentials(self, user: Option<&str>) -> Result<Option<Credentials>, GripUrlError> {
        match (self.iss, self.key) {
            (Some(_), None) => Err(GripUrlError::IssWithoutKey),
            (Some(iss), Some(key)) => {
                let key = SigKey::from_text(&whole_base64(key)).map_err(GripUrlError::Key)?;
                Ok(Some(Credentials::Signed { iss, key }))
            }
            (None, Some(key)) => {
                let key = whole_base64(key);
                let token = match key.strip_prefix("base64:") {
                    Some(base64) => lenient::text(&lenient::base64(base64.as_bytes())),
                    None => key,
                };
                Credentials::bearer(&token).map(Some)
            }
            (None, None) => Ok(user.map(|user| {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                let (user, password) = (percent_decoded(user), percent_decoded(password));
                Credentials::Basic { user, password }
            })),
        }
    }
}

/// Whether there is something behind the host that is no port.
fn has_bad_port(authority: &Authority, place: &str) -> bool {
    let behind = place.strip_prefix(authority.host()).unwrap_or_default();
    behind.len() > 1 && authority.port_u16().is_none()
}

/// Base64 is often put into a query as it is; its `+` then reads as a blank.
fn whole_base64(key: String) -> String {
    match key.starts_with("base64:") {
        true => key.replace(' ', "+"),
        false => key,
    }
}

/// Decodes `%41`; what is no such escape stays.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    lenient::text(&decoded)
}

#[cfg(test)]
mod tests;
