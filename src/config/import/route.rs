//! One line of a routes file, from its sections to keys of a `[[routes]]` table.
//!
//! Source: Pushpin's routes file; the messages for what it refuses are Pushpin's.

use http::header::{HeaderName, HeaderValue, HOST};

use super::super::routes::is_own_header;
use super::draft::{list, quoted, DraftRoute};
use super::keys::level;
use super::notes::Notes;
use super::routes_line::Section;
use super::targets;
use super::Files;

/// Options of a condition that P-8 has no key for, and what that means.
const WITHOUT_EQUIVALENT: [(&str, &str); 1] = [(
    "session",
    "no equivalent: there is no external service that detects sessions",
)];

/// Options that are there or not, whatever their value.
const FLAGS: [&str; 4] = ["debug", "aco", "orig_headers", "no_grip"];

/// Options whose text is taken as it is.
const TEXTS: [&str; 7] = [
    "sig_iss",
    "prefix",
    "jsonp_cb",
    "jsonp_body",
    "jsonp_defcb",
    "sockjs",
    "sockjs_as_path",
];

/// Options of a condition that are read elsewhere in this file.
const OTHERS: [&str; 12] = [
    "as_host",
    "header",
    "id",
    "jsonp_defmethod",
    "jsonp_mode",
    "log_level",
    "path_beg",
    "path_rem",
    "proto",
    "replace_beg",
    "sig_key",
    "ssl",
];

/// Which requests a line takes; two equal ones are duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Condition {
    pub(super) host: String,
    pub(super) id: String,
    pub(super) path_beg: Option<String>,
    pub(super) proto: Option<String>,
    pub(super) ssl: Option<bool>,
}

/// Turns a line's sections into a route.
///
/// **Errors**: Pushpin's message for a line that it skips.
pub(super) fn convert(
    sections: &[Section],
    place: &str,
    files: &Files,
    notes: &mut Notes,
) -> Result<(Condition, DraftRoute), &'static str> {
    let [section, targets @ ..] = sections else {
        return Err("must specify condition and at least one target");
    };
    if targets.is_empty() {
        return Err("must specify condition and at least one target");
    }
    let condition = condition(section)?;
    let mut route = DraftRoute {
        place: place.to_owned(),
        condition: condition.keys(),
        ..DraftRoute::default()
    };
    if !condition.id.is_empty() {
        route.options.push(("id", quoted(&condition.id)));
    }
    let mut options = Options {
        section,
        place,
        notes,
        route: &mut route,
    };
    options.path(condition.path_beg.as_deref());
    options.texts(files);
    options.headers()?;
    options.rest();
    for target in targets {
        let target = targets::convert(target, place, notes)?;
        route.targets.push(target);
    }
    Ok((condition, route))
}

fn condition(section: &Section) -> Result<Condition, &'static str> {
    let text = |name| section.property(name).map(str::to_owned);
    let condition = Condition {
        host: section.value.to_ascii_lowercase(),
        id: text("id").unwrap_or_default(),
        path_beg: text("path_beg"),
        proto: text("proto"),
        ssl: match section.property("ssl") {
            None => None,
            Some("yes") => Some(true),
            Some("no") => Some(false),
            Some(_) => return Err("ssl must be set to 'yes' or 'no'"),
        },
    };
    if condition.path_beg.as_deref() == Some("") {
        return Err("path_beg cannot be empty");
    }
    if !matches!(condition.proto.as_deref(), None | Some("http" | "ws")) {
        return Err("proto must be set to 'http' or 'ws'");
    }
    if !matches!(
        section.property("jsonp_mode"),
        None | Some("basic" | "extended")
    ) {
        return Err("jsonp_mode must be set to 'basic' or 'extended'");
    }
    if condition.host.is_empty() && condition.id.is_empty() {
        return Err("condition has no domain or id");
    }
    Ok(condition)
}

impl Condition {
    fn keys(&self) -> Vec<(&'static str, String)> {
        let mut keys = vec![("host", quoted(&self.host))];
        let texts = [("path_beg", &self.path_beg), ("proto", &self.proto)];
        for (key, text) in texts {
            keys.extend(text.as_ref().map(|text| (key, quoted(text))));
        }
        keys.extend(self.ssl.map(|ssl| ("ssl", ssl.to_string())));
        keys
    }
}

/// The options of a condition, on their way into a route.
struct Options<'a> {
    section: &'a Section,
    place: &'a str,
    notes: &'a mut Notes,
    route: &'a mut DraftRoute,
}

impl Options<'_> {
    fn push(&mut self, key: &'static str, value: String) {
        self.route.options.push((key, value));
    }

    fn note(&mut self, name: &str, text: &str) {
        self.notes.add(&format!("{}: {name}", self.place), text);
    }

    /// `replace_beg` wins over `path_rem`; an empty one only cuts the beginning off.
    fn path(&mut self, path_beg: Option<&str>) {
        let cut = match self.section.property("replace_beg") {
            Some("") => path_beg.map_or(0, str::len),
            Some(path) => {
                if path_beg.is_none() {
                    self.note("replace_beg", "without path_beg it is put before the path");
                }
                return self.push("replace_beg", quoted(path));
            }
            None => match self.section.property("path_rem") {
                None => 0,
                Some(text) => text.trim().parse().unwrap_or_else(|_| {
                    self.note("path_rem", "left out, expected a number of bytes");
                    0
                }),
            },
        };
        if cut > 0 {
            self.push("path_rem", cut.to_string());
        }
    }

    fn texts(&mut self, files: &Files) {
        for name in FLAGS {
            if self.section.has(name) {
                self.push(name, "true".to_owned());
            }
        }
        for name in TEXTS {
            if let Some(text) = self.section.property(name).filter(|text| !text.is_empty()) {
                let text = quoted(text);
                self.push(name, text);
            }
        }
        if let Some(key) = self
            .section
            .property("sig_key")
            .filter(|key| !key.is_empty())
        {
            let key = quoted(&files.key(files.routes_folder(), key));
            self.push("sig_key", key);
        }
        for name in ["jsonp_mode", "jsonp_defmethod", "as_host"] {
            if let Some(text) = self.section.property(name).filter(|text| !text.is_empty()) {
                let text = quoted(text);
                self.push(name, text);
            }
        }
    }

    /// Of one name the first counts; spaces before a value go.
    fn headers(&mut self) -> Result<(), &'static str> {
        let mut headers: Vec<(String, &str)> = Vec::new();
        for header in self.section.all("header") {
            let Some((name, value)) = header.split_once(':').filter(|(name, _)| !name.is_empty())
            else {
                return Err("header must use format 'name:value'");
            };
            let is_known = headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name));
            if is_known {
                let text = format!("{name} is set twice, the first counts");
                self.notes.add(&format!("{}: header", self.place), text);
                continue;
            }
            match self.header_fault(name, value) {
                Some(fault) => {
                    let text = format!("{name} left out: {fault}");
                    self.notes.add(&format!("{}: header", self.place), text);
                }
                None => headers.push((name.to_owned(), value.trim_start_matches(' '))),
            }
        }
        if !headers.is_empty() {
            let pairs = headers.iter().map(|(name, value)| list(&[name, *value]));
            let pairs: Vec<String> = pairs.collect();
            self.push("headers", format!("[{}]", pairs.join(", ")));
        }
        Ok(())
    }

    fn header_fault(&self, name: &str, value: &str) -> Option<&'static str> {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return Some("no name of a header");
        };
        if is_own_header(&name) {
            return Some("P-8 writes or drops that header itself");
        }
        if name == HOST && self.section.property("as_host").is_some() {
            return Some("as_host says it");
        }
        HeaderValue::from_str(value.trim())
            .err()
            .map(|_| "no value of a header")
    }

    /// Names what is left.
    fn rest(&mut self) {
        if let Some(number) = self.section.property("log_level") {
            match level(number) {
                Some(name) => self.push("log_level", quoted(name)),
                None => self.note("log_level", "left out, expected a level, 0 to 4"),
            }
        }
        for (name, why) in WITHOUT_EQUIVALENT {
            if self.section.has(name) {
                self.note(name, why);
            }
        }
        for (name, _) in &self.section.properties {
            let known = |names: &[&str]| names.contains(&name.as_str());
            let is_known = known(&FLAGS)
                || known(&TEXTS)
                || known(&OTHERS)
                || WITHOUT_EQUIVALENT.iter().any(|(known, _)| known == name);
            if !is_known {
                self.notes.add(
                    &format!("{}: {name}", self.place),
                    "left out: not an option of a condition",
                );
            }
        }
    }
}
