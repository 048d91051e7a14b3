//! Pushpin's listeners, in the words of P-8's.

use super::super::check::parse_address;
use super::draft::list;
use super::notes::Notes;
use super::tables::{Keys, Table};
use super::{Files, Setting};
use std::net::{Ipv4Addr, SocketAddr};

/// Lists the addresses of `http_port` or `https_ports`; what is none is noted.
pub(super) fn addresses(setting: &Setting, notes: &mut Notes) -> Vec<String> {
    let mut addresses = Vec::new();
    for value in setting
        .entry
        .values
        .iter()
        .filter(|value| !value.is_empty())
    {
        match parse_address(value, Ipv4Addr::UNSPECIFIED) {
            Some(address) => addresses.push(address.to_string()),
            None => {
                let text = format!("{value} left out: expected a port or an address with a port");
                notes.add(&setting.place, text);
            }
        }
    }
    addresses
}

/// `https_ports`: the addresses, and the folder of certificates.
pub(super) fn tls(setting: &Setting, files: &Files, keys: &mut Keys, notes: &mut Notes) {
    let addresses = addresses(setting, notes);
    if addresses.is_empty() {
        return;
    }
    keys.add(Table::Http, "tls_listen", list(&addresses), &setting.place);
    let certificates = files.folder.join("runner/certs");
    let certificates = super::draft::quoted(&certificates.display().to_string());
    keys.add(Table::Http, "tls_certs", certificates, &setting.place);
}

/// `local_ports`: unix sockets with their mode, user and group.
pub(super) fn unix(setting: &Setting, keys: &mut Keys, notes: &mut Notes) {
    let mut sockets = Vec::new();
    for value in setting
        .entry
        .values
        .iter()
        .filter(|value| !value.is_empty())
    {
        if value.starts_with('/') {
            sockets.push(value);
        } else {
            let text = format!("{value} left out: expected a whole path");
            notes.add(&setting.place, text);
        }
    }
    if !sockets.is_empty() {
        keys.add(Table::Http, "unix_listen", list(&sockets), &setting.place);
    }
}

/// `push_in_http_addr` and `push_in_http_port`: P-8's control port stays on this machine.
pub(super) fn control(address: &str, port: u16, place: &str, notes: &mut Notes) -> String {
    let wanted: Option<SocketAddr> =
        parse_address(&format!("{address}:{port}"), Ipv4Addr::LOCALHOST)
            .or_else(|| format!("[{address}]:{port}").parse().ok());
    match wanted {
        Some(wanted) if wanted.ip().to_canonical().is_loopback() => wanted.to_string(),
        _ => {
            let text = format!(
                "{address} is taken as 127.0.0.1: for others, set [control] auth, which says who may \
                 publish, and then listen"
            );
            notes.add(place, text);
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()
        }
    }
}
