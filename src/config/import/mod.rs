//! From a Pushpin installation to a `p-8.toml` that does the same.
//!
//! It reads `pushpin.conf` with the file it includes, and the routes file; it starts nothing and
//! writes nothing. What has no equivalent is named, each with its place. The result is loaded before
//! it is given back, so that P-8 takes it.
//!
//! ```text
//! pushpin.conf ─ ini ─┐
//! internal.conf ─ ini ┴▶ keys ──▶ draft ─ loads? ─▶ p-8.toml
//! routes ─ routes_line ─▶ route ───┘                └▶ notes
//! ```
//!
//! Source: `docs/migrating-from-pushpin.md`.

use std::path::{Path, PathBuf};

mod draft;
pub mod ini;
mod keys;
mod listeners;
mod notes;
mod route;
mod routes;
pub mod routes_line;
mod tables;
mod targets;

pub use notes::Note;

use draft::Draft;
use ini::Entry;
use notes::Notes;

/// What an import comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// A text that P-8 loads.
    pub toml: String,
    /// What it cannot say, in the order found.
    pub notes: Vec<Note>,
}

/// Why there is no import.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Pushpin's configuration cannot be read.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// The path as given.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// The result would not load, and no key of it can be blamed.
    #[error("the result cannot be loaded: {0}")]
    Unloadable(String),
}

/// Makes a `p-8.toml` of Pushpin's configuration; lines given here replace those of its routes file.
///
/// **Errors**: the configuration if it cannot be read. Other files may be missing, that is noted.
pub fn import(config: &Path, route_lines: &[String]) -> Result<Imported, ImportError> {
    let text = read(config).map_err(|reason| ImportError::Unreadable {
        file: config.display().to_string(),
        reason,
    })?;
    let mut notes = Notes::default();
    let mut files = Files::new(config);
    let mut settings = Vec::new();
    files.add(&text, config, &mut settings, &mut notes);
    files.include(&mut settings, &mut notes);
    let routes = match route_lines {
        [] => files.routes(&settings, &mut notes),
        lines => files.given_routes(lines),
    };
    from_texts(&files, settings, &routes, notes)
}

fn from_texts(
    files: &Files,
    settings: Vec<Setting>,
    routes: &[(String, String)],
    mut notes: Notes,
) -> Result<Imported, ImportError> {
    let mut draft = Draft::default();
    draft.fixed("# P-8's configuration, made by p-8 import from");
    draft.fixed(format!(
        "# {}",
        one_line(&files.config.display().to_string())
    ));
    draft.fixed("# What it cannot say was named on standard error.");
    let routes = routes::convert(routes, files, &mut notes);
    if routes.is_empty() {
        draft.fixed("");
        draft.fixed("# Pushpin's table is empty: every request is answered 502.");
        draft.fixed("routes = []");
    }
    keys::convert(files, &settings, &mut draft, &mut notes);
    for route in &routes {
        draft.route(route);
    }
    let toml = draft.settle(&mut notes)?;
    Ok(Imported {
        toml,
        notes: notes.0,
    })
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One key of Pushpin's configuration, and the file it is from.
#[derive(Debug)]
struct Setting {
    entry: Entry,
    /// The file, the line and the key.
    place: String,
}

impl Setting {
    fn is(&self, section: &str, key: &str) -> bool {
        self.entry.section == section && self.entry.key == key
    }

    /// The value as one text, whatever commas it has.
    fn text(&self) -> String {
        self.entry.values.join(",")
    }

    fn is_empty(&self) -> bool {
        self.entry.values.iter().all(String::is_empty)
    }
}

/// Where Pushpin's files are, and what stands for `{rundir}` and the like in values.
#[derive(Debug)]
struct Files {
    config: PathBuf,
    folder: PathBuf,
    routes: Option<PathBuf>,
}

impl Files {
    fn new(config: &Path) -> Files {
        let whole = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        Files {
            config: config.to_owned(),
            folder: whole.parent().unwrap_or(Path::new("/")).to_owned(),
            routes: None,
        }
    }

    /// Adds a file's keys that are not there yet.
    fn add(&self, text: &str, path: &Path, settings: &mut Vec<Setting>, notes: &mut Notes) {
        let ini = ini::parse(text);
        let path = path.display();
        for (line, fault) in ini.faults {
            notes.add(&format!("{path}:{line}"), fault);
        }
        let (mut added, earlier) = (Vec::new(), settings.len());
        for entry in ini.entries {
            let Entry {
                section, key, line, ..
            } = &entry;
            let is_known = |known: &Setting| known.is(section, key);
            if settings.iter().take(earlier).any(is_known) {
                continue;
            }
            // Of a key that is repeated in one file the last counts.
            added.retain(|known| !is_known(known));
            let place = format!("{path}:{line}: [{section}] {key}");
            added.push(Setting { entry, place });
        }
        settings.append(&mut added);
    }

    /// Adds what the file that `include` names says.
    fn include(&self, settings: &mut Vec<Setting>, notes: &mut Notes) {
        let Some(include) = value(settings, "global", "include") else {
            return;
        };
        let place = settings
            .iter()
            .find(|setting| setting.is("global", "include"))
            .map_or_else(String::new, |setting| setting.place.clone());
        let libdir = value(settings, "global", "libdir").unwrap_or("/usr/lib/pushpin".to_owned());
        let path = self.folder.join(include.replace("{libdir}", &libdir));
        match read(&path) {
            Ok(text) => self.add(&text, &path, settings, notes),
            Err(reason) => {
                let text = format!(
                    "{} cannot be read ({reason}); it holds what Pushpin's own parts need",
                    path.display()
                );
                notes.add(&place, text);
            }
        }
    }

    /// Reads the routes file: each line with its place.
    fn routes(&mut self, settings: &[Setting], notes: &mut Notes) -> Vec<(String, String)> {
        let Some(named) = value(settings, "proxy", "routesfile") else {
            let text = "[proxy] routesfile is not set, so there are no routes";
            notes.add(&self.config.display().to_string(), text);
            return Vec::new();
        };
        let path = self.folder.join(&named);
        let shown = self.config.parent().unwrap_or(Path::new("")).join(&named);
        let lines = match read(&path) {
            Ok(text) => numbered(&shown.display().to_string(), text.lines()),
            Err(reason) => {
                let text = format!("cannot be read ({reason}), so there are no routes");
                notes.add(&shown.display().to_string(), text);
                Vec::new()
            }
        };
        self.routes = Some(path);
        lines
    }

    fn given_routes(&self, lines: &[String]) -> Vec<(String, String)> {
        numbered("--route", lines.iter().map(String::as_str))
    }

    fn routes_folder(&self) -> &Path {
        let routes = self.routes.as_deref().and_then(Path::parent);
        routes.unwrap_or(&self.folder)
    }

    /// Gives a key as P-8 finds it, wherever the result will stand.
    fn key(&self, folder: &Path, key: &str) -> String {
        match key.strip_prefix("file:") {
            Some(path) => format!("file:{}", folder.join(path).display()),
            None => key.to_owned(),
        }
    }
}

fn numbered<'t>(file: &str, lines: impl Iterator<Item = &'t str>) -> Vec<(String, String)> {
    let place = |index: usize| format!("{file}:{}", index + 1);
    lines
        .enumerate()
        .map(|(index, line)| (place(index), line.to_owned()))
        .collect()
}

/// Finds a value, unless it is empty; names in braces are replaced.
fn value(settings: &[Setting], section: &str, key: &str) -> Option<String> {
    let found = settings.iter().find(|setting| setting.is(section, key))?;
    Some(found.text()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
