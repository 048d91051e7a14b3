//! The filters of subscriptions: which items a session gets, and with which content.
//!
//! Reads and sends nothing: where `http-check` or `http-modify` want the backend asked, `apply` stops
//! and says so; see `network_filter`. Whoever calls says what the session knows, in `Context`.
//!
//! ```text
//! item content --apply: skip-self, skip-users, require-sub, var-subst, build-id--> Verdict
//! first body of a stream --apply_to_body: build-id--> body
//! ```
//!
//! Source: the GRIP protocol; `%I` is the item's own id, as in Pushpin 1.36.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::channel::{ChannelName, ItemId};
use super::error::{excerpt, Side};
use super::id_format::{fill_values, FillError, IdEncoding, IdFormat, TemplateError};

/// A filter of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Drops what the session's own user sent.
    SkipSelf,
    /// Drops what is not for the session's user.
    SkipUsers,
    /// Drops what needs a channel that the session does not have.
    RequireSub,
    /// Writes ids into content.
    BuildId,
    /// Writes subscription meta into content.
    VarSubst,
    /// Asks the backend whether to drop.
    HttpCheck,
    /// Asks the backend for other content, or to drop.
    HttpModify,
}

/// What filters know of the session.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The subscription meta: `user` for `skip-self` and `skip-users`, `id_format` and
    /// `id_encoding` for `build-id`, anything for `var-subst`.
    pub meta: &'a BTreeMap<String, String>,
    /// The item's meta: `sender`, `skip_users`, `require_sub`. Bodies have none.
    pub publish_meta: &'a BTreeMap<String, String>,
    /// The bare names of the session's channels with their current ids, each channel once.
    ///
    /// For an item, its own channel already has the item's id.
    pub ids: &'a [(ChannelName, Option<ItemId>)],
}

/// Says what becomes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The session gets it, with this content.
    Pass(Bytes),
    /// The session does not get it, but counts it as seen.
    Drop,
    /// The backend decides: the filter at this place asks it about this content.
    Ask {
        /// Place of the filter; those behind it run on the backend's answer.
        at: usize,
        /// The content so far.
        content: Bytes,
    },
}

/// Says why a filter cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// `build-id` has no format for the default id.
    #[error("build-id filter: subscription meta must have 'id_format', got none")]
    MissingIdFormat,
    /// `build-id` has an unknown encoding.
    #[error("build-id filter: 'id_encoding' must be 'hex' or absent, got '{0}'")]
    IdEncoding(String),
    /// The default id cannot be made.
    #[error("build-id filter: bad 'id_format': {0}")]
    IdFormat(TemplateError),
    /// The content of an item is no template of that filter.
    #[error("{filter} filter: bad content: {cause}")]
    Content {
        /// The filter that read it.
        filter: Filter,
        /// What is wrong with it.
        cause: TemplateError,
    },
    /// The body of a response is no template of that filter.
    #[error("{filter} filter: bad response body: {cause}")]
    Body {
        /// The filter that read it.
        filter: Filter,
        /// What is wrong with it.
        cause: TemplateError,
    },
    /// A filter that asks the backend does not know where.
    #[error("{0} filter: subscription meta must have 'url', got none")]
    MissingUrl(Filter),
    /// The backend answered a filter with a status that means nothing to it.
    #[error("{filter} filter: backend must answer 200 or 204, got {status}")]
    Status {
        /// The filter that asked.
        filter: Filter,
        /// What it was answered.
        status: u16,
    },
    /// The backend did not answer a filter.
    #[error("{filter} filter: no usable answer from the backend: {why}")]
    Unanswered {
        /// The filter that asked.
        filter: Filter,
        /// What went wrong.
        why: String,
    },
}

impl Filter {
    /// Finds a filter by its exact name; `None` for names nobody knows, which are skipped.
    pub fn parse(name: &str) -> Option<Filter> {
        Some(match name {
            "skip-self" => Filter::SkipSelf,
            "skip-users" => Filter::SkipUsers,
            "require-sub" => Filter::RequireSub,
            "build-id" => Filter::BuildId,
            "var-subst" => Filter::VarSubst,
            "http-check" => Filter::HttpCheck,
            "http-modify" => Filter::HttpModify,
            _ => return None,
        })
    }

    /// Gives the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Filter::SkipSelf => "skip-self",
            Filter::SkipUsers => "skip-users",
            Filter::RequireSub => "require-sub",
            Filter::BuildId => "build-id",
            Filter::VarSubst => "var-subst",
            Filter::HttpCheck => "http-check",
            Filter::HttpModify => "http-modify",
        }
    }

    /// Says whether the filter changes the content of items: what `content-filters` names.
    pub fn edits_items(self) -> bool {
        matches!(
            self,
            Filter::BuildId | Filter::VarSubst | Filter::HttpModify
        )
    }

    /// Says whether the filter asks the backend.
    pub fn is_network(self) -> bool {
        matches!(self, Filter::HttpCheck | Filter::HttpModify)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FilterError {
    /// Says whose fault it is: whoever wrote the bad text.
    pub fn side(&self) -> Side {
        match self {
            FilterError::Content { .. } => Side::Publisher,
            _ => Side::Backend,
        }
    }

    /// Gives the stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            FilterError::MissingIdFormat => "missing-id-format",
            FilterError::IdEncoding(_) => "bad-id-encoding",
            FilterError::IdFormat(_) => "bad-id-format",
            FilterError::Content { .. } => "bad-content-template",
            FilterError::Body { .. } => "bad-body-template",
            FilterError::MissingUrl(_) => "missing-filter-url",
            FilterError::Status { .. } => "bad-filter-status",
            FilterError::Unanswered { .. } => "filter-unanswered",
        }
    }
}

/// Runs the filters of a channel on an item's content, in order, until one drops the item or has to
/// ask the backend.
///
/// Content without a `%` is passed on as it is.
///
/// **Bounds**: content that templates make longer than 1,000,000 bytes is an error.
///
/// **Errors**: a filter that cannot run; the session must then not get the item.
pub fn apply(
    filters: &[Filter],
    context: &Context<'_>,
    content: Bytes,
) -> Result<Verdict, FilterError> {
    let mut content = content;
    for (at, filter) in filters.iter().enumerate() {
        let drops = match filter {
            Filter::SkipSelf => context.is_from_self(),
            Filter::SkipUsers => context.skips_user(),
            Filter::RequireSub => context.lacks_channel(),
            Filter::BuildId => {
                content = context.build_id(content, |filter, cause| FilterError::Content {
                    filter,
                    cause,
                })?;
                false
            }
            Filter::VarSubst => {
                content = context.substitute(content)?;
                false
            }
            Filter::HttpCheck | Filter::HttpModify => return Ok(Verdict::Ask { at, content }),
        };
        if drops {
            return Ok(Verdict::Drop);
        }
    }
    Ok(Verdict::Pass(content))
}

/// Runs the filters that edit bodies, which is `build-id`, on a response's body.
///
/// **Bounds**: a body that templates make longer than 1,000,000 bytes is an error.
///
/// **Errors**: a filter that cannot run; the body must then not reach the client.
pub fn apply_to_body(
    filters: &[Filter],
    context: &Context<'_>,
    body: Bytes,
) -> Result<Bytes, FilterError> {
    // The filters of all channels are merged: one that is named twice runs once.
    if !filters.contains(&Filter::BuildId) {
        return Ok(body);
    }
    context.build_id(body, |filter, cause| FilterError::Body { filter, cause })
}

/// Tells whether an item's `content-filters` are those of the session's filters for that channel
/// that edit items, in the same order.
pub fn content_filters_match(wanted: &[String], filters: &[Filter]) -> bool {
    let editing = filters.iter().filter(|filter| filter.edits_items());
    wanted
        .iter()
        .map(String::as_str)
        .eq(editing.map(|filter| filter.as_str()))
}

impl Context<'_> {
    fn user(&self) -> &str {
        value(self.meta, "user")
    }

    fn is_from_self(&self) -> bool {
        let user = self.user();
        !user.is_empty() && user == value(self.publish_meta, "sender")
    }

    fn skips_user(&self) -> bool {
        let user = self.user();
        let skipped = value(self.publish_meta, "skip_users");
        !user.is_empty() && skipped.split(',').any(|skipped| skipped.trim() == user)
    }

    fn lacks_channel(&self) -> bool {
        let required = value(self.publish_meta, "require_sub");
        let has = || self.ids.iter().any(|(name, _)| name.as_str() == required);
        !required.is_empty() && !has()
    }

    fn substitute(&self, content: Bytes) -> Result<Bytes, FilterError> {
        if !content.contains(&b'%') {
            return Ok(content);
        }
        let filled = fill_values(&content, self.meta);
        filled
            .map(Bytes::from)
            .map_err(|cause| FilterError::Content {
                filter: Filter::VarSubst,
                cause,
            })
    }

    fn build_id(
        &self,
        text: Bytes,
        bad_text: impl Fn(Filter, TemplateError) -> FilterError,
    ) -> Result<Bytes, FilterError> {
        let template = self.meta.get("id_format");
        let format = IdFormat {
            template: template.ok_or(FilterError::MissingIdFormat)?,
            encoding: match self.meta.get("id_encoding").map(String::as_str) {
                None => IdEncoding::Plain,
                Some("hex") => IdEncoding::Hex,
                Some(other) => return Err(FilterError::IdEncoding(excerpt(other))),
            },
            ids: self.ids,
        };
        if !text.contains(&b'%') {
            return Ok(text);
        }
        let filled = format.fill(&text);
        filled.map(Bytes::from).map_err(|error| match error {
            FillError::Content(cause) => bad_text(Filter::BuildId, cause),
            FillError::IdFormat(cause) => FilterError::IdFormat(cause),
        })
    }
}

/// Gives a value of meta; one that is missing is as good as empty.
fn value<'a>(meta: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    meta.get(name).map_or("", String::as_str)
}

#[cfg(test)]
mod tests;
