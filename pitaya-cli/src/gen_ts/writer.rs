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
        let doc = doc.replace("*/", "*\\/");
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
