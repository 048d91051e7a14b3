//! Pushpin's own configuration file, as text: sections, keys and values, nothing of what they mean.
//!
//! A value without quotes ends at `;` and is cut at commas into a list; quotes protect both, and the
//! spaces around. `\"`, `\\`, `\n`, `\r` and `\t` are escapes. A line that ends with a backslash goes on
//! with the next.

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The section it stands in; empty before the first.
    pub section: String,
    /// Its name.
    pub key: String,
    /// Its value; several if there are commas.
    pub values: Vec<String>,
    /// The line, from 1.
    pub line: usize,
}

/// What a file says, and the lines that say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ini {
    /// The keys in the order written.
    pub entries: Vec<Entry>,
    /// Lines that are no key, comment or section, and lines cut at a `;`.
    pub faults: Vec<(usize, &'static str)>,
}

/// Reads a file's text; nothing in it stops that.
pub fn parse(text: &str) -> Ini {
    let mut ini = Ini::default();
    let mut section = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        let mut line = line.trim().to_owned();
        while goes_on(&line) {
            line.pop();
            match lines.next() {
                Some((_, next)) => line.push_str(next.trim()),
                None => break,
            }
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let in_brackets = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(name) = in_brackets {
            section = name.trim().to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            ini.faults.push((number, "no key with a value: left out"));
            continue;
        };
        let (values, is_cut) = values(value);
        if is_cut {
            let fault = "what stands behind the ; is a comment; quotes would protect it";
            ini.faults.push((number, fault));
        }
        ini.entries.push(Entry {
            section: section.clone(),
            key: key.trim().to_owned(),
            values,
            line: number,
        });
    }
    ini
}

/// Tells whether a line ends with a backslash that escapes its end.
fn goes_on(line: &str) -> bool {
    let is_comment = line.starts_with(['#', ';']);
    let slashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
    !is_comment && slashes % 2 == 1
}

/// Cuts a value into a list; tells whether something came behind a `;`.
fn values(text: &str) -> (Vec<String>, bool) {
    let mut values = Vec::new();
    let mut value = Value::default();
    let mut in_quotes = false;
    let mut chars = text.chars();
    let mut is_cut = false;
    while let Some(next) = chars.next() {
        match next {
            '"' => {
                in_quotes = !in_quotes;
                value.end = value.text.len();
            }
            '\\' => match chars.next() {
                Some('n') => value.push('\n', true),
                Some('r') => value.push('\r', true),
                Some('t') => value.push('\t', true),
                Some(other) => value.push(other, true),
                None => {}
            },
            ',' if !in_quotes => values.push(std::mem::take(&mut value).finish()),
            ';' if !in_quotes => {
                is_cut = true;
                break;
            }
            plain => value.push(plain, in_quotes),
        }
    }
    values.push(value.finish());
    (values, is_cut)
}

/// One value being read: its text, and how much of it stays when spaces at its end go.
#[derive(Default)]
struct Value {
    text: String,
    end: usize,
}

impl Value {
    fn push(&mut self, next: char, is_protected: bool) {
        let is_space = next.is_whitespace() && !is_protected;
        if is_space && self.text.is_empty() {
            return;
        }
        self.text.push(next);
        if !is_space {
            self.end = self.text.len();
        }
    }

    fn finish(mut self) -> String {
        self.text.truncate(self.end);
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_keys_and_lists_are_read_with_their_lines() {
        let ini =
            parse("a=1\n# x=1\n;y=2\n[ one ]\n\nb = c d \r\n[two]\nlist=x, \"y,z\" ,\nempty=\n");
        let found: Vec<_> = ini
            .entries
            .iter()
            .map(|entry| {
                let values = entry.values.join("|");
                format!("{}:{}.{}={}", entry.line, entry.section, entry.key, values)
            })
            .collect();
        let expected = ["1:.a=1", "6:one.b=c d", "8:two.list=x|y,z|", "9:two.empty="];
        assert_eq!(found, expected);
        assert!(ini.faults.is_empty());
    }

    #[test]
    fn quotes_escapes_and_comments_of_a_value_are_read() {
        for (text, expected) in [
            ("\" a ; b \"", " a ; b "),
            ("a\\\"b\\\\c", "a\"b\\c"),
            ("\"a\" b", "a b"),
            ("tab\\tx", "tab\tx"),
            ("base64:AAEC/w==", "base64:AAEC/w=="),
            ("one\\\n  two", "onetwo"),
            ("\"open", "open"),
            ("x\\", "x"),
        ] {
            let ini = parse(&format!("k={text}"));
            assert_eq!(ini.entries[0].values, [expected], "{text}");
        }
        let cut = parse("k=a ; b\nlone\n[open\n");
        assert_eq!(cut.entries[0].values, ["a"]);
        let lines: Vec<_> = cut.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }

    #[test]
    fn any_text_is_read() {
        let mut random = fastrand::Rng::with_seed(8);
        let letters = ['a', ' ', ',', '=', '"', '\\', '#', ';', '\n', '[', ']', 'ß'];
        for _ in 0..20_000 {
            let length = random.usize(..24);
            let text: String = (0..length)
                .map(|_| letters[random.usize(..letters.len())])
                .collect();
            let lines = text.lines().count();
            for entry in parse(&text).entries {
                assert!(!entry.values.is_empty() && (1..=lines).contains(&entry.line));
            }
        }
    }
}
