//! What the second stage checks values with: bounds, addresses, keys, and the list of warnings.
//!
//! It knows single values, not the tables they stand in: see `tables` and `routes`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::ConfigError;
use super::file::OneOrMore;
use super::origin::Origin;
use crate::engine::route::{ClientCertificate, Pem};
use crate::grip::error::SigError;
use crate::grip::sig::{self, SigKey};

/// Checks values and gathers warnings.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    pub(super) origin: &'a Origin<'a>,
    pub(super) warnings: Vec<String>,
}

impl Checker<'_> {
    /// Notes what an operator may not have meant.
    pub(super) fn warn(&mut self, path: &[impl AsRef<str>], why: &str) {
        self.warnings
            .push(format!("{}: {why}", self.origin.place(path)));
    }

    /// Notes that a key has no effect as other keys are set.
    pub(super) fn no_effect(&mut self, path: &[impl AsRef<str>], why: &str) {
        self.warnings
            .push(format!("{}: has no effect, {why}", self.origin.place(path)));
    }

    /// Checks a number against its bounds.
    pub(super) fn number(
        &self,
        path: &[impl AsRef<str>],
        value: Option<u64>,
        default: usize,
        bounds: RangeInclusive<u64>,
    ) -> Result<usize, ConfigError> {
        let Some(value) = value else {
            return Ok(default);
        };
        match usize::try_from(value) {
            Ok(number) if bounds.contains(&value) => Ok(number),
            _ => Err(ConfigError::WrongValue {
                place: self.origin.place(path),
                found: format!("the number {value}"),
                expected: format!("{} to {}", bounds.start(), bounds.end()),
            }),
        }
    }

    /// Checks a time against its bounds, both in seconds.
    pub(super) fn secs(
        &self,
        path: &[impl AsRef<str>],
        value: Option<u64>,
        default: Duration,
        bounds: RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        let value = value.map(|secs| (secs, Duration::from_secs(secs)));
        self.time(path, value, default, bounds)
    }

    /// Checks a time against its bounds, both in milliseconds.
    pub(super) fn millis(
        &self,
        path: &[impl AsRef<str>],
        value: Option<u64>,
        default: Duration,
        bounds: RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        let value = value.map(|millis| (millis, Duration::from_millis(millis)));
        self.time(path, value, default, bounds)
    }

    /// Checks a time by the number that was written for it.
    fn time(
        &self,
        path: &[impl AsRef<str>],
        value: Option<(u64, Duration)>,
        default: Duration,
        bounds: RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        let Some((number, time)) = value else {
            return Ok(default);
        };
        self.number(path, Some(number), 0, bounds)?;
        Ok(time)
    }

    /// Checks the permissions of a unix socket.
    pub(super) fn file_mode(
        &self,
        path: &[impl AsRef<str>],
        written: Option<&str>,
    ) -> Result<Option<u32>, ConfigError> {
        let Some(text) = written else {
            return Ok(None);
        };
        let mode = u32::from_str_radix(text, 8).ok();
        match mode.filter(|mode| *mode <= 0o777) {
            Some(mode) => Ok(Some(mode)),
            None => {
                let expected = "permissions such as \"600\", octal";
                Err(self.origin.wrong(path, text, expected))
            }
        }
    }

    /// Yields the texts of a list, or the only one, with their places.
    pub(super) fn each<'t>(
        &self,
        path: &[&str],
        written: &'t Option<OneOrMore>,
    ) -> Vec<(Vec<String>, &'t str)> {
        let is_list = written.as_ref().is_some_and(|written| written.is_list);
        let texts = written.iter().flat_map(|written| &written.values);
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        let place = |index: usize| match is_list {
            true => [&path[..], &[index.to_string()]].concat(),
            false => path.clone(),
        };
        let texts = texts.enumerate();
        let all = texts.map(|(index, text)| (place(index), text.as_str()));
        all.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// Checks a list of addresses; a port alone means any address.
    pub(super) fn addresses(
        &self,
        path: &[&str],
        written: &OneOrMore,
    ) -> Result<Vec<SocketAddr>, ConfigError> {
        let mut addresses = Vec::with_capacity(written.values.len());
        for (index, text) in written.values.iter().enumerate() {
            let index = index.to_string();
            let place = if written.is_list {
                [path, &[&index]].concat()
            } else {
                path.to_vec()
            };
            addresses.push(self.address(&place, text, Ipv4Addr::UNSPECIFIED)?);
        }
        if addresses.is_empty() {
            return Err(ConfigError::WrongValue {
                place: self.origin.place(path),
                found: "an empty list".to_owned(),
                expected: "at least one address such as \"0.0.0.0:7999\"".to_owned(),
            });
        }
        Ok(addresses)
    }

    /// Checks one address; `any` is what a port alone stands for.
    pub(super) fn address(
        &self,
        path: &[impl AsRef<str>],
        text: &str,
        any: Ipv4Addr,
    ) -> Result<SocketAddr, ConfigError> {
        parse_address(text, any).ok_or_else(|| {
            let expected = "an address such as \"127.0.0.1:7999\", \"[::1]:7999\", or a port";
            self.origin.wrong(path, text, expected)
        })
    }

    /// Checks a signing key, and reads its file if it names one; empty means none.
    pub(super) fn key(
        &self,
        path: &[impl AsRef<str>],
        text: Option<String>,
    ) -> Result<Option<SigKey>, ConfigError> {
        self.key_that(path, text, able_to_sign)
    }

    /// The same for a key that only verifies: a public one will do.
    pub(super) fn verifying_key(
        &self,
        path: &[impl AsRef<str>],
        text: Option<String>,
    ) -> Result<Option<SigKey>, ConfigError> {
        self.key_that(path, text, Ok)
    }

    fn key_that(
        &self,
        path: &[impl AsRef<str>],
        text: Option<String>,
        is_able: fn(SigKey) -> Result<SigKey, SigError>,
    ) -> Result<Option<SigKey>, ConfigError> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let Some(named) = text.strip_prefix("file:") else {
            let key = SigKey::from_text(&text).and_then(is_able);
            return key.map(Some).map_err(|error| ConfigError::WrongValue {
                place: self.origin.place(path),
                found: format!("a key that cannot be used ({error})"),
                expected: "a text, \"base64:...\" or \"file:path\"".to_owned(),
            });
        };
        let content = self.content(path, named)?;
        let key = SigKey::from_file_content(&content).and_then(is_able);
        key.map(Some)
            .map_err(|error| self.unusable(path, named, error.to_string()))
    }

    /// Reads a file that a key names.
    pub(super) fn content(
        &self,
        path: &[impl AsRef<str>],
        named: &str,
    ) -> Result<Vec<u8>, ConfigError> {
        let content = std::fs::read(self.origin.beside(named));
        content.map_err(|error| self.unusable(path, named, error.to_string()))
    }

    pub(super) fn unusable(
        &self,
        path: &[impl AsRef<str>],
        named: &str,
        reason: String,
    ) -> ConfigError {
        ConfigError::KeyFile {
            place: self.origin.place(path),
            path: self.origin.beside(named).display().to_string(),
            reason,
        }
    }

    /// Reads the certificates of authorities; an empty name means none.
    pub(super) fn authorities(
        &self,
        path: &[impl AsRef<str>],
        named: Option<&str>,
    ) -> Result<Option<Pem>, ConfigError> {
        let Some(named) = named.filter(|named| !named.is_empty()) else {
            return Ok(None);
        };
        let pem = Pem::new(&self.content(path, named)?);
        match pem.authorities() {
            Ok(_) => Ok(Some(pem)),
            Err(reason) => Err(self.unusable(path, named, reason)),
        }
    }

    /// Reads a certificate for clients and its key.
    pub(super) fn client_certificate(
        &self,
        (chain_path, chain): (&[&str], &str),
        (key_path, key): (&[&str], &str),
    ) -> Result<ClientCertificate, ConfigError> {
        let client = ClientCertificate {
            chain: Pem::new(&self.content(chain_path, chain)?),
            key: Pem::new(&self.content(key_path, key)?),
        };
        if let Err(reason) = client.chain.certificates() {
            return Err(self.unusable(chain_path, chain, reason));
        }
        match client.parsed() {
            Ok(_) => Ok(client),
            Err(reason) => Err(self.unusable(key_path, key, reason)),
        }
    }
}

/// Signs once, because a public key is a key but makes no signature.
fn able_to_sign(key: SigKey) -> Result<SigKey, SigError> {
    sig::sign(&key, "", 0).map(|_| key)
}

/// Tells whether a text is there and not empty.
pub(super) fn given(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

/// Reads `addr:port`, `[v6]:port`, `localhost:port`, `:port`, `*:port` or `port`.
pub(super) fn parse_address(text: &str, any: Ipv4Addr) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (name, port) = text.rsplit_once(':').unwrap_or(("", text));
    let ip = match name {
        "" => any,
        "*" => Ipv4Addr::UNSPECIFIED,
        "localhost" => Ipv4Addr::LOCALHOST,
        _ => return None,
    };
    Some(SocketAddr::new(IpAddr::V4(ip), port.parse().ok()?))
}
