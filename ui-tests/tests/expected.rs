//! Reads every expected error, so that no change of a macro makes one worse unnoticed.
//!
//! A case in `fail/` marks its mistakes: `//~v MISTAKE` above a line means that there is one in that line, and
//! `//~v ATTRIBUTE` that an attribute as a whole is the mistake. The rules, for each `.stderr`:
//!
//! - Each mistake has one error, in its line, and there is no other.
//! - No error points at an attribute, except where that is the mistake: an argument, a name or a return type is meant.
//! - None names `__private`.
//! - Each says what to write instead: outside of quoted code it has a verb of [`VERBS`], or lists what is possible
//!   (``takes `server` ``). An error of the compiler's own says by itself what it wants; which ones these are, and the
//!   words that it must have, is in [`COMPILER`].

use std::path::Path;

/// The verbs of an error that tell the user what to do.
const VERBS: [&str; 20] = [
    "add",
    "annotate",
    "annotating",
    "call",
    "derive",
    "give",
    "implement",
    "keep",
    "make",
    "mark",
    "move",
    "name",
    "put",
    "remove",
    "rename",
    "return",
    "send",
    "turn",
    "use",
    "write",
];

/// Errors of the compiler that need no words of the framework: their beginning, and what else must be in them.
const COMPILER: [(&str, &str); 7] = [
    ("error[E0046]: not all trait items implemented, missing: `", "missing `"),
    (
        "error[E0277]: the trait bound `ChatError: std::error::Error` is not satisfied",
        "trait `std::error::Error` is not",
    ),
    ("error[E0308]: mismatched types", "expected `"),
    ("error[E0576]: cannot find method or associated constant `__WRITE_REMOTE_ON_THIS_TRAIT`", ""),
    ("error[E0592]: duplicate definitions with name `", "other definition for `"),
    ("error[E0599]: no method named `", "method not found in `"),
    ("error: future cannot be sent between threads safely", "which is not `Send`"),
];

/// Lines of the compiler with verbs that tell the user nothing to do.
const BOILERPLATE: [&str; 4] = [
    "note: required for `",
    "this error originates in",
    "help: the trait `",
    "help: the following other types",
];

/// One error of the compiler.
#[derive(Debug, Clone, Copy)]
struct Report<'a> {
    text: &'a str,
    line: usize,
    column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Mistake,
    Attribute,
}

/// The errors of a compiler's output.
fn reports(stderr: &str) -> Vec<Report<'_>> {
    let mut starts: Vec<usize> = stderr
        .match_indices("error")
        .filter(|(at, _)| *at == 0 || stderr[..*at].ends_with('\n'))
        .map(|(at, _)| at)
        .collect();
    starts.push(stderr.len());
    let read = |pair: &[usize]| {
        let text = &stderr[pair[0]..pair[1]];
        let place = text.lines().nth(1).and_then(|line| line.trim().strip_prefix("--> ")).unwrap_or_default();
        let mut numbers = place.rsplit(':').map(|part| part.parse().unwrap_or(0));
        let (column, line) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Report { text, line, column }
    };
    starts.windows(2).map(read).collect()
}

/// The marked lines of a case, counted from 1.
fn marks(source: &str) -> Vec<(usize, Mark)> {
    let mut marks = Vec::new();
    let mut waiting = Vec::new();
    for (line, text) in (1..).zip(source.lines()) {
        match text.trim() {
            "//~v MISTAKE" => waiting.push(Mark::Mistake),
            "//~v ATTRIBUTE" => waiting.push(Mark::Attribute),
            _ => marks.extend(waiting.drain(..).map(|mark| (line, mark))),
        }
    }
    marks
}

impl Report<'_> {
    /// The first line, which is the message.
    fn headline(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// Whether it points at an attribute as a whole, or at a derive.
    fn at_attribute(&self, source: &str) -> bool {
        let line = source.lines().nth(self.line - 1).unwrap_or_default();
        let pointed = line.chars().skip(self.column - 1).collect::<String>();
        pointed.starts_with("#[") || line.trim_start().starts_with("#[derive(")
    }

    /// The words of the message and its notes, without code.
    fn words(&self) -> Vec<&str> {
        let prose = self.text.lines().map(str::trim_start).filter(|line| {
            let said =
                ["error", "help: ", "= note: ", "= help: "].iter().any(|start| line.starts_with(start));
            said && !BOILERPLATE.iter().any(|text| line.contains(text))
        });
        // Every second piece between backticks is code.
        let pieces = prose.flat_map(|line| line.split('`').step_by(2));
        pieces.flat_map(|piece| piece.split(|c: char| !c.is_alphabetic())).collect()
    }

    fn says_what_to_write(&self) -> bool {
        if let Some((_, needed)) = COMPILER.iter().find(|(start, _)| self.headline().starts_with(start)) {
            return self.text.contains(needed);
        }
        self.headline().contains(" takes `") || self.words().iter().any(|word| VERBS.contains(word))
    }
}

/// Returns the faults of the expected errors of a case.
fn judge(source: &str, stderr: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let all = reports(stderr);
    let mark = |report: &Report<'_>| match report.at_attribute(source) {
        true => (report.line, Mark::Attribute),
        false => (report.line, Mark::Mistake),
    };
    let mut found: Vec<_> = all.iter().map(mark).collect();
    let mut meant = marks(source);
    found.sort_unstable();
    meant.sort_unstable();
    if meant.is_empty() {
        wrong.push("no mistake is marked".to_owned());
    }
    if found != meant {
        wrong.push(format!("errors and mistakes differ: {found:?} are told, {meant:?} are marked"));
    }
    for report in all {
        if report.text.contains("__private") {
            wrong.push(format!("names `__private`: {}", report.headline()));
        }
        if !report.says_what_to_write() {
            wrong.push(format!("does not say what to write instead: {}", report.headline()));
        }
    }
    wrong
}

/// It says what to write instead.
#[test]
fn every_mistake_has_one_error_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fail");
    let mut wrong = Vec::new();
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let stderr = std::fs::read_to_string(path.with_extension("stderr")).unwrap();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            wrong.extend(judge(&source, &stderr).into_iter().map(|what| format!("{name}: {what}")));
            read += 1;
        }
    }
    wrong.sort_unstable();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 50, "only {read} cases were found");
}

const CASE: &str = "#[handler]\nimpl Entry {\n    //~v MISTAKE\n    pub fn join(&self) {}\n}\n";
const GOOD: &str = "error: handler `join` must be async: write `pub async fn join`\n --> tests/fail/a.rs:4:9\n  |\n4 |     \
                    pub fn join(&self) {}\n  |         ^^\n";

#[test]
fn the_judge_lets_a_good_case_pass() {
    assert_eq!(judge(CASE, GOOD), [""; 0]);
}

#[test]
fn the_judge_sees_what_is_wrong() {
    let says = |source: &str, stderr: &str, complaint: &str| {
        let wrong = judge(source, stderr);
        assert!(wrong.iter().any(|w| w.starts_with(complaint)), "{complaint}: {wrong:?}");
    };
    says(CASE, "", "errors and mistakes differ");
    says(CASE, &GOOD.repeat(2), "errors and mistakes differ");
    says(CASE, &GOOD.replace(":4:9", ":2:6"), "errors and mistakes differ");
    says(CASE, &GOOD.replace(":4:9", ":1:1"), "errors and mistakes differ");
    says(&CASE.replace("//~v MISTAKE", ""), GOOD, "no mistake is marked");
    says(&CASE.replace("impl", "//~v MISTAKE\nimpl"), GOOD, "errors and mistakes differ");
    // At the attribute, in the line that is marked.
    let attribute = CASE.replace("pub", "#[route] pub");
    says(&attribute, &GOOD.replace(":4:9", ":4:5"), "errors and mistakes differ");
    says(&CASE.replace("MISTAKE", "ATTRIBUTE"), GOOD, "errors and mistakes differ");
    says(CASE, &GOOD.replace("`join`", "`pitaya::__private::join`"), "names `__private`");
    // The verb is gone, or stands only in code.
    says(CASE, &GOOD.replace("write", "as in"), "does not say what to write instead");
    says(CASE, &GOOD.replace("write", "`write`"), "does not say what to write instead");
    says(
        CASE,
        &GOOD.replace("write", "as in").replace("pub fn", "write fn"),
        "does not say what to write instead",
    );
    let needs =
        "  = note: required for `A` to implement `B`\nhelp: the following other types implement trait `B`\n";
    says(CASE, &(GOOD.replace("write", "as in") + needs), "does not say what to write instead");
    // The compiler's own, without what makes it clear; and serde's, without ours beside it.
    says(CASE, "error[E0308]: mismatched types\n --> a.rs:4:9\n", "does not say what to write instead");
    let serde = "error[E0277]: the trait bound `B: serde::Serialize` is not satisfied\n --> a.rs:4:9\n";
    says(CASE, serde, "does not say what to write instead");
}
