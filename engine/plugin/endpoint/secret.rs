//! Secrets of endpoints: where they come from, read when they are needed, never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::file::{Stamp, read_text};

/// The longest secret; a file that is longer is not one.
const SECRET_BYTES: u64 = 64 << 10;

/// A text that is never shown and is wiped when dropped, as far as that can be done without unsafe code.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> SecretText {
        SecretText(text.into())
    }

    /// The text itself. It must not reach logs, errors or arguments.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Keeps the compiler from dropping a write that nobody reads.
        std::hint::black_box(&bytes);
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A secret that is no text, or stands where its source should, would be quoted by the errors that serde makes.
impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretText, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl TextVisitor {
    fn refuse<T, E: de::Error>() -> Result<T, E> {
        Err(E::custom("a secret is a text: put it in quotes"))
    }
}

impl Visitor<'_> for TextVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text: a secret is one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretText, E> {
        Ok(SecretText::new(text))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<SecretText, E> {
        Ok(SecretText(text))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretText, E> {
        Self::refuse()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretText, E> {
        Self::refuse()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretText, E> {
        Self::refuse()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretText, E> {
        Self::refuse()
    }
}

/// Where a secret comes from: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ value = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the environment of this process, read when the endpoint is made.
    Env(String),
    /// A file, without the line end after its last line. It is read again whenever it has changed, so a token that
    /// something else renews is picked up.
    File(PathBuf),
    /// The secret itself.
    Value(SecretText),
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretSource, D::Error> {
        let texts: BTreeMap<String, SecretText> = deserializer.deserialize_any(SourceVisitor)?;
        let mut texts = texts.into_iter();
        let source = match (texts.next(), texts.next()) {
            (Some((kind, text)), None) => match kind.as_str() {
                "env" => Some(SecretSource::Env(text.expose().to_owned())),
                "file" => Some(SecretSource::File(PathBuf::from(text.expose()))),
                "value" => Some(SecretSource::Value(text)),
                _ => None,
            },
            _ => None,
        };
        source.ok_or_else(|| de::Error::custom(SOURCES))
    }
}

/// What is allowed where a secret is named.
const SOURCES: &str = "a secret is one of { env = NAME }, { file = PATH } and { value = TEXT }";

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = BTreeMap<String, SecretText>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SOURCES)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((kind, text)) = map.next_entry()? {
            texts.insert(kind, text);
        }
        Ok(texts)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom(SOURCES))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(E::custom(SOURCES))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(E::custom(SOURCES))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom(SOURCES))
    }
}

/// A secret at hand.
#[derive(Debug)]
pub(super) enum Secret {
    Fixed(Arc<SecretText>),
    File { path: PathBuf, last: Mutex<Option<(Stamp, Arc<SecretText>)>> },
}

impl Secret {
    /// Reads it once, so that what is wrong with it is found before the first request. The error is the problem.
    pub(super) fn new(source: &SecretSource) -> Result<Secret, String> {
        let secret = match source {
            SecretSource::Env(name) => {
                let Ok(text) = std::env::var(name) else {
                    return Err(format!("the environment has no text {name}"));
                };
                Secret::Fixed(Arc::new(SecretText(text)))
            }
            SecretSource::Value(text) => Secret::Fixed(Arc::new(text.clone())),
            SecretSource::File(path) => Secret::File { path: path.clone(), last: Mutex::new(None) },
        };
        secret.get()?;
        Ok(secret)
    }

    /// The secret as it is now.
    pub(super) fn get(&self) -> Result<Arc<SecretText>, String> {
        let text = match self {
            Secret::Fixed(text) => text.clone(),
            Secret::File { path, last } => {
                let stamp = Stamp::of(path).map_err(|error| format!("{}: {error}", path.display()))?;
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                match &*last {
                    Some((seen, text)) if *seen == stamp => text.clone(),
                    _ => {
                        let text =
                            read_text(path, SECRET_BYTES).map_err(|error| format!("{}: {error}", path.display()))?;
                        let text = Arc::new(SecretText(text));
                        let text = Arc::new(SecretText::new(text.expose().trim_end_matches(['\r', '\n'])));
                        *last = Some((stamp, text.clone()));
                        text
                    }
                }
            }
        };
        if text.expose().is_empty() { Err("the secret is empty".to_owned()) } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_read_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "from file\n").unwrap();
        let file = Secret::new(&SecretSource::File(path.clone())).unwrap();
        assert_eq!(file.get().unwrap().expose(), "from file");
        std::fs::write(&path, "another one\r\n").unwrap();
        assert_eq!(file.get().unwrap().expose(), "another one");
        assert!(!format!("{file:?}").contains("another"));
        // Swapped as Kubernetes does, by a rename.
        std::fs::write(dir.path().join("next"), "third one 1\n").unwrap();
        std::fs::rename(dir.path().join("next"), &path).unwrap();
        assert_eq!(file.get().unwrap().expose(), "third one 1");
        std::fs::remove_file(&path).unwrap();
        assert!(file.get().unwrap_err().contains("token: "));

        let path = std::env::var("PATH").unwrap();
        let env = Secret::new(&SecretSource::Env("PATH".to_owned())).unwrap();
        assert_eq!(env.get().unwrap().expose(), path);
        let source: SecretSource = serde_json::from_str(r#"{"value": "hush"}"#).unwrap();
        assert_eq!(format!("{source:?}"), "Value(***)");
        assert_eq!(Secret::new(&source).unwrap().get().unwrap().expose(), "hush");
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_quoted() {
        let wrong = [
            r#""hush""#,
            "5318008",
            "-5318008",
            "5318008.5",
            r#"{"value": 5318008}"#,
            r#"{"value": 5318008.5}"#,
            r#"{"value": -5318008}"#,
            r#"{"value": true}"#,
            r#"{"value": ["hush"]}"#,
            r#"{"secret": "hush"}"#,
            r#"{"value": "hush", "env": "hush"}"#,
            "{}",
            "null",
        ];
        for text in wrong {
            let error = serde_json::from_str::<SecretSource>(text).unwrap_err().to_string();
            assert!(!error.contains("hush") && !error.contains("5318008") && error.contains("a secret is"), "{error}");
        }
        let file: SecretSource = serde_json::from_str(r#"{"file": "/run/token"}"#).unwrap();
        assert_eq!(file, SecretSource::File(PathBuf::from("/run/token")));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("long");
        std::fs::write(&long, vec![b'x'; 65 << 10]).unwrap();
        let binary = dir.path().join("binary");
        std::fs::write(&binary, [0xff, 0xfe]).unwrap();
        let cases = [
            (SecretSource::Env("WINDLASS_NO_SUCH_NAME".to_owned()), "has no text WINDLASS_NO_SUCH_NAME"),
            (SecretSource::Value(SecretText::new("")), "empty"),
            (SecretSource::File(dir.path().to_owned()), "not a file"),
            (SecretSource::File(dir.path().join("missing")), "No such file"),
            (SecretSource::File(long), "longer than 65536 bytes"),
            (SecretSource::File(binary), "not text"),
        ];
        for (source, expected) in cases {
            let problem = Secret::new(&source).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
