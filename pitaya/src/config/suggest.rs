//! The known name that a mistyped one most resembles.

/// The candidate with the fewest single-letter changes, if they are few for a name of this length.
pub(super) fn suggest(name: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    let bound = (name.len() / 6).clamp(2, 6);
    let distances = candidates
        .into_iter()
        .map(|candidate| (distance(name, &candidate.to_lowercase(), &candidate), candidate));
    distances
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= bound)
        .map(|(_, name)| name)
}

/// The Levenshtein distance to the nearer of two spellings.
fn distance(name: &str, lower: &str, exact: &str) -> usize {
    levenshtein(name.as_bytes(), lower.as_bytes()).min(levenshtein(name.as_bytes(), exact.as_bytes()))
}

fn levenshtein(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let names = || ["pitaya.heartbeat.interval", "pitaya.handler.timeout"].map(str::to_owned);
        assert_eq!(
            suggest("pitaya.hearbeat.intervall", names()).as_deref(),
            Some("pitaya.heartbeat.interval")
        );
        assert_eq!(suggest("pitaya.something.else", names()), None);
        assert_eq!(levenshtein(b"kitten", b"sitting"), 3);
    }
}
