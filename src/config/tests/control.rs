//! Tests of `[control] auth` and `hosts`.

use super::*;

fn wrong(auth: &str) -> String {
    error(&format!("[control]\nauth = [{auth}]"))
}

#[test]
fn credentials_are_of_three_kinds() {
    let found = settings(
        "[control]\nlisten = \"0.0.0.0:1\"\nhosts = [\"Push.internal\"]\nauth = [{ bearer = \"a\" }, \
         { user = \"b\", password = \"c:d\" }, { iss = \"e\", key = \"f\" }]",
    );
    assert_eq!(found.control.access.admitted.len(), 3);
    assert_eq!(found.control.access.hosts, ["push.internal"]);
    assert!(!found.control.is_open());
}

#[test]
fn mistakes_name_the_entry_and_show_no_secret() {
    for (auth, words) in [
        ("{ bearer = \"\" }", ["auth[0].bearer", "empty secret"]),
        (
            "{ bearer = \"hush hush\" }",
            ["auth[0].bearer", "without blanks"],
        ),
        (
            "{ bearer = \"hush\", user = \"u\" }",
            ["auth[0]", "bearer alone"],
        ),
        ("{ user = \"u\" }", ["auth[0]", "user and password"]),
        ("{ key = \"hush\" }", ["auth[0]", "iss and key"]),
        ("{}", ["auth[0]", "bearer alone"]),
        (
            "{ user = \"a:b\", password = \"hush\" }",
            ["auth[0].user", "without a colon"],
        ),
        (
            "{ bearer = \"env:P8_TEST_NOT_SET\" }",
            ["auth[0].bearer", "which is not set"],
        ),
        (
            "{ iss = \"i\", key = \"\" }",
            ["auth[0].key", "empty secret"],
        ),
        (
            "{ bearer = \"a\" }, { token = \"hush\" }",
            ["token", "unknown key"],
        ),
        ("{ bearer = 17 }", ["auth", "expected"]),
    ] {
        let message = wrong(auth);
        for word in words {
            assert!(message.contains(word), "{word:?} in {message}");
        }
        assert!(!message.contains("hush"), "{message}");
    }
    let message = error("[control]\nhosts = \"push.internal:5561\"");
    assert!(message.contains("without a port"), "{message}");
}
