//! The second stage of the `tls_` keys: which files there are, and that they can be served.
//!
//! What is loaded here is thrown away: `http::certificates` loads and watches.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::check::{given, Checker};
use super::error::ConfigError;
use super::file;
use crate::engine::certificate::{self, FileError, FileFault};
use crate::engine::tls_options::{CertificateFiles, TlsOptions, TlsVersion};

/// A certificate that ends sooner is worth a warning.
const SOON: Duration = Duration::from_secs(7 * 86_400);

/// Turns the keys into options, and loads every certificate once if TLS is spoken.
pub(super) fn check(
    checker: &mut Checker,
    written: &file::Http,
    is_spoken: bool,
) -> Result<TlsOptions, ConfigError> {
    let options = TlsOptions {
        default: default(checker, written)?,
        folder: path(checker, &written.tls_certs),
        min_version: match written.tls_min_version {
            Some(file::TlsVersion::V1_3) => TlsVersion::V1_3,
            Some(file::TlsVersion::V1_2) | None => TlsVersion::V1_2,
        },
    };
    if !is_spoken {
        for (key, is_set) in [
            ("tls_cert", options.default.is_some()),
            ("tls_certs", options.folder.is_some()),
        ] {
            if is_set {
                checker.no_effect(&["http", key], "without tls_listen no TLS is spoken");
            }
        }
        return Ok(options);
    }
    let mut found = Found::default();
    if let Some(files) = &options.default {
        found.load(checker, "tls_cert", files)?;
    }
    if let Some(folder) = &options.folder {
        found.load_all(checker, folder)?;
    }
    match found.certificates {
        0 => Err(ConfigError::Missing {
            place: checker.origin.place(&["http", "tls_cert"]),
            expected: "tls_cert and tls_key, or certificates in tls_certs, as tls_listen is set"
                .to_owned(),
        }),
        _ => Ok(options),
    }
}

fn path(checker: &Checker, written: &Option<String>) -> Option<std::path::PathBuf> {
    let named = written.as_ref().filter(|text| !text.is_empty());
    named.map(|named| checker.origin.beside(named))
}

fn default(
    checker: &Checker,
    written: &file::Http,
) -> Result<Option<CertificateFiles>, ConfigError> {
    let missing = |key, other| ConfigError::Missing {
        place: checker.origin.place(&["http", key]),
        expected: format!("a PEM file, as {other} is set"),
    };
    match (given(&written.tls_cert), given(&written.tls_key)) {
        (true, false) => return Err(missing("tls_key", "tls_cert")),
        (false, true) => return Err(missing("tls_cert", "tls_key")),
        _ => {}
    }
    let files = path(checker, &written.tls_cert).zip(path(checker, &written.tls_key));
    Ok(files.map(|(chain, key)| CertificateFiles { chain, key }))
}

#[derive(Default)]
struct Found {
    certificates: usize,
}

impl Found {
    fn load_all(&mut self, checker: &mut Checker, folder: &Path) -> Result<(), ConfigError> {
        let at = |why| FileError {
            file: folder.to_owned(),
            why,
        };
        let wrong = |checker: &Checker, why| unusable(checker, "tls_certs", &at(why));
        let files = fs::read_dir(folder).map_err(|error| wrong(checker, error.into()))?;
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let pairs =
            certificate::pairs(folder, names).ok_or_else(|| wrong(checker, FileFault::TooMany))?;
        pairs
            .values()
            .try_for_each(|files| self.load(checker, "tls_certs", files))
    }

    fn load(
        &mut self,
        checker: &mut Checker,
        key: &str,
        files: &CertificateFiles,
    ) -> Result<(), ConfigError> {
        let loaded = certificate::load(files, |file| fs::read(file));
        let loaded = loaded.map_err(|error| {
            let is_key = key == "tls_cert" && error.file == files.key;
            unusable(checker, if is_key { "tls_key" } else { key }, &error)
        })?;
        self.certificates += 1;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let ends = certificate::holds_until(&loaded);
        let left = now.ok().zip(ends).map(|(now, end)| end.checked_sub(now));
        let state = match left {
            Some(None) => "has expired".to_owned(),
            Some(Some(left)) if left < SOON => {
                format!("expires in {} days", left.as_secs() / 86_400)
            }
            _ => return Ok(()),
        };
        let (place, file) = (checker.origin.place(&["http", key]), files.chain.display());
        let warning = format!("{place}: the certificate {file} {state}");
        checker.warnings.push(warning);
        Ok(())
    }
}

fn unusable(checker: &Checker, key: &str, error: &FileError) -> ConfigError {
    ConfigError::Certificate {
        place: checker.origin.place(&["http", key]),
        file: error.file.display().to_string(),
        reason: error.why.to_string(),
    }
}
