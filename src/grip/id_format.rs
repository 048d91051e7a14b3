//! Templates in what is sent: `%(name)s` for values, `%I` and `%(text)I` for ids.
//!
//! Knows no filter; `filter` says which template is filled with what. Works on bytes, because
//! content may be anything. Every template is read once, and what comes of it is bounded.
//!
//! ```text
//! subscription meta --fill_values--> content with values        (var-subst)
//! ids of the channels --IdFormat::default_id--> default id --IdFormat::fill--> content with ids
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::channel::{ChannelName, ItemId};
use super::error::excerpt;

/// The most that comes of one template, in bytes; more is an error.
pub const FILLED_MAX_BYTES: usize = 1_000_000;

const VALUES: &str = "%(name)s or %%";
const IDS: &str = "%I, %(text)I or %%";
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Says what is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template ends after a `%`.
    #[error("expected {0} after the last '%', got the end")]
    Unended(&'static str),
    /// A name in parentheses never closes.
    #[error("expected ')' after '%(', got '{0}'")]
    UnclosedName(String),
    /// The template has a placeholder that means nothing here, or lacks its name.
    #[error("expected {expected}, got '{got}'")]
    Placeholder {
        /// The placeholders that mean something.
        expected: &'static str,
        /// The beginning of what was found.
        got: String,
    },
    /// The template names what has no value.
    #[error("expected {expected}, got '{got}'")]
    UnknownName {
        /// What could have been named.
        expected: &'static str,
        /// The beginning of the name.
        got: String,
    },
    /// What comes of the template is too long.
    #[error("expected a result of at most {FILLED_MAX_BYTES} bytes, got more")]
    TooLong,
}

/// Says which of the two templates of `IdFormat::fill` is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The content.
    #[error("content: {0}")]
    Content(#[from] TemplateError),
    /// The format of the default id, which the content asked for.
    #[error("id_format: {0}")]
    IdFormat(TemplateError),
}

/// Says how ids are written into content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdEncoding {
    /// As they are.
    Plain,
    /// In lower-case hex digits.
    Hex,
}

/// How a session's ids are made and written.
#[derive(Debug, Clone, Copy)]
pub struct IdFormat<'a> {
    /// The template of the default id.
    ///
    /// **Shape**: `%(channel)s:channel`, with bare names of channels; `%%` is a percent sign.
    pub template: &'a str,
    /// How ids are written into content.
    pub encoding: IdEncoding,
    /// The channels of the session with their current ids.
    pub ids: &'a [(ChannelName, Option<ItemId>)],
}

impl IdFormat<'_> {
    /// Gives the default id, not encoded yet. A channel without an id adds nothing.
    ///
    /// **Bounds**: 1,000,000 bytes; more are an error.
    ///
    /// **Errors**: a bad template, or a channel that the session does not have.
    pub fn default_id(&self) -> Result<Vec<u8>, TemplateError> {
        let ids: BTreeMap<&str, &str> = self
            .ids
            .iter()
            .map(|(name, id)| (name.as_str(), id.as_ref().map_or("", ItemId::as_str)))
            .collect();
        let expected = "a channel of the session";
        fill_names(self.template.as_bytes(), expected, |name| {
            ids.get(name).copied()
        })
    }

    /// Fills ids into content: the default id for `%I`, the text for `%(text)I`.
    ///
    /// The default id is made only if the content has a `%I`.
    ///
    /// **Bounds**: 1,000,000 bytes; more are an error.
    ///
    /// **Errors**: bad content, or a default id that cannot be made.
    pub fn fill(&self, content: &[u8]) -> Result<Vec<u8>, FillError> {
        let mut default_id: Option<Vec<u8>> = None;
        fill(content, IDS, |placeholder, filled| {
            let id: &[u8] = match (placeholder.letter, &placeholder.name, &mut default_id) {
                (b'I', Some(text), _) => text,
                (b'I', None, Some(id)) => id,
                (b'I', None, unmade) => {
                    unmade.insert(self.default_id().map_err(FillError::IdFormat)?)
                }
                _ => return Err(placeholder.unexpected(IDS).into()),
            };
            match self.encoding {
                IdEncoding::Plain => filled.push(id)?,
                IdEncoding::Hex => filled.push_hex(id)?,
            }
            Ok(())
        })
    }
}

/// Fills the values of `meta` into a template.
///
/// **Shape**: `%(name)s` becomes the value, `%%` a percent sign; in the parentheses a backslash
/// takes the next byte literally.
///
/// **Bounds**: 1,000,000 bytes; more are an error.
///
/// **Errors**: an unknown name, any other placeholder, a `%` at the end.
pub fn fill_values(
    template: &[u8],
    meta: &BTreeMap<String, String>,
) -> Result<Vec<u8>, TemplateError> {
    let expected = "a name of the subscription meta";
    fill_names(template, expected, |name| {
        meta.get(name).map(String::as_str)
    })
}

fn fill_names<'v>(
    template: &[u8],
    expected: &'static str,
    value_of: impl Fn(&str) -> Option<&'v str>,
) -> Result<Vec<u8>, TemplateError> {
    fill(template, VALUES, |placeholder, filled| {
        let (b's', Some(name)) = (placeholder.letter, &placeholder.name) else {
            return Err(placeholder.unexpected(VALUES));
        };
        let known = std::str::from_utf8(name).ok().and_then(&value_of);
        let value = known.ok_or_else(|| TemplateError::UnknownName {
            expected,
            got: excerpt(name),
        })?;
        filled.push(value.as_bytes())
    })
}

/// Copies a template, `%%` as `%`, and has every other placeholder filled in.
fn fill<E: From<TemplateError>>(
    template: &[u8],
    expected: &'static str,
    mut put: impl FnMut(&Placeholder<'_>, &mut Filled) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let mut filled = Filled(Vec::with_capacity(template.len().min(FILLED_MAX_BYTES)));
    let mut rest = template;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let (plain, written) = rest.split_at(at);
        filled.push(plain)?;
        let (placeholder, after) = Placeholder::parse(written, expected)?;
        match (placeholder.letter, &placeholder.name) {
            (b'%', None) => filled.push(b"%")?,
            _ => put(&placeholder, &mut filled)?,
        }
        rest = after;
    }
    filled.push(rest)?;
    Ok(filled.0)
}

/// What begins with a `%`.
struct Placeholder<'a> {
    /// All of it, as written.
    written: &'a [u8],
    /// What the parentheses hold, if there are any, with `\x` read as `x`.
    name: Option<Cow<'a, [u8]>>,
    letter: u8,
}

impl<'a> Placeholder<'a> {
    /// Parses the placeholder at the beginning of a text, and gives what is behind it.
    fn parse(
        text: &'a [u8],
        expected: &'static str,
    ) -> Result<(Placeholder<'a>, &'a [u8]), TemplateError> {
        let (name, rest) = match text {
            [_, b'(', rest @ ..] => {
                let unclosed = || TemplateError::UnclosedName(excerpt(text));
                let (name, rest) = closed_name(rest).ok_or_else(unclosed)?;
                (Some(name), rest)
            }
            [_, rest @ ..] => (None, rest),
            [] => (None, text),
        };
        let (letter, after) = rest.split_first().ok_or(TemplateError::Unended(expected))?;
        let placeholder = Placeholder {
            written: text.get(..text.len() - after.len()).unwrap_or(text),
            name,
            letter: *letter,
        };
        Ok((placeholder, after))
    }

    fn unexpected(&self, expected: &'static str) -> TemplateError {
        TemplateError::Placeholder {
            expected,
            got: excerpt(self.written),
        }
    }
}

/// Splits behind the `)` that no backslash takes literally; `None` if there is none.
fn closed_name(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let special = |byte: &u8| matches!(byte, b')' | b'\\');
    let mut name = Cow::Borrowed(&[][..]);
    let mut rest = text;
    loop {
        let (plain, marked) = rest.split_at(rest.iter().position(special)?);
        if name.is_empty() {
            name = Cow::Borrowed(plain);
        } else {
            name.to_mut().extend_from_slice(plain);
        }
        match marked {
            [b')', after @ ..] => return Some((name, after)),
            [_, literal, after @ ..] => {
                name.to_mut().push(*literal);
                rest = after;
            }
            _ => return None,
        }
    }
}

/// What has come of a template so far, within its bound.
struct Filled(Vec<u8>);

impl Filled {
    fn push(&mut self, bytes: &[u8]) -> Result<(), TemplateError> {
        self.check(bytes.len())?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn push_hex(&mut self, bytes: &[u8]) -> Result<(), TemplateError> {
        self.check(bytes.len().saturating_mul(2))?;
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digit = |value: u8| HEX_DIGITS.get(usize::from(value)).copied();
        self.0.extend(digits.filter_map(digit));
        Ok(())
    }

    fn check(&self, added: usize) -> Result<(), TemplateError> {
        if self.0.len().saturating_add(added) > FILLED_MAX_BYTES {
            return Err(TemplateError::TooLong);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
