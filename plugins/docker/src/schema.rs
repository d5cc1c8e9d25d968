//! The JSON Schema of the options of a job.

use serde_json::{Map, Value, json};

use crate::options::MOST_CONTAINERS;

/// What a user may write.
pub(crate) fn options() -> Value {
    let mut part = container();
    let name = json!({
        "type": "string",
        "pattern": "^[a-z][a-z0-9-]{0,30}$",
        "description": "What tells it from the others of the job.",
    });
    part.insert("name".to_owned(), name);
    let several = json!({
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_CONTAINERS,
        "description": "Several containers that share /work if there is one, in place of the fields of a single one. When one fails the \
                        others are stopped and the attempt fails.",
        "items": { "type": "object", "additionalProperties": false, "required": ["name", "image"], "properties": part },
    });
    let mut fields = container();
    fields.insert("containers".to_owned(), several);
    fields.extend(of_all().map(|(name, schema)| (name.to_owned(), schema)));
    json!({
        "type": "object",
        "additionalProperties": false,
        "oneOf": [{ "required": ["image"] }, { "required": ["containers"] }],
        "properties": fields,
    })
}

fn words(description: &str) -> Value {
    json!({ "type": ["array", "string"], "items": { "type": "string" }, "description": description })
}

/// The fields of one container.
fn container() -> Map<String, Value> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let fields = [
        ("image", text("Its image: repository:tag or repository@digest.")),
        (
            "command",
            words(
                "What it runs: a list of words, or a text that is split as a shell splits words. No shell expands anything. \
                 The image's own unless given.",
            ),
        ),
        ("entrypoint", words("What stands before the command. The image's own unless given.")),
        ("workdir", text("Where it starts, an absolute path. The image's own unless given.")),
        ("user", text("Who it runs as: a name or an id, and :group. The image's own unless given.")),
        ("resources", resources()),
    ];
    fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn resources() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "cpu": { "type": "number", "minimum": 0.01, "description": "Cores, also parts of them." },
            "memory": {
                "type": ["integer", "string"],
                "description": "Bytes, or as 512MiB; without swap. At least 6MiB.",
            },
            "pids": { "type": "integer", "minimum": 1, "description": "Processes and threads." },
            "gpu": {
                "description": "Devices: a number of them, or all.",
                "oneOf": [{ "type": "integer", "minimum": 1 }, { "const": "all" }],
            },
        },
    })
}

/// The fields that hold for all containers of a job.
fn of_all() -> [(&'static str, Value); 10] {
    let name = || json!({ "type": "string" });
    [
        (
            "work",
            json!({ "type": "boolean", "default": true, "description": "Whether there is a /work with files that go in and come out. Without it a job is quicker, and one that has input files is refused." }),
        ),
        (
            "labels",
            json!({ "type": "object", "additionalProperties": { "type": "string" }, "description": "Labels; not those that begin with windlass." }),
        ),
        (
            "init",
            json!({ "type": "boolean", "default": true, "description": "Whether a small init runs the command: it passes signals on and collects dead processes." }),
        ),
        (
            "network",
            json!({ "type": "string", "default": "none", "description": "The network; the operator says which there are." }),
        ),
        (
            "pull",
            json!({ "enum": ["missing", "always", "never"], "default": "missing", "description": "When the image is brought from its registry." }),
        ),
        (
            "registry",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["username", "password"],
                "properties": { "username": name(), "password": name() },
                "description": "The names of the run options that hold the credentials for the registry. The containers do not see them.",
            }),
        ),
        (
            "read_only_root",
            json!({ "type": "boolean", "default": true, "description": "Whether only /work and /tmp can be written." }),
        ),
        (
            "capabilities",
            json!({ "type": "array", "items": name(), "description": "Capabilities; all others are dropped. The operator says which are allowed." }),
        ),
        (
            "mounts",
            json!({
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["source", "target"],
                    "properties": { "source": name(), "target": name(), "read_only": { "type": "boolean", "default": true } },
                },
                "description": "Directories of the machine of the Docker Engine. The operator says which are allowed.",
            }),
        ),
        (
            "stop_signal",
            json!({ "type": "string", "description": "The signal that asks it to stop. The image's own unless given, or else SIGTERM." }),
        ),
    ]
}
