//! The request: one POST over a connection of its own, with a deadline.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use awc::{
    error::{ConnectError, SendRequestError},
    http::header,
    Client, Connector,
};
use bytes::Bytes;
use p8::grip::{error::excerpt, grip_url::GripUrl};
use rustls::{crypto::ring, ClientConfig, RootCertStore};

use super::{PublishFailed, DEADLINE, TOKEN_SECS};

/// As much of a refusal as is read.
const REFUSAL_MAX: usize = 65_536;

/// As much of a receipt as is read.
const RECEIPT_MAX: usize = 1_048_576;

/// Posts the body of a publish; redirects are not followed. Returns the receipt's text, if one is wanted.
pub(super) async fn post(
    url: &GripUrl,
    body: String,
    wants_receipt: bool,
) -> Result<Option<Bytes>, PublishFailed> {
    let authorization = authorization(url)?;
    // What stands behind the ? may be secret.
    let place = url.publish_uri().split('?').next().unwrap_or_default();
    let posting = actix_rt::time::timeout(
        DEADLINE,
        send(url, (place, wants_receipt), authorization, body),
    );
    posting
        .await
        .map_err(|_| PublishFailed::Deadline(place.to_owned()))?
}

fn authorization(url: &GripUrl) -> Result<Option<String>, PublishFailed> {
    let Some(credentials) = &url.credentials else {
        return Ok(None);
    };
    if !url.is_tls() && !url.is_loopback() {
        return Err(PublishFailed::PlainCredentials(url.host().to_owned()));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let exp = now.map_or(0, |now| now.as_secs()) + TOKEN_SECS;
    Ok(Some(credentials.authorization(exp)?))
}

async fn send(
    url: &GripUrl,
    (place, wants_receipt): (&str, bool),
    authorization: Option<String>,
    body: String,
) -> Result<Option<Bytes>, PublishFailed> {
    let uri = url.publish_uri();
    let uri = match (wants_receipt, uri.contains('?')) {
        (false, _) => uri.to_owned(),
        (true, false) => format!("{uri}?receipt=1"),
        (true, true) => format!("{uri}&receipt=1"),
    };
    let mut request = client(url)?
        .post(uri)
        .force_close()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::ACCEPT, "text/plain"));
    if let Some(authorization) = authorization {
        request = request.insert_header((header::AUTHORIZATION, authorization));
    }
    let sent = request.send_body(body).await;
    let mut response = sent.map_err(|error| unanswered(place, error))?;
    let status = response.status();
    if status.is_success() {
        if !wants_receipt {
            return Ok(None);
        }
        let text = response.body().limit(RECEIPT_MAX).await;
        return Ok(Some(text.unwrap_or_default()));
    }
    let text = response.body().limit(REFUSAL_MAX).await.unwrap_or_default();
    let line = text.trim_ascii().split(|byte| *byte == b'\n').next();
    let separator = if text.trim_ascii().is_empty() {
        ""
    } else {
        ": "
    };
    let line = excerpt(line.unwrap_or_default().trim_ascii());
    Err(PublishFailed::Refused(format!(
        "{}{separator}{line}",
        status.as_u16()
    )))
}

/// Makes the client; its own timeouts never come before the deadline of the whole.
fn client(url: &GripUrl) -> Result<Client, PublishFailed> {
    let mut connector = Connector::new()
        .timeout(DEADLINE * 2)
        .handshake_timeout(DEADLINE * 2);
    if url.is_tls() {
        connector = connector.rustls_0_23(Arc::new(tls()?));
    }
    let builder = Client::builder().connector(connector);
    Ok(builder.disable_timeout().disable_redirects().finish())
}

/// Trusts what this machine trusts: its certificates, or those of `SSL_CERT_FILE`.
fn tls() -> Result<ClientConfig, PublishFailed> {
    let failed = |why: String| PublishFailed::Tls(why);
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        let none = || "no trusted certificates on this machine".to_owned();
        return Err(failed(why.unwrap_or_else(none)));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn unanswered(place: &str, error: SendRequestError) -> PublishFailed {
    let place = place.to_owned();
    match error {
        // What awc says of a connection that ended without an answer.
        SendRequestError::Connect(ConnectError::Disconnected) => PublishFailed::Answer {
            place,
            reason: "the connection was closed".to_owned(),
        },
        SendRequestError::Connect(error) => PublishFailed::Connect {
            place,
            reason: error.to_string(),
        },
        error => PublishFailed::Answer {
            place,
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn a_server_that_never_answers_is_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url = GripUrl::parse(&format!("http://{address}")).unwrap();
        tokio::time::pause();
        let failed = post(&url, "{}".to_owned(), false).await.unwrap_err();
        let expected = format!(
            "no answer from http://{address}/publish/ within 30 s; the item may still be published"
        );
        assert_eq!(failed.to_string(), expected);
    }
}
