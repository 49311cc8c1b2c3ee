//! Part of `cargo xtask phrases`: refuses functions, and so tests, with names of more than 50 characters.

/// The longest name of a function, in bytes.
const LONGEST: usize = 50;

/// Returns the functions of a Rust file whose names are too long, each with its line, counted from 1.
pub(crate) fn too_long(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some((before, after)) = line.split_once("fn ") else { continue };
        let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        if name.len() > LONGEST && !before.contains(['"', '/']) {
            let problem = format!(
                "`{name}` has {} characters, more than {LONGEST}. Write: `subject_action_result`, and a doc comment if \
                 it says more",
                name.len()
            );
            found.push((at + 1, problem));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_with_long_names_are_found() {
        let (longest, longer) = ("a".repeat(50), "a".repeat(51));
        let text = format!(
            "    async fn {longer}() {{}}\nfn {longest}() {{}}\n// fn {longer}()\nlet {longer} = 1;\nfn {longer}<T>() {{}}"
        );
        let lines: Vec<_> = too_long(&text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 5]);
    }
}
