//! Answers that ask P-8 to hold, in both notations.

use serde_json::{json, Value};

use super::backend::Answer;

/// The two ways to write the same instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Headers,
    Json,
}

pub const BOTH_FORMS: [Form; 2] = [Form::Headers, Form::Json];

/// Asks for a hold by headers, with that body.
pub fn hold(mode: &str, channel: &str, body: &str) -> Answer {
    hold_in(Form::Headers, mode, &[channel], body)
}

/// Asks for a hold in that form, on these channels.
pub fn hold_in(form: Form, mode: &str, channels: &[&str], body: &str) -> Answer {
    match form {
        Form::Headers => {
            let answer = Answer::ok(body).header("Content-Type", "text/plain");
            let answer = answer.header("Grip-Hold", mode);
            channels
                .iter()
                .fold(answer, |answer, name| answer.header("Grip-Channel", name))
        }
        Form::Json => {
            let names: Vec<Value> = channels
                .iter()
                .map(|name| json!({ "name": name }))
                .collect();
            instruct(&json!({
                "hold": {"mode": mode, "channels": names},
                "response": {"headers": {"Content-Type": "text/plain"}, "body": body},
            }))
        }
    }
}

/// A JSON instruct.
pub fn instruct(document: &Value) -> Answer {
    Answer::ok(document.to_string()).header("Content-Type", "application/grip-instruct")
}
