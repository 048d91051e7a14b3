//! Templates of filters, questions to the backend, and patches: any content with any meta. The result
//! is bounded.

use std::collections::BTreeMap;

use bytes::Bytes;
use p8::grip::filter::{apply, apply_to_body, Context, Filter, Verdict};
use p8::grip::network_filter::{judge, Question};
use p8::grip::{publish::body_patch, ChannelName, ItemId};

/// What filters may make of an item, in bytes.
const RESULT_MAX: usize = 1_000_000;

/// Checks one input.
pub fn check(input: (&str, &str, Vec<u8>)) {
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
    for filter in [Filter::HttpCheck, Filter::HttpModify] {
        meta_question(filter, &meta, &content);
    }
    if let Ok(patch) = serde_json::from_slice(&content) {
        let added = body_patch::ADDED_BYTES_MAX;
        let bound = 8 * (id_format.len() + content.len() + added);
        if let Ok(patched) = body_patch::apply(id_format.as_bytes(), &patch) {
            assert!(patched.len() <= bound);
        }
    }
}

/// Asks with that meta: it must arrive as it is, in headers of one line.
fn meta_question(filter: Filter, meta: &BTreeMap<String, String>, content: &Bytes) {
    let name = meta.get("user").map_or("", String::as_str);
    let ids = [(ChannelName::new(name), Some(ItemId::new(name)))];
    let mut meta = meta.clone();
    meta.insert("url".to_owned(), "/".to_owned());
    let context = Context {
        meta: &meta,
        publish_meta: &meta,
        ids: &ids,
    };
    let question = Question::new(filter, &context, content).unwrap();
    let written = question.headers.get("sub-meta").unwrap();
    let read: BTreeMap<String, String> = serde_json::from_slice(written.as_bytes()).unwrap();
    assert_eq!(read, meta);
    let answer = (200, &question.headers, content.clone());
    assert_eq!(
        judge(filter, content.clone(), answer),
        Ok(Verdict::Pass(content.clone()))
    );
}
