//! The second stage of `unix_listen`: paths, and who may connect.
//!
//! It creates no socket.

use nix::unistd::{Group, User};

use super::check::Checker;
use super::error::ConfigError;
use super::file::OneOrMore;
use super::settings::UnixSocket;

/// Longest path of a unix socket.
const PATH_MAX: usize = 107;

/// Turns the texts into settings.
pub(super) fn check(
    checker: &Checker,
    written: &Option<OneOrMore>,
) -> Result<Vec<UnixSocket>, ConfigError> {
    let texts = checker.each(&["http", "unix_listen"], written);
    texts
        .iter()
        .map(|(place, text)| {
            socket(checker, text)
                .map_err(|expected| checker.origin.wrong(place.as_slice(), text, expected))
        })
        .collect()
}

/// Reads `path?mode=600&user=name&group=name`; or says what was expected.
fn socket(checker: &Checker, text: &str) -> Result<UnixSocket, &'static str> {
    let (path, parameters) = text.split_once('?').unwrap_or((text, ""));
    let mut socket = UnixSocket {
        path: checker.origin.beside(path),
        ..UnixSocket::default()
    };
    if path.is_empty() || socket.path.as_os_str().len() > PATH_MAX {
        return Err("a path of at most 107 bytes");
    }
    for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "mode" => {
                let mode = u32::from_str_radix(value, 8).ok();
                let mode = mode.filter(|mode| *mode <= 0o777);
                socket.mode = Some(mode.ok_or("a mode from 0 to 777 in octal, such as 660")?);
            }
            "user" => socket.user = Some(user(value).ok_or("a user that there is")?),
            "group" => socket.group = Some(group(value).ok_or("a group that there is")?),
            _ => return Err("path?mode=600&user=name&group=name, each of them optional"),
        }
    }
    Ok(socket)
}

fn user(name: &str) -> Option<u32> {
    let named = || Some(User::from_name(name).ok()??.uid.as_raw());
    name.parse().ok().or_else(named)
}

fn group(name: &str) -> Option<u32> {
    let named = || Some(Group::from_name(name).ok()??.gid.as_raw());
    name.parse().ok().or_else(named)
}
