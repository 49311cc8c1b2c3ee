//! Compiles the Rust examples of `README.md` and `docs/guide` as doctests: `cargo test -p pitaya-docs --doc`.
//!
//! The package exists for that alone. The published crates cannot do it, because a packaged crate contains only files below
//! its own folder.

/// Includes each document as the documentation of a module, where rustdoc finds its examples.
macro_rules! documents {
    ($($name:ident: $path:literal,)*) => {
        $(#[cfg(doctest)] #[doc = include_str!($path)] mod $name {})*

        /// The documents that are compiled.
        pub const DOCUMENTS: &[&str] = &[$($path,)*];
    };
}

documents! {
    readme: "../README.md",
    index: "guide/README.md",
    getting_started: "guide/getting-started.md",
    handlers: "guide/handlers.md",
    sessions: "guide/sessions.md",
    groups_and_pushes: "guide/groups-and-pushes.md",
    clusters: "guide/clusters.md",
    configuration: "guide/configuration.md",
    testing: "guide/testing.md",
    operations: "guide/operations.md",
    from_go: "guide/from-go.md",
    security: "guide/security.md",
}

#[cfg(test)]
mod tests {
    use super::DOCUMENTS;

    fn read(document: &str) -> String {
        std::fs::read_to_string(format!("{}/{document}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// An example that is ignored is not compiled. Hidden lines are visible to readers on a repository's web page.
    #[test]
    fn no_example_is_ignored_or_has_hidden_lines() {
        for document in DOCUMENTS {
            let mut rust = false;
            for (at, line) in read(document).lines().enumerate() {
                let place = format!("{document}, line {}", at + 1);
                if let Some(language) = line.strip_prefix("```") {
                    rust = language.starts_with("rust");
                    assert!(!language.contains("ignore"), "{place}: the example is ignored");
                } else if rust {
                    assert!(line != "#" && !line.starts_with("# "), "{place}: a hidden line");
                }
            }
        }
    }

    /// A page that is not in the list above would not be compiled.
    #[test]
    fn every_guide_page_is_compiled() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/guide");
        for entry in std::fs::read_dir(guide).unwrap() {
            let path = format!("guide/{}", entry.unwrap().file_name().to_string_lossy());
            assert!(DOCUMENTS.contains(&path.as_str()), "docs/lib.rs does not list {path}");
        }
    }
}
