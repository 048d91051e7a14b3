//! Where in the file a key stands: a second pass over the same text that keeps positions.
//!
//! It checks nothing but that the text is TOML; figment, which reads the values, names no line.

use std::ops::Range;

use toml_edit::{ImDocument, Item, TableLike};

/// Finds lines of keys in one TOML text.
#[derive(Debug)]
pub(super) struct Spans<'a> {
    text: &'a str,
    document: ImDocument<&'a str>,
}

impl<'a> Spans<'a> {
    /// Parses the text.
    ///
    /// **Errors**: the line and what the parser says, if the text is not TOML.
    pub(super) fn new(text: &'a str) -> Result<Spans<'a>, (usize, String)> {
        match ImDocument::parse(text) {
            Ok(document) => Ok(Spans { text, document }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let reason = error.message().trim().replace('\n', ", ");
                Err((line_of(text, at), reason))
            }
        }
    }

    /// Finds the line of a value by its path of keys and list indexes, or of the last part of the
    /// path that is there.
    pub(super) fn line(&self, path: &[impl AsRef<str>]) -> Option<usize> {
        let mut item = self.document.as_item();
        let mut found = None;
        for step in path {
            let Some((span, next)) = step_into(item, step.as_ref()) else {
                break;
            };
            found = span.or(found);
            item = next;
        }
        found.map(|span| line_of(self.text, span.start))
    }
}

/// Follows one key or index; the span is the key's, or the element's own.
fn step_into<'i>(item: &'i Item, step: &str) -> Option<(Option<Range<usize>>, &'i Item)> {
    if let Some(table) = item.as_table_like() {
        let next = table.get(step)?;
        return Some((key_span(table, step).or_else(|| next.span()), next));
    }
    let next = item.get(step.parse::<usize>().ok()?)?;
    Some((next.span(), next))
}

fn key_span(table: &dyn TableLike, name: &str) -> Option<Range<usize>> {
    table.key(name)?.span()
}

/// Counts the lines up to a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# first
[http]
listen = [
  \"a\",
  \"b\",
]
proxy.x = 1

[[routes]]
host = \"*\"
targets = [
  { url = \"u\" },
  { test = true, subs = [
    \"c\"] },
]
[[routes]]
host = \"x\"
";

    #[test]
    fn paths_lead_to_lines() {
        let spans = Spans::new(TEXT).unwrap();
        let cases: &[(&[&str], Option<usize>)] = &[
            (&["http"], Some(2)),
            (&["http", "listen"], Some(3)),
            (&["http", "listen", "1"], Some(5)),
            (&["http", "listen", "7"], Some(3)),
            (&["http", "absent"], Some(2)),
            (&["http", "proxy", "x"], Some(7)),
            (&["routes", "0"], Some(9)),
            (&["routes", "0", "targets", "0", "url"], Some(12)),
            (&["routes", "0", "targets", "1", "subs"], Some(13)),
            (&["routes", "0", "targets", "1", "subs", "0"], Some(14)),
            (&["routes", "1"], Some(16)),
            (&["routes", "1", "host"], Some(17)),
            (&["absent"], None),
        ];
        for (path, line) in cases {
            assert_eq!(spans.line(path), *line, "{path:?}");
        }
    }

    #[test]
    fn text_that_is_not_toml_names_its_line() {
        for (text, line) in [
            ("[http]\nlisten = \n", 2),
            ("\n\n[http\n", 3),
            ("a = 1\nb = 2\na = 3\n", 3),
        ] {
            let (found, reason) = Spans::new(text).unwrap_err();
            assert_eq!(found, line, "{text:?}: {reason}");
            assert!(!reason.is_empty());
        }
    }
}
