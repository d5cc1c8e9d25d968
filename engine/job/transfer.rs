//! What is brought in before an attempt begins, and what is taken out after it has succeeded.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Value;

use super::options::RunOptions;
use super::spec::JobSpec;

/// Where what is fetched goes to when nothing is said.
pub const INPUT: &str = "input";
/// What is delivered when nothing is said.
pub const OUTPUT: &str = "output";

/// Something that a fetcher brings in: it is in the work tree when an attempt begins.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The name of the fetcher.
    pub from: String,
    /// What the fetcher is told.
    pub told: Told,
    /// The directory of the work tree it goes to.
    pub to: String,
}

impl Fetch {
    /// Brings in what these options, a JSON object, stand for, to `input`.
    ///
    /// ```
    /// use windlass::job::Fetch;
    ///
    /// let fetch = Fetch::new("s3", r#"{"bucket": "measured", "prefix": "2026/"}"#).to("input/measured");
    /// assert_eq!(fetch.to, "input/measured");
    /// ```
    pub fn new(from: impl Into<String>, options: impl Into<String>) -> Self {
        Fetch { from: from.into(), told: Told::new(options), to: INPUT.to_owned() }
    }

    /// Sets the directory of the work tree.
    #[must_use]
    pub fn to(mut self, directory: impl Into<String>) -> Self {
        self.to = directory.into();
        self
    }

    /// Adds a key, see [`Told::keys`].
    #[must_use]
    pub fn key(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.told.keys.set_secret(name, value);
        self
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// Something that a sink takes out after a success: all of it appears there, or the attempt has failed.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The name of the sink.
    pub to: String,
    /// What the sink is told.
    pub told: Told,
    /// The file or the directory of the work tree that is delivered. A file is called there as it is here, what is in a
    /// directory as it is in that directory.
    pub from: String,
    /// Whether the log of the attempt is delivered too, as `log.txt`.
    pub log: bool,
}

impl Delivery {
    /// Delivers what is in `output` to where these options, a JSON object, say.
    pub fn new(to: impl Into<String>, options: impl Into<String>) -> Self {
        Delivery { to: to.into(), told: Told::new(options), from: OUTPUT.to_owned(), log: false }
    }

    /// Sets what is delivered.
    #[must_use]
    pub fn from(mut self, path: impl Into<String>) -> Self {
        self.from = path.into();
        self
    }

    /// Delivers the log too.
    #[must_use]
    pub fn with_log(mut self) -> Self {
        self.log = true;
        self
    }

    /// Adds a key, see [`Told::keys`].
    #[must_use]
    pub fn key(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.told.keys.set_secret(name, value);
        self
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

/// What a fetcher or a sink is told. Sealed at rest and never shown: there may be a password in it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// A JSON object; only the fetcher or the sink knows the meaning.
    pub options: String,
    /// Keys that the engine itself signs its requests with, by the names that the endpoint is configured with. They are laid over
    /// the run options, and neither the fetcher or sink nor the work sees them.
    pub keys: RunOptions,
    /// The one item that is fetched; `None`: all that the fetcher lists. Set by the engine only.
    #[serde(default)]
    pub only: Option<ListedItem>,
}

/// An item as a fetcher lists it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedItem {
    /// Its name.
    pub name: String,
    /// Its bytes, where that is known.
    pub size: Option<u64>,
    /// What changes when its content does.
    pub version: Option<String>,
    /// What the fetcher needs to find it.
    #[serde(with = "serde_bytes")]
    pub reference: Vec<u8>,
}

impl Told {
    /// Options without keys.
    pub fn new(options: impl Into<String>) -> Self {
        Told { options: options.into(), ..Told::default() }
    }
}

impl Told {
    /// What nobody is to see of it: the keys, and the texts of options that are called like a secret.
    pub fn secrets(&self) -> Vec<String> {
        let mut found: Vec<String> = self.keys.iter().map(|(_, value)| value.value.clone()).collect();
        if let Ok(options) = serde_json::from_str(&self.options) {
            collect_secrets(&options, false, &mut found);
        }
        found
    }
}

/// Parts of the names of fields that hold secrets.
const SECRET_NAMES: [&str; 6] = ["passw", "pwd", "secret", "token", "credential", "accesskey"];

fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| plain.contains(part)) || (plain.ends_with("key") && plain.len() > "key".len())
}

/// The depth is bounded by that of what was read.
fn collect_secrets(value: &Value, is_secret: bool, found: &mut Vec<String>) {
    match value {
        Value::String(text) if is_secret => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect_secrets(value, is_secret, found)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| collect_secrets(value, is_secret || is_secret_name(name), found));
        }
        _ => {}
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What of a job is sealed at rest and opened when an attempt is prepared.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Private {
    /// The run options.
    pub options: RunOptions,
    /// What its fetchers are told, then its sinks, then those that list its items and bring its rows, in their order.
    pub transfers: Vec<Told>,
    /// What its input files hold, unless they lie beside the store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ByteBuf>,
}

impl Private {
    /// What is sealed of this spec.
    pub fn of(spec: &JobSpec) -> Private {
        Private::take(&mut spec.clone())
    }

    /// Takes it out of a spec.
    pub fn take(spec: &mut JobSpec) -> Private {
        let options = std::mem::take(&mut spec.options);
        let transfers = told_of(spec).map(std::mem::take).collect();
        let inputs = spec.inputs.iter_mut().map(|input| ByteBuf::from(std::mem::take(&mut input.content))).collect();
        Private { options, transfers, inputs }
    }

    /// Puts it into the spec that it was taken from.
    pub fn put(self, spec: &mut JobSpec) {
        spec.options = self.options;
        for (place, told) in told_of(spec).zip(self.transfers) {
            *place = told;
        }
        for (place, content) in spec.inputs.iter_mut().zip(self.inputs) {
            place.content = content.into_vec();
        }
    }

    /// Whether there is nothing to seal.
    pub fn is_empty(&self) -> bool {
        self.options.is_empty() && self.transfers.is_empty() && self.inputs.is_empty()
    }
}

impl From<RunOptions> for Private {
    fn from(options: RunOptions) -> Private {
        Private { options, ..Private::default() }
    }
}

fn told_of(spec: &mut JobSpec) -> impl Iterator<Item = &mut Told> {
    let fetches = spec.fetches.iter_mut().map(|fetch| &mut fetch.told);
    let listed = spec.items.iter_mut().flat_map(|items| items.listed.iter_mut().chain(&mut items.rows));
    let listed = listed.map(|fetch| &mut fetch.told);
    fetches.chain(spec.deliveries.iter_mut().map(|delivery| &mut delivery.told)).chain(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_like_a_secret_is_one() {
        let options = r#"{"key": "a.csv", "bucket": "b", "accessKeyID": "c", "nested": [{"storage_account_key": "d"}],
            "Password": "e", "secrets": {"x": "f", "n": 1}, "url": "g"}"#;
        let mut secrets = Told::new(options).secrets();
        secrets.sort();
        assert_eq!(secrets, ["c", "d", "e", "f"]);
        assert_eq!(Fetch::new("s3", "no JSON").key("K", "v").told.secrets(), ["v"]);
    }

    #[test]
    fn what_is_private_is_taken_out_and_put_back_and_never_shown() {
        let mut spec = JobSpec::process("true", [""; 0]).option("A", "b-secret");
        spec.fetches.push(Fetch::new("jdbc", r#"{"password": "p-secret"}"#).key("K", "k-secret"));
        spec.deliveries.push(Delivery::new("s3-sink", r#"{"bucket": "x-secret"}"#).with_log());
        assert!(!format!("{spec:?}").contains("secret"), "{spec:?}");
        let whole = spec.clone();
        let private = Private::take(&mut spec);
        assert_eq!(private, Private::of(&whole));
        assert!(Private::of(&spec).options.is_empty() && spec.fetches[0].told == Told::default());
        assert!(!format!("{private:?}").contains("secret"), "{private:?}");
        private.put(&mut spec);
        assert_eq!(spec, whole);
    }
}
