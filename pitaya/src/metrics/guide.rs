//! The list of metrics in `docs/guide/metrics.md` is that of the code.

use super::{ALL, Metric};

const BEGIN: &str = "<!-- metrics: written by `BLESS=1 cargo test -p pitaya guide` -->\n";
const END: &str = "<!-- end of metrics -->\n";

fn row(metric: &Metric) -> String {
    let labels: Vec<_> = metric.label_names().map(|name| format!("`{name}`")).collect();
    let name = metric.full_name();
    format!("| `{name}` | {} | {} | {} |\n", metric.kind(), labels.join(", "), metric.help())
}

fn list() -> String {
    let mut rows: Vec<_> = ALL.into_iter().map(row).collect();
    rows.sort();
    format!("{BEGIN}| name | kind | labels | meaning |\n|---|---|---|---|\n{}{END}", rows.concat())
}

#[test]
fn the_guide_lists_every_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/metrics.md");
    let written = std::fs::read_to_string(path).unwrap();
    let begin = written.find(BEGIN).expect("the beginning of the list");
    let end = written.find(END).expect("the end of the list") + END.len();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, [&written[..begin], &list(), &written[end..]].concat()).unwrap();
        return;
    }
    assert!(
        written[begin..end] == list(),
        "docs/guide/metrics.md is out of date: run `BLESS=1 cargo test -p pitaya guide`"
    );
}
