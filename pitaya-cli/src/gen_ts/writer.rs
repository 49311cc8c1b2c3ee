//! Text with indented lines.

/// Collects lines.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    /// Adds a line.
    pub(super) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            for _ in 0..self.depth {
                self.text.push_str("  ");
            }
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// Adds lines that are indented once more.
    pub(super) fn indented(&mut self, inside: impl FnOnce(&mut Self)) {
        self.depth += 1;
        inside(self);
        self.depth -= 1;
    }

    /// Adds lines between braces: `open` ends with `{`, and `close` begins with `}`.
    pub(super) fn block(&mut self, open: &str, close: &str, inside: impl FnOnce(&mut Self)) {
        self.line(open);
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line(close);
    }

    /// Adds documentation; nothing if it is empty.
    pub(super) fn doc(&mut self, doc: &str) {
        // A comment must not end within its text.
        let doc = without_links(doc).replace("*/", "*\\/");
        let lines: Vec<&str> = doc.trim().lines().map(str::trim_end).collect();
        match lines.as_slice() {
            [] | [""] => {}
            [line] => self.line(&format!("/** {line} */")),
            lines => {
                self.line("/**");
                for line in lines {
                    self.line(format!(" * {line}").trim_end());
                }
                self.line(" */");
            }
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Replaces the links of rustdoc to other items by their texts, because their targets are Rust paths.
fn without_links(doc: &str) -> String {
    let mut out = String::new();
    let mut rest = doc;
    while let Some((before, link)) = rest.split_once("[`") {
        out.push_str(before);
        let Some((text, after)) = link.split_once("`]") else {
            out.push_str("[`");
            rest = link;
            continue;
        };
        out.push_str(&format!("`{text}`"));
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    out.push_str(rest);
    out
}
