//! What a misspelt word was probably meant to be.

/// The one of `known` that a misspelt word probably means.
pub(crate) fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > 40 {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (distance(&word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added, taken away or swapped to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let cost = |cells: &[usize], at: usize| cells.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best = (cost(&last, column) + usize::from(letter != other))
                .min(cost(&last, column + 1) + 1)
                .min(cost(&next, column) + 1);
            let swapped =
                row > 0 && column > 0 && from.get(row - 1) == Some(other) && to.get(column - 1) == Some(letter);
            if swapped {
                best = best.min(cost(&before_last, column - 1) + 1);
            }
            next.push(best);
        }
        before_last = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_what_was_meant() {
        let known = ["command", "priority", "retry", "on_crash", "queue"];
        for (word, meant) in [
            ("comand", Some("command")),
            ("pirority", Some("priority")),
            ("Retry", Some("retry")),
            ("on-crash", Some("on_crash")),
            ("cmd", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(word, &known), meant, "{word}");
        }
        assert_eq!(closest(&"q".repeat(1 << 20), &known), None);
    }

    #[test]
    fn counts_changes() {
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
