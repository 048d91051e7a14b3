//! What can be said on the command line, and the item it makes.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Read,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};
use p8::grip::{
    grip_url::{Credentials, GripUrl},
    Formats, Item, ResponseBody, ResponseFormat, ResponseSend, StreamFormat, WsFormat, WsKind,
};
use serde_json::Value;

use super::PublishFailed;

/// Where items go if nothing says otherwise: P-8's control port.
const DEFAULT_SPEC: &str = "http://localhost:5561";

/// Publish an item to everybody on a channel.
///
/// The content goes out in three formats: as the answer of long-polls, appended to streams, and as a
/// WebSocket message. HTTP bodies get a newline at their end; content from a file or standard input is
/// taken as it is.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The channel
    channel: String,
    /// The content: a text, @FILE, or - for standard input
    #[arg(required_unless_present_any = ["hint", "close"], conflicts_with_all = ["hint", "close"])]
    content: Option<OsString>,
    /// The item's id
    #[arg(long)]
    id: Option<String>,
    /// The id of the item before it
    #[arg(long, value_name = "ID")]
    prev_id: Option<String>,
    /// Who publishes it; the same as --meta sender=NAME
    #[arg(long, value_name = "NAME")]
    sender: Option<String>,
    /// The status of the answer to long-polls
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=999))]
    code: u16,
    /// A header of the answer to long-polls; may be given again
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Meta of the item, for filters; may be given again
    #[arg(short = 'M', long = "meta", value_name = "NAME=VALUE", value_parser = meta)]
    meta: Vec<(String, String)>,
    /// Publish no content: have P-8 ask the backend for it
    #[arg(long, group = "action")]
    hint: bool,
    /// Publish no content: end streams and WebSockets
    #[arg(long, group = "action")]
    close: bool,
    /// The content is a JSON Patch for the held responses of long-polls
    #[arg(long, group = "action")]
    patch: bool,
    /// Deliver it at once, whatever its ids say
    #[arg(long)]
    no_seq: bool,
    /// Add no newline to HTTP bodies
    #[arg(long)]
    no_eol: bool,
    /// Print what became of the item: who got it, who did not and why. P-8 alone tells
    #[arg(long)]
    receipt: bool,
    /// The server's GRIP URL [default: the environment's GRIP_URL, else http://localhost:5561]
    #[arg(long, value_name = "URL")]
    spec: Option<String>,
    /// Credentials in place of the GRIP URL's: a name and password
    #[arg(short, long, value_name = "USER:PASSWORD", conflicts_with = "bearer")]
    user: Option<String>,
    /// Credentials in place of the GRIP URL's: a token
    #[arg(short = 'B', long, value_name = "TOKEN")]
    bearer: Option<String>,
}

impl Arguments {
    /// Returns where the item goes, given what the environment says.
    pub(super) fn grip_url(&self, environment: Option<String>) -> Result<GripUrl, PublishFailed> {
        let environment = environment.as_deref().filter(|url| !url.is_empty());
        let (from, spec) = match (self.spec.as_deref(), environment) {
            (Some(spec), _) => ("--spec", spec),
            (None, Some(spec)) => ("GRIP_URL", spec),
            (None, None) => ("the default", DEFAULT_SPEC),
        };
        let failed = |from| move |error| PublishFailed::Spec { from, error };
        let mut url = GripUrl::parse(spec).map_err(failed(from))?;
        if let Some(user) = &self.user {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            url.credentials = Some(Credentials::Basic {
                user: user.to_owned(),
                password: password.to_owned(),
            });
        }
        if let Some(token) = &self.bearer {
            url.credentials = Some(Credentials::bearer(token).map_err(failed("--bearer"))?);
        }
        Ok(url)
    }

    /// Tells whether a receipt is wanted.
    pub(super) fn wants_receipt(&self) -> bool {
        self.receipt
    }

    /// Makes the item; reads the content.
    pub(super) fn into_item(mut self) -> Result<Item, PublishFailed> {
        let formats = self.formats()?;
        let sender = self.sender.map(|sender| ("sender".to_owned(), sender));
        Ok(Item {
            channel: self.channel.into(),
            id: self.id.map(Into::into),
            prev_id: self.prev_id.map(Into::into),
            formats,
            meta: BTreeMap::from_iter(self.meta.into_iter().chain(sender)),
            size: None,
            no_seq: self.no_seq,
        })
    }

    fn formats(&mut self) -> Result<Formats, PublishFailed> {
        if self.hint {
            return Ok(Formats {
                response: Some(ResponseFormat::Hint),
                stream: Some(StreamFormat::Hint),
                ws: Some(WsFormat::Hint),
            });
        }
        if self.close {
            let (code, reason) = (None, String::new());
            return Ok(Formats {
                response: None,
                stream: Some(StreamFormat::Close),
                ws: Some(WsFormat::Close { code, reason }),
            });
        }
        let (content, is_typed) = read(self.content.take().unwrap_or_default())?;
        if self.patch {
            let patch: Value = serde_json::from_slice(&content).unwrap_or_default();
            return match patch.is_array() {
                true => Ok(Formats {
                    response: Some(self.response(ResponseBody::Patch(patch))),
                    ..Formats::default()
                }),
                false => Err(PublishFailed::NoPatch),
            };
        }
        let is_text = std::str::from_utf8(&content).is_ok();
        let kind = if is_text {
            WsKind::Text
        } else {
            WsKind::Binary
        };
        let mut body = content.clone();
        if is_typed && !self.no_eol {
            body.push(b'\n');
        }
        let body = Bytes::from(body);
        Ok(Formats {
            response: Some(self.response(ResponseBody::Bytes(body.clone()))),
            stream: Some(StreamFormat::Send {
                content: body,
                content_filters: None,
            }),
            ws: Some(WsFormat::Send {
                kind,
                content: content.into(),
                content_filters: None,
            }),
        })
    }

    fn response(&mut self, body: ResponseBody) -> ResponseFormat {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.drain(..) {
            headers.append(name, value);
        }
        ResponseFormat::Send(ResponseSend {
            status: self.code,
            reason: None,
            headers,
            body,
            content_filters: None,
        })
    }
}

/// Reads the content; true if it was typed on the command line.
fn read(content: OsString) -> Result<(Vec<u8>, bool), PublishFailed> {
    let mut bytes = Vec::new();
    if content == "-" {
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        let from = "standard input".to_owned();
        read.map_err(|source| PublishFailed::Content { from, source })?;
        return Ok((bytes, false));
    }
    let Some(path) = content.as_bytes().strip_prefix(b"@") else {
        return Ok((content.into_vec(), true));
    };
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let bytes = std::fs::read(path).map_err(|source| PublishFailed::Content {
        from: path.display().to_string(),
        source,
    })?;
    Ok((bytes, false))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    let name = name.parse().map_err(|_| "the name is no header name")?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes());
    Ok((
        name,
        value.map_err(|_| "the value cannot stand in a header")?,
    ))
}

fn meta(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn the_spec_comes_from_the_option_the_environment_or_the_default() {
        for (option, environment, expected) in [
            (None, None, "http://localhost:5561/publish/"),
            (None, Some(""), "http://localhost:5561/publish/"),
            (None, Some("https://a"), "https://a/publish/"),
            (Some("https://b"), Some("https://a"), "https://b/publish/"),
            (Some("https://b"), None, "https://b/publish/"),
        ] {
            let mut words = vec!["publish", "channel", "content"];
            words.extend(option.iter().flat_map(|spec| ["--spec", spec]));
            let arguments = Program::try_parse_from(words).unwrap().arguments;
            let url = arguments.grip_url(environment.map(str::to_owned)).unwrap();
            assert_eq!(url.publish_uri(), expected);
        }
    }
}
