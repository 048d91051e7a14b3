//! The result while it is made: lines of TOML that know which line of Pushpin's files they come from.
//!
//! It ends as a text that P-8 loads: what P-8 refuses is taken out again and named.
//!
//! ```text
//! lines ─▶ text ─▶ the configuration's own check ─┬─ loads: done, its warnings are notes
//!   ▲                                             └─ refuses a line ─▶ without it, a note
//!   └──────────────────────────────────────────────────────────────────────┘
//! ```

use std::path::Path;

use super::notes::Notes;
use super::ImportError;

/// The name that errors give the text.
const NAME: &str = "p-8.toml";

/// What falls with a line if P-8 refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Falls {
    /// Nothing may: a comment, a blank line, the head of a table.
    Never,
    /// The line alone.
    Alone,
    /// The whole route of that number: without this line it would take other requests.
    Route(usize),
}

#[derive(Debug)]
struct Line {
    text: String,
    /// Where it comes from.
    place: String,
    falls: Falls,
    /// The route it belongs to.
    route: Option<usize>,
}

/// Lines of TOML.
#[derive(Debug, Default)]
pub(super) struct Draft {
    lines: Vec<Line>,
    routes: usize,
}

impl Draft {
    /// Adds a line that is no key.
    pub(super) fn fixed(&mut self, text: impl Into<String>) {
        self.push(text.into(), "", Falls::Never, None);
    }

    /// Adds `key = value`; the value is TOML.
    pub(super) fn key(&mut self, key: &str, value: &str, place: &str) {
        self.push(format!("{key} = {value}"), place, Falls::Alone, None);
    }

    /// Adds a route: what it takes and where it leads, and what it may do without.
    pub(super) fn route(&mut self, route: &DraftRoute) {
        let number = self.routes;
        self.routes += 1;
        let whole = Falls::Route(number);
        let place = &route.place;
        let mut push = |text: String, falls| self.push(text, place, falls, Some(number));
        push(String::new(), whole);
        push(format!("# {place}"), whole);
        push("[[routes]]".to_owned(), whole);
        for (key, value) in &route.condition {
            push(format!("{key} = {value}"), whole);
        }
        for (key, value) in &route.options {
            push(format!("{key} = {value}"), Falls::Alone);
        }
        if let [only] = route.targets.as_slice() {
            return push(format!("targets = [{only}]"), whole);
        }
        push("targets = [".to_owned(), whole);
        for target in &route.targets {
            push(format!("  {target},"), whole);
        }
        push("]".to_owned(), whole);
    }

    fn push(&mut self, text: String, place: &str, falls: Falls, route: Option<usize>) {
        self.lines.push(Line {
            text,
            place: place.to_owned(),
            falls,
            route,
        });
    }

    fn text(&self) -> String {
        let lines = self.lines.iter();
        lines.map(|line| format!("{}\n", line.text)).collect()
    }

    /// Makes a text that loads; what had to go and what does nothing yet is noted.
    ///
    /// **Errors**: a refusal that no line can be blamed for.
    pub(super) fn settle(mut self, notes: &mut Notes) -> Result<String, ImportError> {
        loop {
            let text = self.text();
            let loaded = super::super::from_text(&text, Path::new(NAME), std::iter::empty());
            match loaded {
                Ok(settings) => {
                    for warning in &settings.warnings {
                        self.note(warning, "", notes);
                    }
                    return Ok(text);
                }
                Err(error) => {
                    let refusal = error.to_string();
                    if !self.take_out(&refusal, notes) {
                        return Err(ImportError::Unloadable(refusal));
                    }
                }
            }
        }
    }

    /// Takes out what a refusal names; tells whether there was such a line.
    fn take_out(&mut self, refusal: &str, notes: &mut Notes) -> bool {
        let Some((index, _)) = self.located(refusal) else {
            return false;
        };
        let falls = self
            .lines
            .get(index)
            .map_or(Falls::Never, |line| line.falls);
        match falls {
            Falls::Never => return false,
            Falls::Alone => {
                self.note(refusal, "left out, P-8 refuses it: ", notes);
                self.lines.remove(index);
            }
            Falls::Route(number) => {
                self.note(refusal, "route left out, P-8 refuses it: ", notes);
                self.lines.retain(|line| line.route != Some(number));
            }
        }
        true
    }

    /// Repeats what is said about a line of the text at the place that the line comes from.
    fn note(&self, said: &str, before: &str, notes: &mut Notes) {
        match self.located(said) {
            Some((index, text)) => {
                let place = self.lines.get(index).map_or(NAME, |line| &line.place);
                notes.add(place, format!("{before}{text}"));
            }
            None => notes.add(NAME, format!("{before}{said}")),
        }
    }

    /// Reads `p-8.toml:12: what`: the line's index, and what is said of it.
    fn located<'t>(&self, said: &'t str) -> Option<(usize, &'t str)> {
        let rest = said.strip_prefix(NAME)?.strip_prefix(':')?;
        let (number, text) = rest.split_once(": ")?;
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        self.lines.get(index).map(|_| (index, text))
    }
}

/// A route on its way into a draft; values are TOML.
#[derive(Debug, Default)]
pub(super) struct DraftRoute {
    /// The line it comes from.
    pub(super) place: String,
    /// The keys that say which requests it takes.
    pub(super) condition: Vec<(&'static str, String)>,
    /// The others.
    pub(super) options: Vec<(&'static str, String)>,
    /// Inline tables.
    pub(super) targets: Vec<String>,
}

/// Writes a text as TOML, on one line whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

/// Writes a list of texts as TOML.
pub(super) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_written_so_that_toml_reads_it_back() {
        let mut random = fastrand::Rng::with_seed(184);
        for _ in 0..5_000 {
            let length = random.usize(..12);
            let text: String = (0..length).map(|_| random.char(..'\u{300}')).collect();
            let document: toml_edit::ImDocument<String> =
                format!("x = {}\n", quoted(&text)).parse().unwrap();
            assert_eq!(document["x"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn what_is_refused_goes_and_is_named() {
        let mut draft = Draft::default();
        draft.fixed("[http]");
        draft.key("client_maxconn", "0", "a.conf:1");
        draft.key("workers", "2", "a.conf:2");
        for (line, path) in [(1, "no-path"), (2, "/good"), (3, "/good")] {
            draft.route(&DraftRoute {
                place: format!("routes:{line}"),
                condition: vec![("path_beg", quoted(path))],
                options: vec![("path_rem", "70000".to_owned())],
                targets: vec!["{ test = true }".to_owned()],
            });
        }
        let mut notes = Notes::default();
        let text = draft.settle(&mut notes).unwrap();
        assert_eq!(
            text,
            "[http]\nworkers = 2\n\n# routes:2\n[[routes]]\npath_beg = \"/good\"\ntargets = [{ test = true }]\n"
        );
        let places: Vec<_> = notes.0.iter().map(|note| note.place.as_str()).collect();
        assert_eq!(
            places,
            ["a.conf:1", "routes:1", "routes:2", "routes:3", "routes:3"]
        );
        let mut unloadable = Draft::default();
        unloadable.fixed("[http");
        assert!(unloadable.settle(&mut Notes::default()).is_err());
    }
}
