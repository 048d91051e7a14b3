//! Pushpin's configuration: any text and lines of routes. What an import makes of them loads, or it says why
//! not.

use std::path::PathBuf;

use p8::config::import::import;

/// Checks one input.
pub fn check(input: (&str, Vec<&str>)) {
    let (text, lines) = input;
    // Another file would be read.
    if text.contains("include") || lines.is_empty() {
        return;
    }
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let file = file();
    std::fs::write(&file, text).unwrap();
    match import(&file, &lines) {
        Ok(imported) => drop(p8::Settings::from_toml(&imported.toml).unwrap()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = std::fs::remove_file(file);
}

fn file() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    folder.join(format!("p-8-import-{}.conf", std::process::id()))
}
