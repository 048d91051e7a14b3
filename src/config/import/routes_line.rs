//! The grammar of one line of Pushpin's routes file: from text to sections, nothing of what they mean.
//!
//! ```text
//! line     = [section *(1*SP section)] ["#" comment]
//! section  = value *("," property)         the first part is a property if it has "=" outside quotes
//! property = name ["=" value]
//! ```
//!
//! Quotes may surround any part of a section and protect spaces, commas, `#` and `=`; within them `\"`
//! and `\\` are the only escapes. A tab is a character like any other.

use std::{iter::Peekable, str::Chars};

/// One section of a line: a condition or a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The part before the properties; may be empty.
    pub value: String,
    /// The properties as written, in order; one without `=` has an empty value.
    pub properties: Vec<(String, String)>,
}

impl Section {
    /// Tells whether a property is there, whatever its value.
    pub fn has(&self, name: &str) -> bool {
        self.properties.iter().any(|(known, _)| known == name)
    }

    /// Finds a property's value; of a repeated one the last counts.
    pub fn property(&self, name: &str) -> Option<&str> {
        let mut properties = self.properties.iter().rev();
        let (_, value) = properties.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// Lists the values of a property that may be repeated.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let properties = self.properties.iter();
        properties
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Says why a line has no sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// A quote is opened and not closed.
    #[error("unterminated quote, expected a second \"")]
    UnterminatedQuote,
    /// A backslash within quotes is followed by something else.
    #[error("unknown escape, expected \\\" or \\\\")]
    UnknownEscape,
    /// There is nothing between two commas, or behind the last one.
    #[error("empty property, expected a name behind the comma")]
    EmptyProperty,
    /// A property begins with `=`.
    #[error("property without a name, expected one before the =")]
    NamelessProperty,
}

/// Reads a line; a blank one and one with only a comment have no sections.
///
/// **Errors**: the first fault of its grammar.
///
/// ```
/// use p8::config::import::routes_line::parse;
///
/// let sections = parse("example.com,path_beg=/a localhost:80,over_http # all of it").unwrap();
/// assert_eq!(sections[0].property("path_beg"), Some("/a"));
/// assert_eq!(sections[1].value, "localhost:80");
/// ```
pub fn parse(line: &str) -> Result<Vec<Section>, LineError> {
    let mut chars = line.chars().peekable();
    let mut sections = Vec::new();
    loop {
        while chars.next_if_eq(&' ').is_some() {}
        match chars.peek() {
            None | Some('#') => return Ok(sections),
            Some(_) => sections.push(section(&mut chars)?),
        }
    }
}

fn section(chars: &mut Peekable<Chars>) -> Result<Section, LineError> {
    let mut section = Section::default();
    let first = Part::read(chars)?;
    if first.equals.is_some() {
        section.properties.push(first.property()?);
    } else {
        section.value = first.text;
    }
    while chars.next_if_eq(&',').is_some() {
        section.properties.push(Part::read(chars)?.property()?);
    }
    Ok(section)
}

/// What stands between two commas.
#[derive(Default)]
struct Part {
    text: String,
    /// Where the first `=` outside quotes is.
    equals: Option<usize>,
}

impl Part {
    /// Reads up to a space, a comma or a comment, and leaves that.
    fn read(chars: &mut Peekable<Chars>) -> Result<Part, LineError> {
        let mut part = Part::default();
        while let Some(next) = chars.next_if(|next| !matches!(next, ' ' | ',' | '#')) {
            if next == '"' {
                part.quoted(chars)?;
                continue;
            }
            if next == '=' {
                part.equals = part.equals.or(Some(part.text.len()));
            }
            part.text.push(next);
        }
        Ok(part)
    }

    fn quoted(&mut self, chars: &mut Peekable<Chars>) -> Result<(), LineError> {
        loop {
            match chars.next().ok_or(LineError::UnterminatedQuote)? {
                '"' => return Ok(()),
                '\\' => match chars.next().ok_or(LineError::UnterminatedQuote)? {
                    escaped @ ('"' | '\\') => self.text.push(escaped),
                    _ => return Err(LineError::UnknownEscape),
                },
                plain => self.text.push(plain),
            }
        }
    }

    fn property(self) -> Result<(String, String), LineError> {
        let at = self.equals.unwrap_or(self.text.len());
        let (name, rest) = self.text.split_at_checked(at).unwrap_or((&self.text, ""));
        match (name, rest) {
            ("", "") => Err(LineError::EmptyProperty),
            ("", _) => Err(LineError::NamelessProperty),
            (name, rest) => {
                let value = rest.strip_prefix('=').unwrap_or_default();
                Ok((name.to_owned(), value.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        match parse(line) {
            Ok(sections) => {
                let section = |section: &Section| {
                    let properties = section.properties.iter();
                    let properties = properties.map(|(name, value)| format!(",{name}={value}"));
                    format!("[{}{}]", section.value, properties.collect::<String>())
                };
                sections.iter().map(section).collect()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn quotes_escapes_and_comments_of_a_line_are_read() {
        for (line, expected) in [
            ("", ""),
            ("   ", ""),
            ("# all", ""),
            ("  # all", ""),
            ("* a:1", "[*][a:1]"),
            (" *   a:1  b:2 ", "[*][a:1][b:2]"),
            ("* a:1 # b:2", "[*][a:1]"),
            ("* a:1#b:2", "[*][a:1]"),
            ("*,debug,path_beg=/x a:1", "[*,debug=,path_beg=/x][a:1]"),
            ("id=x a:1,ssl", "[,id=x][a:1,ssl=]"),
            (",id=x a:1", "[,id=x][a:1]"),
            ("\"a b,c#d\" \"e\":1", "[a b,c#d][e:1]"),
            ("\"a=b\",x=\"c=d\" e:1", "[a=b,x=c=d][e:1]"),
            (
                "*,header=\"X:a \\\"b\\\" \\\\\" a:1",
                "[*,header=X:a \"b\" \\][a:1]",
            ),
            ("*,a=\"\" b:1", "[*,a=][b:1]"),
            ("*,a==b c:1", "[*,a==b][c:1]"),
            ("*\ta:1", "[*\ta:1]"),
            ("ä,b=ü \"ö\":1", "[ä,b=ü][ö:1]"),
        ] {
            assert_eq!(shown(line), expected, "{line:?}");
        }
    }

    #[test]
    fn faults_of_a_line_are_told() {
        for (line, error) in [
            ("* \"a:1", LineError::UnterminatedQuote),
            ("* \"a:1\\\"", LineError::UnterminatedQuote),
            ("* \"a:1\\", LineError::UnterminatedQuote),
            ("* \"a\\n\":1", LineError::UnknownEscape),
            ("*, a:1", LineError::EmptyProperty),
            ("*,debug,, a:1", LineError::EmptyProperty),
            ("* a:1,", LineError::EmptyProperty),
            ("*,=x a:1", LineError::NamelessProperty),
            ("=x a:1", LineError::NamelessProperty),
        ] {
            assert_eq!(parse(line), Err(error), "{line:?}");
        }
    }

    #[test]
    fn of_a_repeated_property_the_last_counts() {
        let sections = parse("*,id=a,id=b,sub=x,sub=y a:1").unwrap();
        assert_eq!(sections[0].property("id"), Some("b"));
        assert_eq!(sections[0].all("sub").collect::<Vec<_>>(), ["x", "y"]);
        assert!(sections[0].has("sub") && !sections[0].has("x"));
        assert_eq!(sections[0].property("x"), None);
    }

    #[test]
    fn any_text_is_a_line_or_has_a_fault_and_what_is_quoted_comes_back() {
        let mut random = fastrand::Rng::with_seed(126);
        for _ in 0..20_000 {
            let length = random.usize(..24);
            let letters = ['a', ' ', ',', '=', '"', '\\', '#', '\t', 'ß', '*', ':', '1'];
            let line: String = (0..length)
                .map(|_| letters[random.usize(..letters.len())])
                .collect();
            let _ = parse(&line);
            let quoted = format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""));
            let sections = parse(&format!("{quoted},x={quoted}")).unwrap();
            assert_eq!(sections[0].value, line);
            assert_eq!(sections[0].property("x"), Some(line.as_str()));
        }
    }
}
