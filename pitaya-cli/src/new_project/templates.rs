//! The files in `templates/`, by their path in a project.

/// Path and text.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($folder:literal: $($path:literal $(= $source:literal)?),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../templates/", $folder, files!(@source $path $($source)?))))),*]
    };
    (@source $path:literal) => { $path };
    (@source $path:literal $source:literal) => { $source };
}

/// The files of every project. The names of some differ, because git and cargo read theirs in a repository too.
pub(super) const COMMON: Files = files!("common/":
    ".dockerignore" = "dockerignore",
    ".gitignore" = "gitignore",
    "src/page.rs",
    "web/build.mjs",
    "web/index.html",
    "web/package.json",
    "web/src/main.ts",
    "web/style.css",
    "web/tsconfig.json",
);

pub(super) const CLUSTER: Files = files!("cluster/":
    "Cargo.toml" = "Cargo.toml.in",
    "Dockerfile",
    "README.md",
    "schema.json",
    "src/connector.rs",
    "src/lib.rs",
    "src/main.rs",
    "src/room.rs",
    "tests/game.rs",
    "web/page.js",
);

/// The schema of [`CLUSTER`].
pub(super) const CLUSTER_SCHEMA: &str = include_str!("../../templates/cluster/schema.json");

pub(super) const STANDALONE: Files = files!("standalone/":
    "Cargo.toml" = "Cargo.toml.in",
    "Dockerfile",
    "README.md",
    "schema.json",
    "src/entry.rs",
    "src/lib.rs",
    "src/main.rs",
    "src/room.rs",
    "tests/game.rs",
    "web/page.js",
);

/// The schema of [`STANDALONE`].
pub(super) const STANDALONE_SCHEMA: &str = include_str!("../../templates/standalone/schema.json");
