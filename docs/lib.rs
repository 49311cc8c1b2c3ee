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
    deploying: "guide/deploying.md",
    tracing: "guide/tracing.md",
    reliable_rpc: "guide/reliable-rpc.md",
    rust_client: "guide/rust-client.md",
    from_go: "guide/from-go.md",
    schema: "guide/schema.md",
    security: "guide/security.md",
}

#[cfg(test)]
mod circles;

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

    /// A page with Rust that is not in the list above would not be compiled.
    #[test]
    fn every_guide_page_is_compiled() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/guide");
        for entry in std::fs::read_dir(guide).unwrap() {
            let path = format!("guide/{}", entry.unwrap().file_name().to_string_lossy());
            let listed = DOCUMENTS.contains(&path.as_str()) || !read(&path).contains("```rust");
            assert!(listed, "docs/lib.rs does not list {path}");
        }
    }

    /// The texts between backticks of a line.
    fn quoted(line: &str) -> impl Iterator<Item = &str> {
        line.split('`').skip(1).step_by(2)
    }

    /// Names of files and functions in ARCHITECTURE.md are true. In a table of steps the function comes before its file.
    #[test]
    fn architecture_names_existing_code() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let mut functions = 0;
        for line in read("../ARCHITECTURE.md").lines() {
            let names: Vec<&str> = quoted(line).collect();
            let mut source = None;
            for file in names.iter().filter(|name| name.ends_with(".rs")) {
                let text = ["pitaya/src", "."]
                    .iter()
                    .find_map(|folder| std::fs::read_to_string(format!("{root}/{folder}/{file}")).ok());
                assert!(text.is_some(), "ARCHITECTURE.md names {file}, which does not exist");
                source = source.or(text);
            }
            let step =
                line.strip_prefix("| ").is_some_and(|row| row.starts_with(|c: char| c.is_ascii_digit()));
            if let (true, Some(source), Some(function)) = (step, source, names.first()) {
                let name = function.rsplit("::").next().unwrap();
                let defined = [format!("fn {name}("), format!("fn {name}<")];
                assert!(defined.iter().any(|text| source.contains(text)), "no function {function}: {line}");
                functions += 1;
            }
        }
        assert!(functions > 20, "the tables of steps were not found");
    }

    /// The modules of the table under "Modules", each with the number of its row.
    fn module_rows() -> Vec<(String, usize)> {
        let text = read("../ARCHITECTURE.md");
        let (_, table) = text.split_once("| module | owns |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
        let names = |row: &str| quoted(row.split('|').nth(1).unwrap()).map(str::to_owned).collect::<Vec<_>>();
        rows.enumerate().flat_map(|(at, row)| names(row).into_iter().map(move |name| (name, at))).collect()
    }

    /// The modules that code uses by `crate::`, without comments and the tests at the end of a file.
    fn used_modules(source: &str) -> Vec<String> {
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: String = code.lines().map(|line| line.split("//").next().unwrap()).collect();
        let name = |text: &str| {
            text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
        };
        let mut used = Vec::new();
        for rest in code.split("crate::").skip(1) {
            let Some(group) = rest.strip_prefix('{') else {
                used.push(name(rest));
                continue;
            };
            let mut depth = 0;
            let all = group.split(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth < 0 || (depth == 0 && c == ',')
            });
            // What follows the group is no module.
            used.extend(all.take_while(|item| !item.starts_with(';')).map(name));
        }
        used
    }

    #[test]
    fn modules_use_only_those_above() {
        let rows = module_rows();
        let row = |module: &str| rows.iter().find(|(name, _)| name == module).map(|(_, row)| *row);
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../pitaya/src");
        let (mut folders, mut uses, mut wrong) = (vec![std::path::PathBuf::from(sources)], 0, Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let file = path.strip_prefix(sources).unwrap().to_string_lossy().replace('\\', "/");
                if path.is_dir() {
                    folders.extend((!file.ends_with("/tests")).then_some(path));
                    continue;
                }
                let own = file.split('/').next().unwrap().trim_end_matches(".rs");
                if !file.ends_with(".rs") || file.ends_with("tests.rs") || own == "lib" {
                    continue;
                }
                let own_row = row(own).unwrap_or_else(|| panic!("ARCHITECTURE.md has no row of `{own}`"));
                let source = std::fs::read_to_string(&path).unwrap();
                for (module, used) in
                    used_modules(&source).into_iter().filter_map(|module| Some((row(&module)?, module)))
                {
                    uses += 1;
                    if module > own_row {
                        wrong.push(format!("{file} uses `{used}`, which is below `{own}`"));
                    }
                }
            }
        }
        assert!(uses > 500, "{uses} uses were found");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
