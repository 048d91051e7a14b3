//! Certificates as values: from PEM to what a handshake needs, until when they hold, and which one a
//! client gets.
//!
//! It trusts nobody: a server's own certificates need no trust. Files are read by whoever calls.
//!
//! Source: RFC 5280 section 4.1, RFC 7468.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustls::{
    crypto::ring,
    pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
    Error,
};

use super::tls_options::CertificateFiles;
use crate::grip::error::Side;

/// Says why two PEM texts are no certificate that could be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The text of the chain holds none.
    #[error("holds no certificate, expected PEM that begins -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// A certificate in the chain is none.
    #[error("holds a certificate that cannot be read: {0}")]
    BadCertificate(String),
    /// The text of the key holds none.
    #[error("holds no private key, expected PEM that begins -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The key is of no kind that can sign.
    #[error("holds a private key that cannot be used: {0}")]
    BadKey(String),
    /// The key belongs to another certificate.
    #[error("holds a private key that does not belong to the certificate")]
    Mismatch,
}

impl CertificateError {
    /// Says whose fault it is.
    pub fn side(&self) -> Side {
        Side::Operator
    }

    /// Names the cause in a stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "certificate-missing",
            Self::BadCertificate(_) => "certificate-unreadable",
            Self::NoKey => "certificate-key-missing",
            Self::BadKey(_) => "certificate-key-unusable",
            Self::Mismatch => "certificate-key-mismatch",
        }
    }

    /// Tells whether it is the file of the key that is wrong, not that of the chain.
    pub fn is_in_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::BadKey(_) | Self::Mismatch)
    }
}

/// Reads a chain and its key.
///
/// **Errors**: see [`CertificateError`].
pub fn parse(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| CertificateError::BadCertificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
    let provider = ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => CertificateError::Mismatch,
        Error::InvalidCertificate(error) => CertificateError::BadCertificate(format!("{error:?}")),
        error => CertificateError::BadKey(error.to_string()),
    })
}

/// Says which file cannot be served, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: FileFault,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// The system does not give it out.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// What is in it is of no use.
    #[error(transparent)]
    Content(#[from] CertificateError),
    /// There are more like it than are served.
    #[error("holds more than {CERTIFICATES_MAX} certificates")]
    TooMany,
}

impl FileFault {
    /// Names the cause in a stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "certificate-file",
            Self::Content(error) => error.code(),
            Self::TooMany => "certificates-max",
        }
    }
}

/// Most certificates of a folder.
pub const CERTIFICATES_MAX: usize = 10_000;

/// Reads the certificate of a pair of files.
///
/// **Errors**: the file at fault.
pub fn load(
    files: &CertificateFiles,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<CertifiedKey, FileError> {
    let at = |file: &Path, why| FileError {
        file: file.to_owned(),
        why,
    };
    let content = |file: &Path| read(file).map_err(|error| at(file, error.into()));
    let (chain, key) = (content(&files.chain)?, content(&files.key)?);
    parse(&chain, &key).map_err(|error| match error.is_in_key() {
        true => at(&files.key, error.into()),
        false => at(&files.chain, error.into()),
    })
}

/// Finds the certificates of a folder by the names of its files: `NAME.crt` with `NAME.key`.
///
/// **Bounds**: [`CERTIFICATES_MAX`]; `None` if there are more.
pub fn pairs(
    folder: &Path,
    files: impl Iterator<Item = String>,
) -> Option<BTreeMap<String, CertificateFiles>> {
    let mut pairs = BTreeMap::new();
    for file in files {
        let Some(name) = file.strip_suffix(".crt") else {
            continue;
        };
        let files = CertificateFiles {
            chain: folder.join(&file),
            key: folder.join(format!("{name}.key")),
        };
        pairs.insert(name.to_ascii_lowercase(), files);
        if pairs.len() > CERTIFICATES_MAX {
            return None;
        }
    }
    Some(pairs)
}

/// Returns until when a certificate holds, since 1970; none if it does not say so in a readable way.
pub fn holds_until(certificate: &CertifiedKey) -> Option<Duration> {
    let outer = Der(certificate.cert.first()?).enter(SEQUENCE)?;
    let mut fields = outer.enter(SEQUENCE)?;
    if fields.0.first() == Some(&VERSION) {
        fields.skip()?;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields.skip()?;
    }
    let mut validity = fields.enter(SEQUENCE)?;
    validity.skip()?;
    let (tag, text) = validity.value()?;
    let text = std::str::from_utf8(text).ok()?;
    match tag {
        UTC_TIME => {
            let century = if text.get(..2)? < "50" { "20" } else { "19" };
            seconds(&[century, text].concat())
        }
        GENERALIZED_TIME => seconds(text),
        _ => None,
    }
}

/// Yields the names of files that a client's certificate may have, the best first: for its server name,
/// for one level of a wildcard, for the port, for all.
pub fn candidates(server_name: Option<&str>, port: u16) -> impl Iterator<Item = String> {
    let name = server_name.map(str::to_ascii_lowercase);
    let rest = name.as_deref().and_then(|name| name.split_once('.'));
    let wildcard = rest.map(|(_, rest)| format!("_.{rest}"));
    let defaults = [format!("default_{port}"), "default".to_owned()];
    name.into_iter().chain(wildcard).chain(defaults)
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// What is left of a DER structure.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn value(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let len = bytes
                    .iter()
                    .fold(0, |len, byte| len << 8 | usize::from(*byte));
                (len, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((*tag, value))
    }

    fn skip(&mut self) -> Option<()> {
        self.value().map(drop)
    }

    /// Enters the next value, which must be of that kind.
    fn enter(&self, tag: u8) -> Option<Der<'a>> {
        let (found, value) = Der(self.0).value()?;
        (found == tag).then_some(Der(value))
    }
}

/// Reads `YYYYMMDDhhmmssZ`.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.strip_suffix('Z')?;
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(8..10)?, number(10..12)?, number(12..14)?);
    // Days since 1970 of a date whose year begins in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era_days = year * 365 + year / 4 - year / 100 + year / 400;
    let days = era_days + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(days_from_2026: i64) -> (String, String) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(2026, 1, 1)
            + std::time::Duration::from_secs(days_from_2026.unsigned_abs() * 86_400);
        let certificate = params.self_signed(&key).expect("a certificate");
        (
            pem("CERTIFICATE", certificate.der()),
            pem("PRIVATE KEY", key.serialized_der()),
        )
    }

    fn pem(label: &str, der: &[u8]) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    }

    #[test]
    fn a_certificate_with_its_key_says_until_when_it_holds() {
        let (chain, key) = signed(59);
        let certificate = parse(chain.as_bytes(), key.as_bytes()).expect("a certificate");
        // 2026-03-01T00:00:00Z
        assert_eq!(
            holds_until(&certificate),
            Some(Duration::from_secs(1_772_323_200))
        );
    }

    #[test]
    fn what_is_no_certificate_is_told() {
        let ((chain, key), (other, _)) = (signed(1), signed(1));
        let error = |chain: &str, key: &str| parse(chain.as_bytes(), key.as_bytes()).err();
        assert_eq!(error("", &key), Some(CertificateError::NoCertificate));
        assert_eq!(error(&chain, ""), Some(CertificateError::NoKey));
        assert_eq!(error(&other, &key), Some(CertificateError::Mismatch));
        let broken = chain.replace("MII", "M*I");
        assert!(matches!(
            error(&broken, &key),
            Some(CertificateError::BadCertificate(_))
        ));
        let junk = pem("PRIVATE KEY", b"no key");
        assert!(matches!(
            error(&chain, &junk),
            Some(CertificateError::BadKey(_))
        ));
    }

    #[test]
    fn times_are_read() {
        let unix = |text| seconds(text).map(|time| time.as_secs());
        assert_eq!(unix("19700101000000Z"), Some(0));
        assert_eq!(unix("20000229235959Z"), Some(951_868_799));
        assert_eq!(unix("20380119031408Z"), Some(2_147_483_648));
        assert_eq!(unix("2038"), None);
        assert_eq!(unix("19691231235959Z"), None);
    }

    #[test]
    fn the_best_file_is_that_of_the_name() {
        let of = |name, port| candidates(name, port).collect::<Vec<_>>().join(" ");
        assert_eq!(
            of(Some("WWW.example.com"), 443),
            "www.example.com _.example.com default_443 default"
        );
        assert_eq!(of(Some("localhost"), 1), "localhost default_1 default");
        assert_eq!(of(None, 7443), "default_7443 default");
    }
}
