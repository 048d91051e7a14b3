//! Reading Rust and Markdown as text, just well enough for the guards of `house.rs`.
//!
//! It does not parse Rust: it blanks comments and strings, and looks at words and braces.

use std::collections::BTreeSet;

/// The text with comments and the content of strings made blank; lines stay where they are.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skip(bytes, at);
        if let Some((from, to)) = end {
            for b in &mut out[from..to] {
                if *b != b'\n' {
                    *b = b' ';
                }
            }
            at = to.max(at + 1);
        } else {
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// If a comment, string or character begins at `at`: from where to where it is blanked.
fn skip(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = &bytes[at..];
    let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        return Some((at, at + end));
    }
    if rest.starts_with(b"/*") {
        return Some((at, at + block_comment(rest)));
    }
    if let Some(end) = (!word_before).then(|| raw_string(rest)).flatten() {
        return Some((at, at + end));
    }
    match rest.first() {
        Some(b'"') => Some((at + 1, at + quoted(rest))),
        Some(b'\'') => character(rest).map(|end| (at, at + end)),
        _ => None,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut i = 0;
    while i < rest.len() {
        if rest[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if rest[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#`, `br"..."`; its length.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let start = usize::from(rest.first() == Some(&b'b') || rest.first() == Some(&b'c'));
    if rest.get(start) != Some(&b'r') {
        return None;
    }
    let hashes = rest[start + 1..].iter().take_while(|b| **b == b'#').count();
    let open = start + 1 + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let length = rest[open + 1..]
        .windows(close.len())
        .position(|w| w == close)?;
    Some(open + 1 + length + close.len())
}

/// Length of a string up to and with its closing quote.
fn quoted(rest: &[u8]) -> usize {
    let mut i = 1;
    while i < rest.len() {
        match rest[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    rest.len()
}

/// Length of a character literal; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.get(3..)?.iter().position(|b| *b == b'\'')?;
        return Some(3 + close + 1);
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(6)]);
    let first = match text {
        Ok(text) => text.chars().next()?,
        Err(e) => std::str::from_utf8(&rest[1..1 + e.valid_up_to()])
            .ok()?
            .chars()
            .next()?,
    };
    let close = 1 + first.len_utf8();
    (rest.get(close) == Some(&b'\'')).then_some(close + 1)
}

/// The code up to its test module.
pub(crate) fn production(code: &str) -> &str {
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let at = from + found;
        let after = code[at + "#[cfg(test)]".len()..].trim_start();
        if after.starts_with("mod ")
            || after.starts_with("pub mod ")
            || after.starts_with("pub(crate) mod ")
        {
            return &code[..at];
        }
        from = at + 1;
    }
    code
}

/// Words of Rust: letters, digits and underscores.
pub(crate) fn idents(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|w| !w.is_empty())
}

/// Parts of a name in snake, camel or kebab case, lower-cased.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut last_lower = false;
    for c in name.chars() {
        let starts = out.is_empty() || (c.is_uppercase() && last_lower);
        if !c.is_alphanumeric() {
            out.push(String::new());
        } else {
            if starts {
                out.push(String::new());
            }
            if let Some(word) = out.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        last_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    out.retain(|w| !w.is_empty());
    out
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// First names below the crate's root, with their lines: after `crate::` or `p8::`, and after as many
/// `super::` as the file is deep. Groups in braces are opened.
pub(crate) fn crate_uses(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for prefix in [
        "crate::".to_owned(),
        "p8::".to_owned(),
        "super::".repeat(depth),
    ] {
        for (at, _) in code.match_indices(&prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            let names = if rest.starts_with('{') {
                group(rest)
            } else {
                vec![first_word(rest)]
            };
            out.extend(names.into_iter().map(|n| (line_of(code, at), n)));
        }
    }
    out
}

fn first_word(text: &str) -> String {
    let text = text.trim_start();
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// First names in `{a::b, c::{d, e}}`: `a`, `c`.
fn group(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if (c == '{' || c == ',') && depth == 1 {
            names.push(first_word(&text[i + 1..]));
        }
    }
    names
}

pub(crate) struct Function {
    pub(crate) name: String,
    /// Lines between the braces that are not blank.
    pub(crate) body_lines: usize,
}

/// Functions with a body, in blanked code.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name = first_word(&code[at + 3..]);
        if let Some(body) = body(&code[at..]).filter(|_| !name.is_empty()) {
            let body_lines = body.lines().filter(|l| !l.trim().is_empty()).count();
            out.push(Function { name, body_lines });
        }
    }
    out
}

fn body(code: &str) -> Option<&str> {
    let mut brackets = 0;
    let mut braces = 0;
    let mut open = 0;
    for (i, c) in code.char_indices() {
        match c {
            '(' | '[' if braces == 0 => brackets += 1,
            ')' | ']' if braces == 0 => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' if brackets == 0 => {
                open = if braces == 0 { i + 1 } else { open };
                braces += 1;
            }
            '}' if brackets == 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(code[open..i].trim_matches('\n'));
                }
            }
            _ => {}
        }
    }
    None
}

/// Names after `fn`, `struct`, `enum`, `trait`, `mod` and `const`, with their lines.
pub(crate) fn declared(code: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut before = "";
        for word in idents(line) {
            if ["fn", "struct", "enum", "trait", "mod", "const"].contains(&before) {
                out.push((number + 1, word.to_owned()));
            }
            before = word;
        }
    }
    out
}

/// Content of `#[...]` and `#![...]`, with lines.
pub(crate) fn attributes(code: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices('#') {
        let rest = code[at + 1..].trim_start_matches('!');
        if !rest.starts_with('[') {
            continue;
        }
        let mut depth = 0;
        let end = rest.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '[') - i32::from(*c == ']');
            depth == 0
        });
        if let Some((end, _)) = end {
            let inner = rest[1..end]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            out.push((line_of(code, at), inner));
        }
    }
    out
}

/// Targets of `[text](target)` outside of code.
pub(crate) fn markdown_links(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for line in prose(text) {
        let spans: Vec<&str> = line.split('`').collect();
        let line: String = spans.iter().step_by(2).copied().collect();
        for (at, _) in line.match_indices("](") {
            if let Some(target) = line[at + 2..].split(')').next() {
                out.push(target.trim().to_owned());
            }
        }
    }
    out
}

/// Pages of the docs that a source names, with their anchors.
pub(crate) fn cited_pages(text: &str) -> Vec<String> {
    let part = |c: char| c.is_alphanumeric() || "/.#-_".contains(c);
    text.match_indices("docs/")
        .map(|(at, _)| {
            text[at..]
                .split(|c| !part(c))
                .next()
                .unwrap_or("")
                .trim_end_matches('.')
        })
        .filter(|cited| cited.contains(".md"))
        .map(str::to_owned)
        .collect()
}

/// Anchors of the headings, as GitHub makes them.
pub(crate) fn slugs(text: &str) -> BTreeSet<String> {
    let heads = prose(text).filter(|l| l.starts_with('#'));
    heads
        .map(|l| {
            let kept = l
                .trim_start_matches('#')
                .trim()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => {
                        Some(c.to_ascii_lowercase())
                    }
                    _ => None,
                });
            kept.collect()
        })
        .collect()
}

/// Lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

#[test]
fn comments_and_strings_are_blanked() {
    let text = "a // crate::http\nb /* x /* y */ z */ c \"s\\\"t\" r#\"q\"# 'x' '\\'' &'a str";
    let code = blank(text);
    let seen: Vec<&str> = idents(&code).collect();
    assert_eq!(seen, ["a", "b", "c", "a", "str"]);
    assert_eq!(code.lines().count(), 2);
}

#[test]
fn uses_functions_and_attributes_are_found() {
    let code = "use crate::{grip::{a, b}, http};\nuse super::super::server::X;\n\
                #[allow(\n dead_code)]\nfn f(a: [u8; 2]) {\n x;\n\n if y { z }\n}\nfn g();\n";
    let names: Vec<String> = crate_uses(code, 2).into_iter().map(|(_, n)| n).collect();
    assert_eq!(names, ["grip", "http", "server"]);
    let found = functions(code);
    assert_eq!(
        (found.len(), found[0].name.as_str(), found[0].body_lines),
        (1, "f", 2)
    );
    assert_eq!(attributes(code), [(3, "allow( dead_code)".to_owned())]);
    assert_eq!(words("doThing_base64-X"), ["do", "thing", "base64", "x"]);
}

#[test]
fn links_and_headings_are_found() {
    let text = "# A `b` c!\n[x](y.md#z) `[n](o)`\n```\n[p](q)\n```\n";
    assert_eq!(markdown_links(text), ["y.md#z"]);
    assert_eq!(slugs(text).into_iter().collect::<Vec<_>>(), ["a-b-c"]);
}
