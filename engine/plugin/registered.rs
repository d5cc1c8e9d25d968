//! The contents that were registered under the names of plugins: the file `plugins/registered.toml` of a store.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::candidate::Content;
use super::fields::{Field, Fields, Problems, read_document};
use super::grants::from_hex;
use super::manifest::{NAME_ALLOWED, is_name};
use crate::error::Error;
use crate::files::PrivateDir;
use crate::secret::hex;

const FILE: &str = "registered.toml";
const MOST_BYTES: usize = 1 << 20;
const HEAD: &str = "# Which content each plugin has; written by windlass.\n";

/// The known contents, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Registered(pub(super) BTreeMap<String, Content>);

impl Registered {
    /// Reads the file of a directory of plugins; nothing is known where there is none.
    pub(super) fn read(dir: &PrivateDir) -> Result<Registered, Error> {
        let text = dir.read(FILE, MOST_BYTES as u64).map_err(|error| Error::io(FILE, &error))?;
        let mut problems = Problems::default();
        let registered = parse(text.as_deref().unwrap_or_default(), &mut problems);
        let problems = problems.into_list();
        if problems.is_empty() {
            return Ok(registered);
        }
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let advice = "remove it to register all plugins anew";
        Err(Error::Unusable(format!("plugins/{FILE} is damaged ({advice}):\n{}", lines.join("\n"))))
    }

    /// Writes the file; on disk when this returns.
    pub(super) fn write(&self, dir: &PrivateDir) -> Result<(), Error> {
        dir.write(FILE, self.text().as_bytes()).map_err(|error| Error::io(FILE, &error))
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (name, content) in &self.0 {
            let (component, manifest) = (hex(&content.component), hex(&content.manifest));
            // Writing to a text does not fail.
            let _ = write!(text, "\n[plugin.{name}]\nsha256 = \"{component}\"\nmanifest = \"{manifest}\"\n");
        }
        text
    }
}

fn parse(text: &[u8], problems: &mut Problems) -> Registered {
    let mut registered = Registered::default();
    let Some(table) = read_document(text, MOST_BYTES, problems) else {
        return registered;
    };
    let fields = Fields::of(&table, "", &["plugin"], problems);
    let entries = fields.get("plugin").and_then(|field| field.entries(problems, "tables [plugin.NAME]"));
    for (name, field) in entries.unwrap_or_default() {
        if !is_name(name) {
            field.fail(problems, "it is not a name of a plugin", NAME_ALLOWED);
        }
        if let Some(content) = read_content(&field, problems) {
            registered.0.insert(name.to_owned(), content);
        }
    }
    registered
}

fn read_content(field: &Field<'_>, problems: &mut Problems) -> Option<Content> {
    let fields = field.fields(&["sha256", "manifest"], problems)?;
    let mut digest = |key: &str| {
        let allowed = "64 hexadecimal digits";
        let field = fields.needed(key, allowed, problems)?;
        let digest = from_hex(field.text(problems, allowed)?);
        if digest.is_none() {
            field.fail(problems, "it is not a SHA-256", allowed);
        }
        digest
    };
    let (component, manifest) = (digest("sha256"), digest("manifest"));
    Some(Content { component: component?, manifest: manifest? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let place = tempfile::tempdir().unwrap();
        let dir = PrivateDir::create(&place.path().join("plugins")).unwrap();
        assert_eq!(Registered::read(&dir).unwrap(), Registered::default());
        let mut registered = Registered::default();
        registered.0.insert("shell".into(), Content { component: [1; 32], manifest: [0xfe; 32] });
        registered.0.insert("a-2".into(), Content { component: [3; 32], manifest: [4; 32] });
        registered.write(&dir).unwrap();
        assert_eq!(Registered::read(&dir).unwrap(), registered);
    }

    #[test]
    fn a_damaged_file_is_not_taken_for_an_empty_one() {
        let place = tempfile::tempdir().unwrap();
        let dir = PrivateDir::create(&place.path().join("plugins")).unwrap();
        for text in ["[plugin.a]\nsha256 = \"ab\"\nmanifest = 1\n[plugin.B]\n", "[plugin", "\u{0}"] {
            dir.write(FILE, text.as_bytes()).unwrap();
            let error = Registered::read(&dir).unwrap_err();
            assert!(matches!(&error, Error::Unusable(text) if text.contains("registered.toml")), "{error}");
        }
    }
}
