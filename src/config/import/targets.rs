//! A target section of a routes file, from its value and options to an inline table.

use super::draft::{list, quoted};
use super::notes::Notes;
use super::routes_line::Section;

/// Options that are there or not, whatever their value; `ssl` is part of the URL.
const FLAGS: [&str; 5] = [
    "insecure",
    "trust_connect_host",
    "untrusted",
    "over_http",
    "one_event",
];

/// Options whose text is taken as it is.
const TEXTS: [&str; 4] = ["host", "client_cert", "client_key", "ipc_file_mode"];

/// Turns a section into `{ url = "http://host:port", ... }`.
///
/// **Errors**: Pushpin's message for a target that makes it skip the line.
pub(super) fn convert(
    section: &Section,
    place: &str,
    notes: &mut Notes,
) -> Result<String, &'static str> {
    let mut keys = vec![leads_to(section)?];
    for name in FLAGS {
        if section.has(name) {
            keys.push(format!("{name} = true"));
        }
    }
    for name in TEXTS {
        if let Some(text) = section.property(name).filter(|text| !text.is_empty()) {
            keys.push(format!("{name} = {}", quoted(text)));
            if name.starts_with("client_") && !text.starts_with('/') {
                let text =
                    "relative to the folder Pushpin was started in; P-8 takes it as relative \
                            to p-8.toml";
                notes.add(&format!("{place}: {name}"), text);
            }
        }
    }
    let subs: Vec<&str> = section.all("sub").filter(|sub| !sub.is_empty()).collect();
    if !subs.is_empty() {
        keys.push(format!("subs = {}", list(&subs)));
    }
    for (name, _) in &section.properties {
        let known = ["ssl", "sub"];
        let name = name.as_str();
        if !FLAGS.contains(&name) && !TEXTS.contains(&name) && !known.contains(&name) {
            notes.add(
                &format!("{place}: {name}"),
                "left out: not an option of a target",
            );
        }
    }
    Ok(format!("{{ {} }}", keys.join(", ")))
}

/// Gives the key that says where the target is.
fn leads_to(section: &Section) -> Result<String, &'static str> {
    let value = section.value.as_str();
    if value == "test" {
        return Ok("test = true".to_owned());
    }
    for kind in ["zhttp", "zhttpreq"] {
        let spec = value
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix('/'));
        if let Some(spec) = spec {
            let ssl = if section.has("ssl") {
                ", ssl = true"
            } else {
                ""
            };
            return Ok(format!("{kind} = {}{ssl}", quoted(spec)));
        }
    }
    let (host, port) = if value.starts_with('[') {
        let end = value.find("]:").ok_or("target bad format")?;
        let (host, rest) = value.split_at_checked(end + 1).ok_or("target bad format")?;
        (host, rest.strip_prefix(':').ok_or("target bad format")?)
    } else {
        value.split_once(':').ok_or("target bad format")?
    };
    let port = port.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let port = port.ok_or("target invalid port")?;
    let scheme = if section.has("ssl") { "https" } else { "http" };
    Ok(format!(
        "url = {}",
        quoted(&format!("{scheme}://{host}:{port}"))
    ))
}
