//! The configuration file: any text. A refusal says something and has a code.

/// Checks one input.
pub fn check(text: &str) {
    if let Err(error) = p8::Settings::from_toml(text) {
        assert!(!error.to_string().is_empty() && !error.code().is_empty());
    }
}
