//! The lines of a routes file, one by one and then together.

use std::collections::HashSet;

use super::draft::DraftRoute;
use super::notes::Notes;
use super::route::{self, Condition};
use super::routes_line;
use super::Files;

/// Turns lines, each with its place, into routes; what Pushpin skips is noted and left out.
pub(super) fn convert(
    lines: &[(String, String)],
    files: &Files,
    notes: &mut Notes,
) -> Vec<DraftRoute> {
    let mut seen = HashSet::new();
    let mut conditions: Vec<(Condition, &str)> = Vec::new();
    let mut routes = Vec::new();
    for (place, line) in lines {
        let sections = match routes_line::parse(line) {
            Ok(sections) if sections.is_empty() => continue,
            Ok(sections) => sections,
            Err(error) => {
                notes.add(place, format!("line left out: {error}"));
                continue;
            }
        };
        match route::convert(&sections, place, files, notes) {
            Err(message) => notes.add(place, format!("line left out: {message}")),
            Ok((condition, route)) => {
                if condition.host.contains('*') && condition.host != "*" {
                    let text =
                        "route left out: Pushpin takes that host as a literal name, which no \
                                client asks for; P-8 would take it as a pattern";
                    notes.add(place, text);
                } else if !seen.insert(condition.identity()) {
                    notes.add(place, "skipping duplicate condition");
                } else {
                    conditions.push((condition, place));
                    routes.push(route);
                }
            }
        }
    }
    note_line_order(&conditions, notes);
    routes
}

impl Condition {
    /// Two routes of the same are duplicates; a route without a host is reached by its id.
    fn identity(&self) -> Condition {
        let mut identity = self.clone();
        if !identity.host.is_empty() {
            identity.id.clear();
        }
        identity
    }

    fn path_beg(&self) -> &str {
        self.path_beg.as_deref().unwrap_or("")
    }

    /// Pushpin prefers this one, which names `ssl`, to an earlier one with a longer path.
    fn wins_by_its_line(&self, earlier: &Condition) -> bool {
        self.host == earlier.host
            && self.proto == earlier.proto
            && self.ssl.is_some()
            && earlier.ssl.is_none()
            && earlier.path_beg().len() > self.path_beg().len()
            && earlier.path_beg().starts_with(self.path_beg())
    }
}

/// Names the routes that Pushpin takes for some requests only because of where their lines stand.
fn note_line_order(conditions: &[(Condition, &str)], notes: &mut Notes) {
    for (index, (later, place)) in conditions.iter().enumerate() {
        let earlier = conditions.iter().take(index);
        let loses = |(earlier, _): &&(Condition, &str)| later.wins_by_its_line(earlier);
        if let Some((longer, other)) = earlier.clone().find(loses) {
            let text = format!(
                "the order of lines plays no part with P-8: requests below {} go to the longer path of \
                 {other}",
                longer.path_beg()
            );
            notes.add(place, text);
        }
    }
}
