//! Splits a command into words as a POSIX shell does, without expanding anything.

/// What is wrong with a command, and at which of its characters (from 1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadWords {
    pub(super) column: usize,
    pub(super) problem: &'static str,
}

/// The words of a command: quotes and backslashes as in POSIX sh 2.2, nothing expanded. An unquoted
/// character that would end the command in a shell (`|`, `&`, `;`, `<`, `>`, parentheses) is refused, since
/// whoever writes it means a shell.
///
/// # Errors
/// A quote that is not closed, a backslash at the end, an unquoted operator.
pub(super) fn split_words(text: &str) -> Result<Vec<String>, BadWords> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().enumerate();
    while let Some((index, c)) = chars.next() {
        let bad = |problem| BadWords { column: index + 1, problem };
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                single_quoted(&mut chars, word).ok_or_else(|| bad("a single quote is not closed"))?;
            }
            '"' => {
                let word = word.get_or_insert_default();
                double_quoted(&mut chars, word).ok_or_else(|| bad("a double quote is not closed"))?;
            }
            '\\' => match chars.next() {
                Some((_, '\n')) => {}
                Some((_, escaped)) => word.get_or_insert_default().push(escaped),
                None => return Err(bad("a backslash at the end escapes nothing")),
            },
            '|' | '&' | ';' | '<' | '>' | '(' | ')' => {
                return Err(bad("an unquoted shell operator; use `shell` or quote it"));
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(chars: &mut impl Iterator<Item = (usize, char)>, word: &mut String) -> Option<()> {
    loop {
        match chars.next()?.1 {
            '\'' => return Some(()),
            c => word.push(c),
        }
    }
}

fn double_quoted(chars: &mut impl Iterator<Item = (usize, char)>, word: &mut String) -> Option<()> {
    loop {
        match chars.next()?.1 {
            '"' => return Some(()),
            '\\' => match chars.next()?.1 {
                '\n' => {}
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell_does() {
        let table: [(&str, &[&str]); 12] = [
            ("", &[]),
            ("  \t ", &[]),
            ("wc -l file", &["wc", "-l", "file"]),
            (" a  b\n c ", &["a", "b", "c"]),
            ("'a b' c", &["a b", "c"]),
            ("\"a b\"c", &["a bc"]),
            ("a'' ''", &["a", ""]),
            (r#""say \"hi\" \$x \n""#, &[r#"say "hi" $x \n"#]),
            (r"a\ b \'", &["a b", "'"]),
            ("'it'\\''s'", &["it's"]),
            ("$HOME *.rs '|'", &["$HOME", "*.rs", "|"]),
            ("a\\\nb", &["ab"]),
        ];
        for (text, words) in table {
            assert_eq!(split_words(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn names_the_column_of_what_is_wrong() {
        for (text, column, says) in [
            ("echo 'x", 6, "single quote"),
            ("ä \"x", 3, "double quote"),
            ("echo \"x\\", 6, "double quote"),
            ("echo \\", 6, "backslash"),
            ("ls | wc", 4, "shell operator"),
            ("ls>x", 3, "shell operator"),
        ] {
            let bad = split_words(text).unwrap_err();
            assert_eq!(bad.column, column, "{text}");
            assert!(bad.problem.contains(says), "{text}: {}", bad.problem);
        }
    }
}
