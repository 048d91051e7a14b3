//! Guards the docs: what they name exists, and what exists is named.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::text::{cited_pages, idents, markdown_links, slugs};
use super::{files, read, report, root, sources};

#[test]
fn every_key_of_the_shipped_configuration_is_documented() {
    let docs = read("docs/configuration.md");
    let known: BTreeSet<&str> = idents(&docs).collect();
    let mut faults = Vec::new();
    for (number, line) in read("p-8.toml").lines().enumerate() {
        let line = line.trim_start_matches(['#', ' ']);
        let table = line
            .strip_prefix('[')
            .and_then(|l| l.trim_start_matches('[').split(']').next());
        let key = line.split_once('=').map(|(key, _)| key.trim());
        let Some(name) = table.or(key) else { continue };
        let is_key = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if is_key && !known.contains(name) {
            faults.push(format!("p-8.toml:{}: {name}", number + 1));
        }
    }
    report("docs/configuration.md names every key of p-8.toml", &faults);
}

#[test]
fn the_two_commands_of_the_readme_are_there() {
    let readme = read("README.md");
    let manifest = read("Cargo.toml");
    for command in ["cargo run --release -- p-8.toml", "cargo test"] {
        assert!(
            readme.lines().any(|l| l.trim() == command),
            "README.md has no line `{command}`"
        );
    }
    assert!(
        manifest.contains("name = \"p-8\""),
        "Cargo.toml has no program p-8"
    );
    assert!(root().join("p-8.toml").is_file(), "p-8.toml is not there");
    assert!(
        root().join("tests/main.rs").is_file(),
        "tests/main.rs is not there"
    );
}

#[test]
fn every_link_of_the_docs_leads_somewhere() {
    let mut pages = files("docs", ".md");
    for folder in ["bench", "examples", "tests"] {
        pages.extend(files(folder, ".md"));
    }
    for page in [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ] {
        pages.push(page.to_owned());
    }
    let mut faults = Vec::new();
    for page in pages {
        let text = read(&page);
        for link in markdown_links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let folder = Path::new(&page).parent().unwrap_or(Path::new(""));
            let to = if path.is_empty() {
                root().join(&page)
            } else {
                root().join(folder).join(path)
            };
            let lost = !to.exists();
            let heads = || slugs(&fs::read_to_string(&to).unwrap_or_default());
            if lost || (!anchor.is_empty() && path.ends_with("md") && !heads().contains(anchor)) {
                faults.push(format!("{page}: {link}"));
            }
        }
    }
    report(
        "a link of the docs leads to a file, and to a heading in it",
        &faults,
    );
}

#[test]
fn every_page_and_test_that_is_cited_is_there() {
    let mut faults = Vec::new();
    let known: BTreeSet<String> = files("docs", ".md").into_iter().collect();
    for s in sources() {
        for cited in cited_pages(&s.text) {
            let (page, anchor) = cited.split_once('#').unwrap_or((&cited, ""));
            if !known.contains(page) || (!anchor.is_empty() && !slugs(&read(page)).contains(anchor))
            {
                faults.push(format!("{}: {cited}", s.path));
            }
        }
    }
    for cited in read("docs/compatibility.md").split('`').skip(1).step_by(2) {
        let Some((file, test)) = cited
            .rsplit_once("::")
            .filter(|(file, _)| !file.starts_with("test_"))
        else {
            continue;
        };
        let module = root().join("tests").join(file.replace("::", "/"));
        let there = [module.with_extension("rs"), module.join("mod.rs")]
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .any(|text| text.contains(&format!("fn {test}(")));
        let is_unit = ["grip::", "engine::"]
            .iter()
            .any(|floor| cited.starts_with(floor));
        if !there && !is_unit {
            faults.push(format!("docs/compatibility.md: {cited}"));
        }
    }
    let texts: Vec<_> = sources().into_iter().map(|s| s.text).collect();
    for cited in read("docs/reliability.md").split('`').skip(1).step_by(2) {
        let is_test = cited.matches('_').count() > 4;
        let named = format!("fn {cited}(");
        if is_test && !texts.iter().any(|text| text.contains(&named)) {
            faults.push(format!("docs/reliability.md: {cited}"));
        }
    }
    report("what is cited exists", &faults);
}

/// The reason words of a file's own answers: the first text in a call that makes one.
fn answered(text: &str) -> Vec<&str> {
    let calls = ["text(", "own(", "bad_backend(", "bad_body(", "Refusal("];
    let rests = calls.iter().flat_map(|call| text.split(call).skip(1));
    let words = rests.filter_map(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c.is_ascii_digit());
        let rest = rest.trim_start_matches(',').trim_start();
        rest.strip_prefix('"')?.split('"').next()
    });
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    words
        .filter(is_word)
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn every_stable_word_is_documented() {
    let docs = read("docs/operations.md");
    let mut faults = Vec::new();
    for s in sources()
        .iter()
        .filter(|s| s.path.starts_with("src/") && !s.is_test())
    {
        let mut stable = Vec::new();
        for code in s.text.split("fn code(").skip(1) {
            let body = code.split("fn ").next().unwrap_or("");
            stable.extend(
                body.split("=> \"")
                    .skip(1)
                    .filter_map(|rest| rest.split('"').next()),
            );
        }
        if s.path.starts_with("src/http/") {
            stable.extend(answered(&s.text));
        }
        if s.path == "src/stats/counted.rs" {
            let entries = s.text.lines().filter(|l| l.ends_with("\","));
            stable.extend(entries.filter_map(|l| l.split('"').nth(1)));
        }
        let lost = stable
            .iter()
            .filter(|word| !docs.contains(&format!("`{word}`")));
        faults.extend(lost.map(|word| format!("{}: {word}", s.path)));
    }
    report(
        "docs/operations.md lists every reason code and counter",
        &faults,
    );
}
