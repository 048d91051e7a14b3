//! Publish requests: each field, each refusal with its exact text, and hostile input.
