//! Commands: lists of words, or one text that is split into words as a shell splits it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

/// The words of a command. Nothing in them is expanded: there is no shell unless the command is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Words, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts, or one text that is split as a shell splits words")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Words, E> {
        split(text).map(Words).ok_or_else(|| {
            E::custom(format!("a quote is not closed in {text:?}, expected a text that a shell could split"))
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element::<String>()? {
            if word.contains('\0') {
                return Err(A::Error::custom("a word has a NUL character, expected texts without NUL"));
            }
            words.push(word);
        }
        Ok(Words(words))
    }
}

/// Splits a text at its blanks, but for those that are quoted. `None` where a quote is not closed.
fn split(text: &str) -> Option<Vec<String>> {
    if text.contains('\0') {
        return None;
    }
    shlex::split(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(json: &str) -> Result<Vec<String>, String> {
        serde_json::from_str::<Words>(json).map(|words| words.0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_is_taken_as_it_is() {
        assert_eq!(words(r#"["echo", "a b", "$HOME", ""]"#).unwrap(), ["echo", "a b", "$HOME", ""]);
    }

    #[test]
    fn a_text_is_split_as_a_shell_splits_it() {
        for (text, expected) in [
            ("echo hello", vec!["echo", "hello"]),
            ("  echo   'a b' \"c d\"\te\\ f ", vec!["echo", "a b", "c d", "e f"]),
            ("sh -c 'echo \"$A\" > /work/output/a'", vec!["sh", "-c", "echo \"$A\" > /work/output/a"]),
            ("a''b \"\" \"\\\"\"", vec!["ab", "", "\""]),
            ("$HOME *.txt | wc", vec!["$HOME", "*.txt", "|", "wc"]),
            ("", vec![]),
        ] {
            assert_eq!(words(&serde_json::to_string(text).unwrap()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        for text in ["echo 'a", "echo \"a", "a\u{0}b"] {
            let problem = words(&serde_json::to_string(text).unwrap()).unwrap_err();
            assert!(problem.contains("expected"), "{problem}");
        }
        assert!(words("5").unwrap_err().contains("a list of texts"));
        assert!(words("[1]").is_err());
        assert!(words(r#"["a\u0000b"]"#).unwrap_err().contains("NUL"));
    }
}
