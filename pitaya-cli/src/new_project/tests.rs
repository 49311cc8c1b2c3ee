use super::*;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn project(kind: Kind) -> Project {
    Project::new("demo-2", kind, Path::new(REPOSITORY)).unwrap()
}

#[test]
fn no_placeholder_is_left() {
    for kind in [Kind::Cluster, Kind::Standalone] {
        for (path, text) in project(kind).files().unwrap() {
            for left in ["my_game", "my-game", "PITAYA_", "DOCKER_"] {
                let found = text.matches(left).count();
                // The variables of the environment begin so too.
                let expected = if left == "PITAYA_" { text.matches("`PITAYA_").count() } else { 0 };
                assert_eq!(found, expected, "{path} has {left}");
            }
        }
    }
}

#[test]
fn generated_client_has_the_schema_of_the_project() {
    for kind in [Kind::Cluster, Kind::Standalone] {
        let files = project(kind).files().unwrap();
        let text = |wanted: &str| &files.iter().find(|(path, _)| *path == wanted).unwrap().1;
        let schema = Schema::from_json(text("schema.json")).unwrap();
        let hash = format!("hash: \"{}\"", schema.client_hash());
        assert!(text("web/src/game.ts").contains(&hash), "{hash}");
    }
}

#[test]
fn name_that_is_no_crate_is_refused() {
    for (name, why) in [
        ("", "begins with a letter"),
        ("2d", "begins with a letter"),
        ("-x", "begins with a letter"),
        ("a/b", "only letters"),
        ("..", "begins with a letter"),
        ("a b", "only letters"),
        ("spiel\u{e9}", "only letters"),
        ("fn", "keyword"),
        ("async", "keyword"),
        ("gen", "keyword"),
        ("std", "a crate"),
        ("pitaya", "a crate"),
        ("tracing-subscriber", "a crate"),
        (&"x".repeat(65), "64"),
    ] {
        let error = Project::new(name, Kind::Cluster, Path::new(REPOSITORY)).unwrap_err();
        assert!(error.contains(why), "{name}: {error}");
    }
    for name in ["a", "Demo", "my_game-2", &"x".repeat(64)] {
        Project::new(name, Kind::Cluster, Path::new(REPOSITORY)).unwrap();
    }
}

#[test]
fn folder_without_the_framework_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Project::new("demo", Kind::Cluster, folder.path()).unwrap_err();
    assert!(error.contains("has no crate `pitaya`") && error.contains("--pitaya-path"), "{error}");
    let odd = folder.path().join("a\"b");
    fs::create_dir_all(odd.join("pitaya")).unwrap();
    fs::write(odd.join("pitaya/Cargo.toml"), "").unwrap();
    let error = Project::new("demo", Kind::Cluster, &odd).unwrap_err();
    assert!(error.contains("characters"), "{error}");
}

#[test]
fn folder_in_use_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let taken = parent.path().join("demo-2");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("notes"), "mine").unwrap();
    let error = project(Kind::Standalone).write(parent.path()).unwrap_err();
    assert!(error.ends_with("the folder exists and is not empty"), "{error}");
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
    fs::remove_dir_all(&taken).unwrap();
    fs::write(&taken, "a file").unwrap();
    project(Kind::Standalone).write(parent.path()).unwrap_err();
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing half made");
    assert_eq!(fs::read(&taken).unwrap(), b"a file");
}

#[test]
fn empty_folder_is_filled() {
    let parent = tempfile::tempdir().unwrap();
    fs::create_dir(parent.path().join("demo-2")).unwrap();
    let folder = project(Kind::Cluster).write(parent.path()).unwrap();
    for (path, text) in project(Kind::Cluster).files().unwrap() {
        assert_eq!(fs::read_to_string(folder.join(path)).unwrap(), text);
    }
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing else");
}

#[test]
fn folder_that_cannot_be_written_is_an_error() {
    let parent = tempfile::tempdir().unwrap();
    let missing = parent.path().join("missing");
    let error = project(Kind::Cluster).write(&missing).unwrap_err();
    assert!(error.contains("missing"), "{error}");
    assert!(!missing.exists());
}
