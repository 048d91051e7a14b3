//! Lines of a Pushpin routes file: any text. What is quoted comes back.

use p8::config::import::{ini, routes_line};

/// Checks one input.
pub fn check(line: &str) {
    if let Ok(sections) = routes_line::parse(line) {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        for section in &sections {
            let mut written = quoted(&section.value);
            for (name, value) in &section.properties {
                written += &format!(",{}={}", quoted(name), quoted(value));
            }
            let again = routes_line::parse(&written).unwrap();
            assert_eq!(again.as_slice(), std::slice::from_ref(section));
        }
    }
    let lines = line.lines().count();
    for entry in ini::parse(line).entries {
        assert!(!entry.values.is_empty() && (1..=lines).contains(&entry.line));
    }
}
