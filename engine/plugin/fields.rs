//! Typed access to a TOML document: what is unknown or of the wrong type becomes a problem, and none ends the reading.
//!
//! Problems name fields and types. They show a value only where a field is one of a few words or a quantity, so that a
//! credential in the wrong place is not told to anybody.

use toml::{Table, Value};

use crate::config::quantity::{DURATION_ALLOWED, SIZE_ALLOWED, parse_duration_ms, parse_size_bytes};
use crate::error::Problem;
use crate::job::spelling::closest;
use crate::job::validate::shown;

/// More problems than this are counted, not told.
const MOST_TOLD: usize = 100;
/// Characters of a key that problems show.
const SHOWN_KEY: usize = 64;

/// All that is wrong with one document.
#[derive(Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
    untold: usize,
}

impl Problems {
    pub(super) fn add(&mut self, field: impl Into<String>, problem: impl Into<String>, allowed: impl Into<String>) {
        if self.list.len() >= MOST_TOLD {
            self.untold += 1;
            return;
        }
        self.list.push(Problem { field: field.into(), problem: problem.into(), allowed: allowed.into() });
    }

    pub(super) fn are_none(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_list(mut self) -> Vec<Problem> {
        if self.untold > 0 {
            let problem = format!("there are {} more problems", self.untold);
            self.list.push(Problem { field: String::new(), problem, allowed: "a document without problems".into() });
        }
        self.list
    }
}

/// Reads a TOML document; `None` when there is none that could be gone through.
pub(super) fn read_document(text: &[u8], most_bytes: usize, problems: &mut Problems) -> Option<Table> {
    if text.len() > most_bytes {
        problems.add("", format!("it has {} bytes", text.len()), format!("at most {most_bytes} bytes"));
        return None;
    }
    let Ok(text) = std::str::from_utf8(text) else {
        problems.add("", "it is not UTF-8", "a TOML document, which is UTF-8");
        return None;
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // What cannot be read is told at once too; the message of an error quotes nothing of the document.
    let (_, errors) = toml::de::DeTable::parse_recoverable(text);
    for error in errors.iter().take(MOST_TOLD) {
        problems.add(place(text, error), format!("not TOML: {}", error.message()), "a TOML document");
    }
    if !errors.is_empty() {
        return None;
    }
    match toml::from_str(text) {
        Ok(table) => Some(table),
        Err(error) => {
            problems.add(place(text, &error), format!("not TOML: {}", error.message()), "a TOML document");
            None
        }
    }
}

/// `line 3, column 7`: where no key can be named.
fn place(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let before: String = text.bytes().take(at).map(char::from).collect();
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.rsplit('\n').next().unwrap_or_default().len();
    format!("line {line}, column {column}")
}

/// The entries of one table.
pub(super) struct Fields<'t> {
    table: &'t Table,
    path: String,
}

/// One value and where it is.
pub(super) struct Field<'t> {
    pub(super) value: &'t Value,
    pub(super) path: String,
}

fn join(parent: &str, key: &str) -> String {
    let mut key: String = key.escape_debug().take(SHOWN_KEY + 1).collect();
    if key.chars().count() > SHOWN_KEY {
        key.pop();
        key.push('…');
    }
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}

impl<'t> Fields<'t> {
    /// The entries of a table that should have none but `known`.
    pub(super) fn of(table: &'t Table, path: &str, known: &[&str], problems: &mut Problems) -> Fields<'t> {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let mut problem = "unknown field".to_owned();
            if let Some(meant) = closest(key, known) {
                problem.push_str(&format!(", did you mean \"{meant}\"?"));
            }
            problems.add(join(path, key), problem, known.join(", "));
        }
        Fields { table, path: path.to_owned() }
    }

    /// One entry, when it is there.
    pub(super) fn get(&self, name: &str) -> Option<Field<'t>> {
        let value = self.table.get(name)?;
        Some(Field { value, path: join(&self.path, name) })
    }

    /// One entry that must be there.
    pub(super) fn needed(&self, name: &str, allowed: &str, problems: &mut Problems) -> Option<Field<'t>> {
        let field = self.get(name);
        if field.is_none() {
            problems.add(join(&self.path, name), "it is missing", allowed);
        }
        field
    }
}

impl<'t> Field<'t> {
    /// Tells that the value is wrong.
    pub(super) fn fail(&self, problems: &mut Problems, problem: impl Into<String>, allowed: impl Into<String>) {
        problems.add(self.path.clone(), problem, allowed);
    }

    fn wrong_type<T>(&self, problems: &mut Problems, allowed: &str) -> Option<T> {
        let is = match self.value {
            Value::String(_) => "a text",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Boolean(_) => "a truth value",
            Value::Datetime(_) => "a time",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        };
        self.fail(problems, format!("is {is}"), allowed);
        None
    }

    pub(super) fn text(&self, problems: &mut Problems, allowed: &str) -> Option<&'t str> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.wrong_type(problems, allowed),
        }
    }

    #[cfg(feature = "wasm")]
    pub(super) fn truth(&self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            Value::Boolean(truth) => Some(*truth),
            _ => self.wrong_type(problems, "true, false"),
        }
    }

    /// A text of 1 to `most` bytes in one line.
    pub(super) fn line(&self, problems: &mut Problems, most: usize) -> Option<&'t str> {
        let allowed = format!("1 to {most} bytes without control characters");
        let text = self.text(problems, &allowed)?;
        if text.is_empty() || text.len() > most || text.contains(char::is_control) {
            self.fail(problems, "is empty, too long or has control characters", allowed);
            return None;
        }
        Some(text)
    }

    /// The elements of a list.
    pub(super) fn list(&self, problems: &mut Problems, most: usize, allowed: &str) -> Option<Vec<Field<'t>>> {
        let Value::Array(values) = self.value else {
            return self.wrong_type(problems, allowed);
        };
        if values.len() > most {
            self.fail(problems, format!("has {} elements", values.len()), format!("at most {most}"));
            return None;
        }
        let elements = values.iter().enumerate();
        Some(elements.map(|(index, value)| Field { value, path: format!("{}[{index}]", self.path) }).collect())
    }

    /// The entries of a table that should have none but `known`.
    pub(super) fn fields(&self, known: &[&str], problems: &mut Problems) -> Option<Fields<'t>> {
        let allowed = || format!("a table with {}", known.join(", "));
        let table = self.table(problems, &allowed())?;
        Some(Fields::of(table, &self.path, known, problems))
    }

    /// The entries of a table that are named by whoever wrote it.
    pub(super) fn entries(&self, problems: &mut Problems, allowed: &str) -> Option<Vec<(&'t str, Field<'t>)>> {
        let table = self.table(problems, allowed)?;
        let entries = table.iter();
        Some(entries.map(|(key, value)| (key.as_str(), Field { value, path: join(&self.path, key) })).collect())
    }

    fn table(&self, problems: &mut Problems, allowed: &str) -> Option<&'t Table> {
        match self.value {
            Value::Table(table) => Some(table),
            _ => self.wrong_type(problems, allowed),
        }
    }

    /// A whole number from `least` to `most`.
    pub(super) fn whole(&self, problems: &mut Problems, least: u64, most: u64) -> Option<u64> {
        let allowed = format!("a whole number from {least} to {most}");
        let Value::Integer(number) = self.value else {
            return self.wrong_type(problems, &allowed);
        };
        let found = u64::try_from(*number).ok().filter(|number| (least..=most).contains(number));
        if found.is_none() {
            self.fail(problems, format!("{number} is out of range"), allowed);
        }
        found
    }

    /// Bytes: a text such as `64 MiB`, or their plain number.
    pub(super) fn size_bytes(&self, problems: &mut Problems) -> Option<u64> {
        self.quantity(problems, SIZE_ALLOWED, parse_size_bytes)
    }

    /// Milliseconds: a text such as `30s`, or their plain number.
    pub(super) fn duration_ms(&self, problems: &mut Problems) -> Option<u64> {
        let allowed = format!("{DURATION_ALLOWED}, or a plain number of milliseconds");
        self.quantity(problems, &allowed, parse_duration_ms)
    }

    fn quantity(
        &self,
        problems: &mut Problems,
        allowed: &str,
        parse: impl Fn(&str) -> Result<u64, String>,
    ) -> Option<u64> {
        let read = match self.value {
            Value::Integer(number) => u64::try_from(*number).map_err(|_| format!("{number} is negative")),
            Value::String(text) => parse(text).map_err(|problem| format!("{} {problem}", shown(text))),
            _ => return self.wrong_type(problems, allowed),
        };
        match read {
            Ok(quantity) => Some(quantity),
            Err(problem) => {
                self.fail(problems, problem, allowed);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, problems: &mut Problems, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let allowed = words.join(", ");
        let text = self.text(problems, &allowed)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let mut problem = format!("{} is not known", shown(text));
            if let Some(meant) = closest(text, &words) {
                problem.push_str(&format!(", did you mean \"{meant}\"?"));
            }
            self.fail(problems, problem, allowed);
        }
        found.map(|(_, choice)| *choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(problems: Problems) -> String {
        let lines: Vec<String> = problems.into_list().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_places_and_without_its_text() {
        let mut problems = Problems::default();
        let text = b"a = \"hush-hush\na = 1\n\n[b\nc = = 2\n";
        assert!(read_document(text, 100, &mut problems).is_none());
        let told = told(problems);
        assert!(told.contains("line 1, column") && told.contains("line 4, column"), "{told}");
        assert!(!told.contains("hush"), "{told}");
    }

    #[test]
    fn a_document_has_a_size_and_an_encoding() {
        for (text, says) in [(b"a = 1".as_slice(), "it has 5 bytes"), (b"\xff", "UTF-8")] {
            let mut problems = Problems::default();
            assert!(read_document(text, 4, &mut problems).is_none());
            let told = told(problems);
            assert!(told.contains(says), "{told}");
        }
        let deep = format!("a = {}", "[".repeat(5_000));
        let mut problems = Problems::default();
        assert!(read_document(deep.as_bytes(), 1 << 20, &mut problems).is_none());
    }

    #[test]
    fn types_quantities_and_words() {
        let mut problems = Problems::default();
        let text = b"size = \"64 MiB\"\nbytes = 4096\ntime = \"1m30s\"\nms = 250\nbad = \"1.5h\"\nnegative = -1\nlist = [1]\nword = \"writ\"";
        let table = read_document(text, 1_000, &mut problems).unwrap();
        let known = ["size", "bytes", "time", "ms", "bad", "negative", "list", "work"];
        let fields = Fields::of(&table, "x", &known, &mut problems);
        let get = |name: &str| fields.get(name).unwrap();
        assert_eq!(get("size").size_bytes(&mut problems), Some(64 << 20));
        assert_eq!(get("bytes").size_bytes(&mut problems), Some(4_096));
        assert_eq!(get("time").duration_ms(&mut problems), Some(90_000));
        assert_eq!(get("ms").duration_ms(&mut problems), Some(250));
        assert_eq!(get("bad").duration_ms(&mut problems), None);
        assert_eq!(get("negative").size_bytes(&mut problems), None);
        assert_eq!(get("list").text(&mut problems, "a text"), None);
        assert_eq!(get("word").choice(&mut problems, &[("read", 1), ("write", 2)]), None);
        let told = told(problems);
        for says in [
            "x.word: unknown field, did you mean \"work\"?",
            "x.bad: \"1.5h\" is not a whole number",
            "x.negative: -1 is negative",
            "x.list: is a list; allowed: a text",
            "x.word: \"writ\" is not known, did you mean \"write\"?; allowed: read, write",
        ] {
            assert!(told.contains(says), "{says} in {told}");
        }
    }

    #[test]
    fn a_flood_is_cut() {
        let mut problems = Problems::default();
        let text: String = (0..150).map(|at| format!("k{at} = 1\n")).collect();
        let table = read_document(text.as_bytes(), 10_000, &mut problems).unwrap();
        Fields::of(&table, "", &["known"], &mut problems);
        let list = problems.into_list();
        assert_eq!(list.len(), MOST_TOLD + 1);
        assert!(list[MOST_TOLD].problem.contains("50 more"));
    }
}
