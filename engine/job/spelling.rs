//! What a misspelt word was probably meant to be.

/// Bytes of a word that is compared at all.
const LONGEST: usize = 40;

/// The one of `known` that a misspelt word probably means; capitals, `-`, `_` and spaces do not count.
pub(crate) fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = letters(word);
    let distances = known.iter().map(|candidate| (distance(&word, &letters(candidate)), *candidate));
    let near = distances.filter(|(distance, candidate)| *distance <= (candidate.len() / 3).min(3));
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

fn letters(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// How many letters must be changed, added, taken away or swapped to make one word of the other.
fn distance(from: &[char], to: &[char]) -> usize {
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
        let known = ["dataNodes", "processNodes", "schedule", "requirement", "on"];
        for (word, meant) in [
            ("data_nodes", Some("dataNodes")),
            ("processnode", Some("processNodes")),
            ("scheudle", Some("schedule")),
            ("requirements", Some("requirement")),
            ("off", None),
            ("nodes", None),
            ("", None),
        ] {
            assert_eq!(closest(word, &known), meant, "{word}");
        }
    }

    #[test]
    fn counts_changes() {
        let distance = |from: &str, to: &str| distance(&letters(from), &letters(to));
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
