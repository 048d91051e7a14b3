//! `[control]`, as it is written and as it is used: where publishers and operators come in, and what
//! they have to prove.
//!
//! It lets nobody in, see `engine::control_access`.

use std::net::Ipv4Addr;

use serde::Deserialize;

use super::check::Checker;
use super::error::ConfigError;
use super::file::{One, OneOrMore};
use super::ControlSettings;
use crate::engine::control_access::{Admitted, ControlAccess, Secret};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    listen: Option<One>,
    auth: Option<Vec<Credentials>>,
    hosts: Option<OneOrMore>,
    max_headers_size: Option<u64>,
    max_body_size: Option<u64>,
    publishes_max: Option<u64>,
    reload_on_change: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    bearer: Option<String>,
    user: Option<String>,
    password: Option<String>,
    iss: Option<String>,
    key: Option<String>,
}

/// Turns the table into settings.
pub(super) fn check(
    checker: &Checker,
    written: Control,
    default: ControlSettings,
) -> Result<ControlSettings, ConfigError> {
    let key = |key| ["control", key];
    let listen = match written.listen {
        Some(listen) => checker.address(&key("listen"), &listen.0, Ipv4Addr::LOCALHOST)?,
        None => default.listen,
    };
    let mut access = ControlAccess::default();
    for (index, credentials) in written.auth.into_iter().flatten().enumerate() {
        let admitted = admitted(checker, &index.to_string(), credentials)?;
        access.admitted.push(admitted);
    }
    access.hosts = hosts(checker, &written.hosts)?;
    let control = ControlSettings {
        listen,
        access,
        max_headers_size: checker.number(
            &key("max_headers_size"),
            written.max_headers_size,
            default.max_headers_size,
            1024..=1_048_576,
        )?,
        max_body_size: checker.number(
            &key("max_body_size"),
            written.max_body_size,
            default.max_body_size,
            1024..=1_073_741_824,
        )?,
        publishes_max: checker.number(
            &key("publishes_max"),
            written.publishes_max,
            default.publishes_max,
            1..=1_000_000,
        )?,
        reload_on_change: written.reload_on_change.unwrap_or(default.reload_on_change),
    };
    match control.is_open() {
        true => Err(ConfigError::OpenControl {
            place: checker.origin.place(&key("listen")),
            found: listen.to_string(),
        }),
        false => Ok(control),
    }
}

/// Checks one entry of `auth`.
fn admitted(checker: &Checker, index: &str, written: Credentials) -> Result<Admitted, ConfigError> {
    let path = |key| ["control", "auth", index, key];
    let Credentials {
        bearer,
        user,
        password,
        iss,
        key,
    } = written;
    match (bearer, (user, password), (iss, key)) {
        (Some(bearer), (None, None), (None, None)) => {
            let token = checker.secret(&path("bearer"), bearer)?;
            let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic());
            match is_plain {
                true => Ok(Admitted::Bearer(Secret::new(token.as_bytes()))),
                false => Err(ConfigError::WrongValue {
                    place: checker.origin.place(&path("bearer")),
                    found: "a secret that cannot stand in a header".to_owned(),
                    expected: "printable ASCII without blanks".to_owned(),
                }),
            }
        }
        (None, (Some(user), Some(password)), (None, None)) => {
            if user.contains(':') {
                let expected = "a name without a colon";
                return Err(checker.origin.wrong(&path("user"), &user, expected));
            }
            let password = checker.secret(&path("password"), password)?;
            let both = format!("{user}:{password}");
            Ok(Admitted::Basic(Secret::new(both.as_bytes())))
        }
        (None, (None, None), (Some(iss), Some(key))) => {
            let key = match key.starts_with(FROM_ENVIRONMENT) {
                true => checker.secret(&path("key"), key)?,
                false => key,
            };
            match checker.verifying_key(&path("key"), Some(key))? {
                Some(key) => Ok(Admitted::Issuer { iss, key }),
                None => Err(checker.empty_secret(&path("key"))),
            }
        }
        _ => Err(ConfigError::WrongValue {
            place: checker.origin.place(&["control", "auth", index]),
            found: "other keys".to_owned(),
            expected: "bearer alone, user and password, or iss and key".to_owned(),
        }),
    }
}

/// Checks the names that browsers know this P-8 by.
fn hosts(checker: &Checker, written: &Option<OneOrMore>) -> Result<Vec<String>, ConfigError> {
    let names = checker.each(&["control", "hosts"], written);
    let names = names.into_iter().map(|(place, name)| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        match name.bytes().all(is_letter) {
            true => Ok(name.to_ascii_lowercase()),
            false => {
                let expected = "a host name without a port, such as \"push.internal\"";
                Err(checker.origin.wrong(&place, name, expected))
            }
        }
    });
    names.collect()
}

/// What stands before the name of a variable.
const FROM_ENVIRONMENT: &str = "env:";

impl Checker<'_> {
    /// Reads a secret: a text, the content of a file without blanks around it, or a variable's value.
    fn secret(&self, path: &[impl AsRef<str>], written: String) -> Result<String, ConfigError> {
        let secret = if let Some(variable) = written.strip_prefix(FROM_ENVIRONMENT) {
            let value = self.origin.variable_value(variable);
            value.ok_or_else(|| ConfigError::WrongValue {
                place: self.origin.place(path),
                found: format!("{variable}, which is not set"),
                expected: "env: and a variable of the environment".to_owned(),
            })?
        } else if let Some(named) = written.strip_prefix("file:") {
            let content = String::from_utf8(self.content(path, named)?);
            let content = content
                .map_err(|_| self.unusable(path, named, "it is not UTF-8 text".to_owned()))?;
            content.trim().to_owned()
        } else {
            written
        };
        match secret.is_empty() {
            true => Err(self.empty_secret(path)),
            false => Ok(secret),
        }
    }

    fn empty_secret(&self, path: &[impl AsRef<str>]) -> ConfigError {
        ConfigError::WrongValue {
            place: self.origin.place(path),
            found: "an empty secret".to_owned(),
            expected: "a text, \"file:path\" or \"env:NAME\"".to_owned(),
        }
    }
}
