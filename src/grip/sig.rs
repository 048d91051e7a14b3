//! `Grip-Sig`: the JWT that tells a backend that a request came through a GRIP proxy.
//!
//! Reads no file and no clock: whoever calls gives the content of key files and the time.
//!
//! Source: RFC 7519; algorithms HS256, ES256 and RS256 of RFC 7518, chosen by the key.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{de::DeserializeOwned, Deserialize, Serialize};

use super::error::SigError;
use super::lenient::{self, hex_digit};

/// A key to sign with, to verify with, or both. Cloning shares it.
#[derive(Clone)]
pub struct SigKey(Arc<Keys>);

struct Keys {
    algorithm: Algorithm,
    /// `None` for a public key.
    signing: Option<EncodingKey>,
    verifying: DecodingKey,
    /// What it was made of.
    text: Box<[u8]>,
}

#[derive(Serialize)]
struct Claims<'a> {
    exp: u64,
    iss: &'a str,
}

#[derive(Deserialize)]
struct Expiry {
    /// Seconds; the RFC allows fractions.
    exp: f64,
}

#[derive(Deserialize)]
struct Issued {
    exp: f64,
    iss: String,
    /// Seconds, before which it is not good.
    nbf: Option<f64>,
}

impl SigKey {
    /// Makes a secret key of configuration text.
    ///
    /// **Shape**: `base64:...`, or any other text, whose bytes are the secret.
    ///
    /// **Errors**: an empty secret; `file:...`, because no file is read here.
    pub fn from_text(text: &str) -> Result<SigKey, SigError> {
        if text.starts_with("file:") {
            return Err(SigError::FileName);
        }
        match text.strip_prefix("base64:") {
            Some(base64) => SigKey::from_secret(&lenient::base64(base64.as_bytes())),
            None => SigKey::from_secret(text.as_bytes()),
        }
    }

    /// Makes a key of what a key file holds.
    ///
    /// **Shape**: PEM if it starts with `-----BEGIN`, else a secret in hex digits. PEM: an EC
    /// P-256 key in PKCS#8, or an RSA key; public keys can only verify.
    ///
    /// **Errors**: neither of these, or an empty secret.
    pub fn from_file_content(content: &[u8]) -> Result<SigKey, SigError> {
        let content = content.trim_ascii();
        if content.starts_with(b"-----BEGIN") {
            return SigKey::from_pem(content);
        }
        SigKey::from_secret(&unhex(content).ok_or(SigError::NotHex)?)
    }

    fn from_secret(secret: &[u8]) -> Result<SigKey, SigError> {
        if secret.is_empty() {
            return Err(SigError::Empty);
        }
        Ok(SigKey(Arc::new(Keys {
            algorithm: Algorithm::HS256,
            signing: Some(EncodingKey::from_secret(secret)),
            verifying: DecodingKey::from_secret(secret),
            text: secret.into(),
        })))
    }

    fn from_pem(pem: &[u8]) -> Result<SigKey, SigError> {
        const PRIVATE: &[u8] = b"PRIVATE KEY-----";
        let private = pem.windows(PRIVATE.len()).any(|part| part == PRIVATE);
        let keys = if private {
            private_keys(pem)
        } else {
            public_keys(pem)
        };
        keys.map(|keys| SigKey(Arc::new(keys))).ok_or(SigError::Pem)
    }
}

/// Keys are the same if they were made of the same bytes.
impl PartialEq for SigKey {
    fn eq(&self, other: &SigKey) -> bool {
        self.0.algorithm == other.0.algorithm && self.0.text == other.0.text
    }
}

impl Eq for SigKey {}

/// Shows the algorithm only.
impl fmt::Debug for SigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigKey")
            .field("algorithm", &self.0.algorithm)
            .finish_non_exhaustive()
    }
}

/// Makes a token.
///
/// **Shape**: JOSE header `{"typ":"JWT","alg":"HS256"}`, claims `exp` and `iss` only.
///
/// **Units**: seconds since 1970.
///
/// **Errors**: a public key.
///
/// ```
/// use p8::grip::sig::{sign, verify, SigKey};
///
/// let key = SigKey::from_text("changeme")?;
/// let token = sign(&key, "pushpin", 1_800_003_600)?;
/// assert!(verify(&key, &token, 1_800_000_000));
/// assert!(!verify(&key, &token, 1_800_003_600));
/// # Ok::<(), p8::grip::SigError>(())
/// ```
pub fn sign(key: &SigKey, iss: &str, exp_unix_secs: u64) -> Result<String, SigError> {
    let signing = key.0.signing.as_ref().ok_or(SigError::PublicKey)?;
    let claims = Claims {
        exp: exp_unix_secs,
        iss,
    };
    jsonwebtoken::encode(&Header::new(key.0.algorithm), &claims, signing)
        .map_err(|error| SigError::Failed(error.to_string()))
}

/// Says whether a token was signed with the key and its `exp` is still ahead; `iss` is not looked
/// at.
///
/// **Units**: seconds since 1970.
pub fn verify(key: &SigKey, token: &str, now_unix_secs: u64) -> bool {
    claims::<Expiry>(key, token).is_some_and(|claims| claims.exp > now_unix_secs as f64)
}

/// As [`verify`], and that the token is of this issuer, and good already.
///
/// ```
/// use p8::grip::sig::{sign, verify_issued, SigKey};
///
/// let key = SigKey::from_text("changeme")?;
/// let token = sign(&key, "realm", 1_800_003_600)?;
/// assert!(verify_issued(&key, "realm", &token, 1_800_000_000));
/// assert!(!verify_issued(&key, "other", &token, 1_800_000_000));
/// # Ok::<(), p8::grip::SigError>(())
/// ```
pub fn verify_issued(key: &SigKey, iss: &str, token: &str, now_unix_secs: u64) -> bool {
    let now = now_unix_secs as f64;
    let is_good = |claims: Issued| {
        let is_early = claims.nbf.is_some_and(|nbf| nbf > now + CLOCKS_APART_SECS);
        claims.exp > now && !is_early && claims.iss == iss
    };
    claims(key, token).is_some_and(is_good)
}

/// How far an issuer's clock may be ahead.
const CLOCKS_APART_SECS: f64 = 60.0;

/// Returns what a token says, if it was signed with the key.
fn claims<C: DeserializeOwned>(key: &SigKey, token: &str) -> Option<C> {
    let mut validation = Validation::new(key.0.algorithm);
    // The library would ask the system's clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let read = jsonwebtoken::decode::<C>(token, &key.0.verifying, &validation);
    read.ok().map(|token| token.claims)
}

fn private_keys(pem: &[u8]) -> Option<Keys> {
    let candidates = [
        (Algorithm::ES256, EncodingKey::from_ec_pem(pem)),
        (Algorithm::RS256, EncodingKey::from_rsa_pem(pem)),
    ];
    candidates.into_iter().find_map(|(algorithm, signing)| {
        let signing = signing.ok()?;
        // Fails for keys that the PEM reader lets through, as those of other curves.
        let public = Jwk::from_encoding_key(&signing, algorithm).ok()?;
        let verifying = DecodingKey::from_jwk(&public).ok()?;
        Some(Keys {
            algorithm,
            signing: Some(signing),
            verifying,
            text: pem.into(),
        })
    })
}

fn public_keys(pem: &[u8]) -> Option<Keys> {
    let candidates = [
        (Algorithm::ES256, DecodingKey::from_ec_pem(pem)),
        (Algorithm::RS256, DecodingKey::from_rsa_pem(pem)),
    ];
    candidates.into_iter().find_map(|(algorithm, verifying)| {
        Some(Keys {
            algorithm,
            signing: None,
            verifying: verifying.ok()?,
            text: pem.into(),
        })
    })
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    text.chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
