//! Templates of filters, and patches: any content with any meta. The result is bounded.

#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use p8::grip::filter::{apply, apply_to_body, Context, Filter, Verdict};
use p8::grip::{publish::body_patch, ChannelName, ItemId};

/// What filters may make of an item, in bytes.
const RESULT_MAX: usize = 1_000_000;

fuzz_target!(|input: (&str, &str, Vec<u8>)| {
    let (id_format, encoding, content) = input;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut meta = BTreeMap::from([pair("id_format", id_format), pair("user", encoding)]);
    if !encoding.is_empty() {
        meta.insert("id_encoding".to_owned(), encoding.to_owned());
    }
    let ids = [(ChannelName::new("a"), Some(ItemId::new("7")))];
    let context = Context {
        meta: &meta,
        publish_meta: &meta,
        ids: &ids,
    };
    let filters = [Filter::SkipSelf, Filter::VarSubst, Filter::BuildId];
    let content = Bytes::from(content);
    let bound = RESULT_MAX.max(content.len());
    if let Ok(Verdict::Pass(edited)) = apply(&filters, &context, content.clone()) {
        assert!(edited.len() <= bound);
    }
    if let Ok(edited) = apply_to_body(&filters, &context, content.clone()) {
        assert!(edited.len() <= bound);
    }
    if let Ok(patch) = serde_json::from_slice(&content) {
        let _ = body_patch::apply(id_format.as_bytes(), &patch);
    }
});
