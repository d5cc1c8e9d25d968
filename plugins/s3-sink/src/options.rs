//! What a user writes.

use serde::Deserialize;
use serde_json::{Value, json};
use windlass_plugin::Problem;
use windlass_s3_client::{bucket_problem, prefix_problem};

/// Where outputs go to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The bucket; it may be missing where the settings of the plugin name one.
    pub bucket: Option<String>,
    /// What is put before the name of each file.
    pub prefix: String,
}

impl Options {
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let bucket = self.bucket.as_deref().and_then(bucket_problem);
        bucket.into_iter().chain(prefix_problem("prefix", &self.prefix)).collect()
    }
}

/// The JSON Schema of the options.
pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["prefix"],
        "properties": {
            "bucket": { "type": "string", "description": "The bucket, unless the settings of the plugin name it." },
            "prefix": { "type": "string", "description": "What is put before the name of each file, as `results/`." },
        },
    })
}
