//! Finds files of one folder that use each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The circles that stay, each with its reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("client", "builder reconnect", "a client that reconnects keeps the builder that makes it"),
    (
        "client/reconnect",
        "calls events",
        "the shared state of the calls holds the events that wait for the program",
    ),
    (
        "component",
        "arg build call every method table",
        "generated code calls one table: the parts of an entry name each other",
    ),
    ("config", "key table", "a key sets a field of the struct that its table declares"),
    ("context", "lazy metadata", "a value is parsed on its first use, by the type that holds it"),
    (
        "documentation",
        "file framework",
        "the framework's own messages are described like those of the application",
    ),
    ("group", "groups membership", "a membership is a member's handle to its group"),
    ("metrics/prometheus", "series text", "a family is written by the encoder, which reads its series"),
    ("serialize", "message recode", "the type of a push names the function that recodes it"),
    (
        "session",
        "backend binding callback frontend handle outbox pool pushing side testing",
        "a session, its pool and its callbacks refer to each other by their nature",
    ),
    ("wire", "dictionary message", "a message holds a route or its code in the dictionary"),
    ("worker", "heartbeat once poll pool settle", "the tasks of a pool share its state"),
];

/// A module: its names from the crate root.
type Module = Vec<String>;

/// The `use` of a path, and its file.
struct Source {
    paths: Vec<Module>,
    /// The things that a `use` makes visible, by their last names.
    imported: BTreeMap<String, Module>,
}

/// Reads the code of a file, without comments and the tests at its end.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn files(root: &Path) -> BTreeMap<Module, PathBuf> {
    let (mut folders, mut all) = (vec![root.to_owned()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                folders.extend((!file.ends_with("/tests")).then_some(path));
            } else if let Some(module) = file.strip_suffix(".rs").filter(|file| !file.ends_with("tests")) {
                let module = module.strip_suffix("/mod").unwrap_or(module).split('/').map(str::to_owned);
                all.insert(module.filter(|name| name != "lib").collect(), path);
            }
        }
    }
    all
}

/// Splits a tree of imports, such as `a::{b, c::d}`, into its paths.
fn paths_of(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, group)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().to_owned()];
    };
    let mut depth = 0;
    group
        .rsplit_once('}')
        .map_or(group, |(group, _)| group)
        .split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && c == ','
        })
        .filter(|item| !item.trim().is_empty())
        .flat_map(paths_of)
        .map(|path| format!("{}{path}", before.trim()))
        .collect()
}

/// Returns a path from the crate root; `None` for a path into another crate.
fn absolute(module: &Module, path: &str, all: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    let mut names: Vec<String> = path.split("::").map(|name| name.trim().to_owned()).collect();
    names.retain(|name| name != "self" && !name.is_empty());
    let base = match names.first()?.as_str() {
        "crate" => {
            names.remove(0);
            Module::new()
        }
        "super" => {
            let up = names.iter().take_while(|name| *name == "super").count();
            names.drain(..up);
            module[..module.len().checked_sub(up)?].to_vec()
        }
        first => {
            let child = [&module[..], &[first.to_owned()]].concat();
            if !all.contains_key(&child) {
                return None;
            }
            module.clone()
        }
    };
    Some([base, names].concat())
}

fn read(module: &Module, file: &Path, all: &BTreeMap<Module, PathBuf>) -> Source {
    let code = code(file);
    let (mut paths, mut imported) = (Vec::new(), BTreeMap::new());
    let mut statements = code.split(';').peekable();
    while let Some(statement) = statements.next() {
        let start = statement.rfind("use ").filter(|_| statements.peek().is_some());
        let start = start.filter(|at| statement[..*at].ends_with([' ', '\n']) || *at == 0);
        let tree = start.map(|at| &statement[at + 4..]);
        let is_tree = |tree: &&str| tree.chars().all(|c| c.is_alphanumeric() || " \n_:,*{}".contains(c));
        if let Some(tree) = tree.filter(is_tree) {
            let exported = statement[..start.unwrap()].trim_end().ends_with(['b', ')']);
            for path in paths_of(tree).iter().filter_map(|path| absolute(module, path, all)) {
                if let Some(name) = path.last().filter(|name| *name != "*") {
                    imported.insert(name.clone(), path.clone());
                }
                paths.extend((!exported).then_some(path));
            }
            continue;
        }
        for prefix in ["super::", "crate::"] {
            for (at, _) in statement.match_indices(prefix) {
                let path: String = statement[at..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || "_:".contains(*c))
                    .collect();
                paths.extend(absolute(module, path.trim_end_matches(':'), all));
            }
        }
    }
    Source { paths, imported }
}

/// Returns the module of the file that defines the end of a path. Follows what modules re-export.
fn defined_in(path: &Module, sources: &BTreeMap<Module, Source>, depth: u32) -> Module {
    let known = (0..=path.len()).rev().find(|end| sources.contains_key(&path[..*end])).unwrap_or(0);
    let module = path[..known].to_vec();
    let next = path.get(known).and_then(|name| sources.get(&module)?.imported.get(name));
    match next {
        Some(next) if depth < 6 && next != path => {
            defined_in(&[&next[..], &path[known + 1..]].concat(), sources, depth + 1)
        }
        _ => module,
    }
}

/// The circles of a folder, by the names of its entries: files, and folders with their root file. A folder's root may
/// use its parts, and the parts their root.
fn circles(uses: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let reached = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(next) = open.pop() {
            open.extend(uses.get(next).into_iter().flatten().filter(|to| seen.insert((*to).clone())));
        }
        seen
    };
    let all: BTreeMap<_, _> = uses.keys().map(|entry| (entry, reached(entry))).collect();
    let circle = |entry: &&String| {
        let together = all[*entry].iter().filter(|to| all.get(to).is_some_and(|back| back.contains(*entry)));
        together.cloned().collect::<Vec<_>>().join(" ")
    };
    all.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

#[test]
fn files_of_a_folder_form_no_circle() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../pitaya/src"));
    let files = files(root);
    let sources: BTreeMap<Module, Source> =
        files.iter().map(|(module, file)| (module.clone(), read(module, file, &files))).collect();
    let (mut folders, mut count) = (BTreeMap::<Module, BTreeMap<String, BTreeSet<String>>>::new(), 0);
    for (module, source) in &sources {
        for used in source.paths.iter().map(|path| defined_in(path, &sources, 0)) {
            let shared = module.iter().zip(&used).take_while(|(a, b)| a == b).count();
            // Modules of the crate have an order of their own.
            if let (1.., Some(from), Some(to)) = (shared, module.get(shared), used.get(shared)) {
                count += 1;
                let folder = folders.entry(module[..shared].to_vec()).or_default();
                folder.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    assert!(count > 500, "{count} uses were found");
    let found: BTreeSet<(String, String)> = folders
        .iter()
        .flat_map(|(folder, uses)| circles(uses).into_iter().map(move |circle| (folder.join("/"), circle)))
        .collect();
    let allowed: BTreeSet<(String, String)> =
        ALLOWED.iter().map(|(folder, circle, _)| ((*folder).to_owned(), (*circle).to_owned())).collect();
    let new: Vec<_> = found.difference(&allowed).collect();
    assert!(new.is_empty(), "move what these share into a file below them: {new:?}");
    let gone: Vec<_> = allowed.difference(&found).collect();
    assert!(gone.is_empty(), "these are no circles any more, remove them from the list: {gone:?}");
}

#[test]
fn a_circle_of_files_is_found() {
    let uses = |pairs: &[(&str, &str)]| {
        let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
        for (from, to) in pairs {
            uses.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        uses
    };
    assert!(circles(&uses(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    let found = circles(&uses(&[("a", "b"), ("b", "c"), ("c", "b"), ("d", "a")]));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["b c"]);
    assert_eq!(paths_of("super::{a::B, c::{self, D}}"), ["super::a::B", "super::c::self", "super::c::D"]);
}
