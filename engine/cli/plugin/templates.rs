//! What a plugin of one's own begins with: texts that are part of this program, with a few words to fill in.

use super::new::Language;
use crate::plugin::PluginKind;

/// A file of a new plugin.
pub(super) struct Template {
    /// Its path in the directory of the plugin.
    pub(super) path: &'static str,
    text: &'static str,
}

/// What is filled in.
pub(super) struct Words<'w> {
    pub(super) name: &'w str,
    pub(super) kind: PluginKind,
    /// The dependency on the SDK, as Cargo.toml writes it.
    pub(super) sdk: &'w str,
}

macro_rules! template {
    ($path:literal, $file:literal) => {
        Template { path: $path, text: include_str!(concat!("templates/", $file)) }
    };
}

impl Template {
    /// The text with the words in it.
    pub(super) fn filled(&self, words: &Words<'_>) -> String {
        let named = self.text.replace("{{name}}", words.name).replace("{{kind}}", words.kind.word());
        named.replace("{{sdk}}", words.sdk)
    }
}

/// The files of a plugin; none where there is no such template.
pub(super) fn templates(language: Language, kind: PluginKind) -> Vec<Template> {
    let source = match (language, kind) {
        (Language::Rust, PluginKind::Executor) => template!("src/lib.rs", "rust/executor.rs.in"),
        (Language::Rust, PluginKind::Fetcher) => template!("src/lib.rs", "rust/fetcher.rs.in"),
        (Language::Rust, PluginKind::Sink) => template!("src/lib.rs", "rust/sink.rs.in"),
        (Language::Python, PluginKind::Executor) => template!("plugin.py", "python/executor.py.in"),
        (Language::Python, PluginKind::Fetcher) => template!("plugin.py", "python/fetcher.py.in"),
        (Language::Python, PluginKind::Sink) => template!("plugin.py", "python/sink.py.in"),
        (Language::C, PluginKind::Executor) => template!("plugin.c", "c/executor.c.in"),
        (Language::C, PluginKind::Fetcher | PluginKind::Sink) => return Vec::new(),
    };
    let mut files = vec![source, template!(".gitignore", "gitignore.in")];
    match language {
        Language::Rust => {
            files.push(template!("Cargo.toml", "rust/Cargo.toml.in"));
            files.push(template!("README.md", "rust/README.md.in"));
        }
        Language::Python => {
            files.push(template!("requirements.txt", "python/requirements.txt.in"));
            files.push(template!("README.md", "python/README.md.in"));
        }
        Language::C => {
            files.push(template!("windlass_plugin.h", "../../../../plugins/native/windlass_plugin.h"));
            files.push(template!("README.md", "c/README.md.in"));
        }
    }
    files.push(match kind {
        PluginKind::Executor => template!("plugin.toml", "manifest/executor.toml.in"),
        PluginKind::Fetcher => template!("plugin.toml", "manifest/fetcher.toml.in"),
        PluginKind::Sink => template!("plugin.toml", "manifest/sink.toml.in"),
    });
    match (language, kind) {
        (Language::C, _) => files.push(template!("conformance.toml", "c/conformance.toml.in")),
        (_, PluginKind::Executor) => files.push(template!("conformance.toml", "conformance/executor.toml.in")),
        (_, PluginKind::Fetcher) => files.push(template!("conformance.toml", "conformance/fetcher.toml.in")),
        (_, PluginKind::Sink) => files.push(template!("conformance.toml", "conformance/sink.toml.in")),
    }
    files
}

/// The contract, for languages whose tools read it: the paths under one directory, and the texts.
pub(super) const WIT: [(&str, &str); 15] = [
    ("executor.wit", include_str!("../../../wit/executor.wit")),
    ("fetcher.wit", include_str!("../../../wit/fetcher.wit")),
    ("host.wit", include_str!("../../../wit/host.wit")),
    ("net.wit", include_str!("../../../wit/net.wit")),
    ("sink.wit", include_str!("../../../wit/sink.wit")),
    ("sql.wit", include_str!("../../../wit/sql.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
    ("deps/cli.wit", include_str!("../../../wit/deps/cli.wit")),
    ("deps/clocks.wit", include_str!("../../../wit/deps/clocks.wit")),
    ("deps/filesystem.wit", include_str!("../../../wit/deps/filesystem.wit")),
    ("deps/http.wit", include_str!("../../../wit/deps/http.wit")),
    ("deps/io.wit", include_str!("../../../wit/deps/io.wit")),
    ("deps/random.wit", include_str!("../../../wit/deps/random.wit")),
    ("deps/sockets.wit", include_str!("../../../wit/deps/sockets.wit")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::conformance::{ExecutorCases, FetcherCases, SinkCases, Suite};
    use crate::plugin::parse_manifest;

    fn are_cases(kind: PluginKind, text: &[u8]) -> bool {
        match kind {
            PluginKind::Executor => ExecutorCases::parse(text).is_ok(),
            PluginKind::Fetcher => FetcherCases::parse(text).is_ok(),
            PluginKind::Sink => SinkCases::parse(text).is_ok(),
        }
    }

    #[test]
    fn every_word_is_filled_in_and_every_manifest_is_good() {
        for language in [Language::Rust, Language::Python, Language::C] {
            for kind in PluginKind::ALL {
                for template in templates(language, kind) {
                    let text = template.filled(&Words { name: "batch", kind, sdk: "\"1\"" });
                    for word in ["{{name}}", "{{kind}}", "{{sdk}}"] {
                        assert!(!text.contains(word), "{word} in {}", template.path);
                    }
                    match template.path {
                        "plugin.toml" => assert_eq!(parse_manifest(text.as_bytes()).unwrap().kind, kind),
                        "conformance.toml" => assert!(are_cases(kind, text.as_bytes())),
                        _ => {}
                    }
                }
            }
        }
    }

    #[test]
    fn the_contract_is_whole() {
        let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
        for dir in ["", "deps/"] {
            for entry in std::fs::read_dir(wit.join(dir)).unwrap() {
                let name = format!("{dir}{}", entry.unwrap().file_name().to_string_lossy());
                assert!(!name.ends_with(".wit") || WIT.iter().any(|(path, _)| *path == name), "{name}");
            }
        }
    }
}
