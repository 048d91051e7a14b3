//! Who may use the control port: what a request says of itself is weighed here.
//!
//! Two questions, in this order. Did a browser ask for a page of another site? Such a page must neither
//! publish nor operate, whoever looks at it. And does the request prove who it comes from, if that is
//! asked for at all? It reads no clock, and answers nothing by itself.
//!
//! Source: `docs/control-api.md#who-may`; RFC 9110 section 11, RFC 7617, RFC 6750; Fetch Metadata.

use std::fmt;
use std::net::IpAddr;

use base64::engine::{general_purpose::STANDARD, Engine};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::grip::sig::{self, SigKey};

/// Who may use the control port.
///
/// By default everybody who can reach it, but no page of another site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlAccess {
    /// Who is let in; none: nobody is asked.
    pub admitted: Vec<Admitted>,
    /// Names that this P-8 is known by to browsers, in lower case, without a port.
    pub hosts: Vec<String>,
}

/// One way to prove who a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admitted {
    /// `Authorization: Bearer` with this token.
    Bearer(Secret),
    /// `Authorization: Basic` with this user and password, joined by a colon.
    Basic(Secret),
    /// `Authorization: Bearer` with a JWT of this issuer, signed with this key, that has not expired.
    Issuer {
        /// The claim `iss`.
        iss: String,
        /// What its signature is checked with.
        key: SigKey,
    },
}

/// A secret, of which only a digest is kept. Not shown by `Debug`.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Keeps the digest of a secret.
    pub fn new(secret: &[u8]) -> Secret {
        Secret(Sha256::digest(secret).into())
    }

    /// Compares in a time that tells nothing of either.
    fn equals(&self, other: &Secret) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.equals(other).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a request says of itself; a header that is there and cannot be read counts as `U+FFFD`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// `Host`
    pub host: Option<&'a str>,
    /// `Origin`
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`
    pub fetch_site: Option<&'a str>,
    /// `Authorization`
    pub authorization: Option<&'a str>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A browser asks for a page of another site.
    #[error("pages of other sites may not use the control port; open its address directly")]
    CrossSite,
    /// The request came by a name that may lead anywhere.
    #[error(
        "expected an address, localhost or a name in [control] hosts as the request's Host; \
         other names are refused as long as [control] auth is not set"
    )]
    UnknownHost,
    /// Nothing proves who the request comes from.
    #[error("expected credentials in Authorization")]
    NoCredentials,
    /// What should prove it does not.
    #[error("these credentials are not known here, or have expired")]
    BadCredentials,
}

impl AccessError {
    /// Names the cause in a stable word.
    pub fn code(self) -> &'static str {
        match self {
            AccessError::CrossSite => "cross-site",
            AccessError::UnknownHost => "unknown-host",
            AccessError::NoCredentials => "no-credentials",
            AccessError::BadCredentials => "bad-credentials",
        }
    }

    /// Tells whether other credentials would help.
    pub fn wants_credentials(self) -> bool {
        matches!(
            self,
            AccessError::NoCredentials | AccessError::BadCredentials
        )
    }
}

impl ControlAccess {
    /// Tells whether somebody has to prove who they are.
    pub fn is_guarded(&self) -> bool {
        !self.admitted.is_empty()
    }

    /// Weighs a request.
    ///
    /// **Units**: seconds since 1970.
    pub fn check(&self, asked: &Asked<'_>, now_unix_secs: u64) -> Result<(), AccessError> {
        if self.is_cross_site(asked) {
            return Err(AccessError::CrossSite);
        }
        if !self.is_guarded() {
            return match asked.host.is_none_or(|host| self.is_harmless(host)) {
                true => Ok(()),
                false => Err(AccessError::UnknownHost),
            };
        }
        let Some(authorization) = asked.authorization else {
            return Err(AccessError::NoCredentials);
        };
        match self.admits(authorization, now_unix_secs) {
            true => Ok(()),
            false => Err(AccessError::BadCredentials),
        }
    }

    /// Yields the values of `WWW-Authenticate`: what a client may try.
    pub fn challenges(&self) -> impl Iterator<Item = &'static str> {
        let has = |is_basic: bool| {
            let kinds = self.admitted.iter();
            let mut kinds = kinds.map(|admitted| matches!(admitted, Admitted::Basic(_)));
            kinds.any(|kind| kind == is_basic)
        };
        let basic = has(true).then_some("Basic realm=\"P-8\", charset=\"UTF-8\"");
        let bearer = has(false).then_some("Bearer realm=\"P-8\"");
        bearer.into_iter().chain(basic)
    }

    /// Looks at everybody who is let in, so that the time does not tell who it was.
    fn admits(&self, authorization: &str, now_unix_secs: u64) -> bool {
        let (scheme, value) = authorization.split_once(' ').unwrap_or_default();
        let value = value.trim_matches(' ');
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let user = is("basic").then(|| STANDARD.decode(value).ok()).flatten();
        let user = user.map(|user| Secret::new(&user));
        let token = is("bearer").then_some(value);
        let secret = token.map(|token| Secret::new(token.as_bytes()));
        let mut is_admitted = Choice::from(0);
        for admitted in &self.admitted {
            is_admitted |= match admitted {
                Admitted::Bearer(known) => matches(known, &secret),
                Admitted::Basic(known) => matches(known, &user),
                Admitted::Issuer { iss, key } => {
                    let is_his = |token| sig::verify_issued(key, iss, token, now_unix_secs);
                    Choice::from(u8::from(token.is_some_and(is_his)))
                }
            };
        }
        is_admitted.into()
    }

    /// Tells whether a browser asks for a page of another site, or may be made to believe that it does
    /// not.
    ///
    /// A name that leads here is no proof that the page does: its owner may point it anywhere. So where
    /// nobody proves who they are, a browser is believed only if it came by a name that is P-8's own.
    fn is_cross_site(&self, asked: &Asked<'_>) -> bool {
        let of_origin = asked
            .origin
            .map(|origin| origin.split_once("://").map(|(_, authority)| authority));
        if of_origin.flatten().is_some_and(|origin| self.names(origin)) {
            return false;
        }
        if asked
            .fetch_site
            .is_some_and(|site| !matches!(site, "same-origin" | "none"))
        {
            return true;
        }
        let Some(of_origin) = of_origin else {
            return false;
        };
        let is_own = |host| self.is_guarded() || is_own_name(host);
        of_origin.is_none() || of_origin != asked.host || !asked.host.is_some_and(is_own)
    }

    /// Tells whether a `Host` is P-8's own, or a name that nobody on the internet can have.
    fn is_harmless(&self, host: &str) -> bool {
        let name = without_port(host);
        let is_bare = !name.is_empty() && name.bytes().all(|byte| byte != b'.' && byte.is_ascii());
        is_bare || is_own_name(host) || self.names(host)
    }

    /// Tells whether a `Host` is one of those in the configuration.
    fn names(&self, host: &str) -> bool {
        let name = without_port(host);
        let mut hosts = self.hosts.iter();
        hosts.any(|host| host.eq_ignore_ascii_case(name))
    }
}

fn matches(known: &Secret, given: &Option<Secret>) -> Choice {
    given
        .as_ref()
        .map_or(Choice::from(0), |given| known.equals(given))
}

/// Tells whether a `Host` is an address or `localhost`, whatever its port.
fn is_own_name(host: &str) -> bool {
    let name = without_port(host);
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost") || bare.unwrap_or(name).parse::<IpAddr>().is_ok()
}

fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests;
