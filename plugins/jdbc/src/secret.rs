//! Passwords.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// A password: it is shown by nothing, whatever was written in its place.
#[derive(Clone, Default, PartialEq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Secret(text)),
            _ => Err(D::Error::custom("it is no text, expected a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::from("hush")), "***");
        let told = serde_json::from_str::<Secret>("48151623").unwrap_err().to_string();
        assert!(!told.contains("4815"), "{told}");
        assert_eq!(serde_json::from_str::<Secret>("\"hush\"").unwrap().expose(), "hush");
    }
}
