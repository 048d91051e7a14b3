//! The `Grip-Feature` header: what of GRIP this P-8 can do, for backends to rely on.
//!
//! Names only what works; a capability is added here by the change that builds it.

/// The features announced to backends, in order.
pub const FEATURES: &[&str] = &[
    "status",
    "session",
    "link:next",
    "link:gone",
    "filter:skip-self",
    "filter:skip-users",
    "filter:require-sub",
    "filter:build-id",
    "filter:var-subst",
    "filter:http-check",
    "filter:http-modify",
];

/// Gives the value of the `Grip-Feature` header.
///
/// **Shape**: `status, session, link:next`
pub fn header_value() -> String {
    FEATURES.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_one_comma_list() {
        assert_eq!(header_value().split(", ").collect::<Vec<_>>(), FEATURES);
        assert!(header_value()
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte)));
    }
}
