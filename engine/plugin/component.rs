//! What a component is, read from its bytes: nothing of it is compiled or run.

use std::fmt;

use wasmparser::{Parser, Payload};

use super::manifest::{MOST_BYTES, PluginKind};
use crate::error::{Problem, bounded};
use crate::job::validate::shown;

/// The custom section that may hold the manifest.
pub(crate) const MANIFEST_SECTION: &str = "windlass:manifest";
/// Imports and exports of a component; far more than any has.
pub(super) const MOST_NAMES: usize = 1_000;
/// Bytes of what the parser says.
const MOST_TOLD_BYTES: usize = 512;
/// Exports that are named where another is missing.
const MOST_SHOWN: usize = 5;

/// What a component says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentInfo {
    /// What it needs, as it is named in it.
    pub imports: Vec<Interface>,
    /// What it offers.
    pub exports: Vec<Interface>,
    /// Its size.
    pub bytes: u64,
    /// The manifest inside it.
    pub manifest: Option<Vec<u8>>,
}

/// An interface as a component names it: `wasi:io/streams@0.2.12`, or the bare name of a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// `wasi:io`; empty for what belongs to no package.
    pub package: String,
    /// `streams`.
    pub name: String,
    /// `0.2.12`.
    pub version: Option<String>,
}

/// Why bytes are no component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// It is a plain module.
    #[error("it is a WebAssembly module, not a component; build it for wasm32-wasip2")]
    Module,
    /// It is no WebAssembly, or damaged.
    #[error("it is no WebAssembly component: {0}")]
    Malformed(String),
}

impl Interface {
    pub(super) fn of(text: &str) -> Interface {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (text, None),
        };
        // What begins with a slash has no package before it.
        let named = path.split_once('/').filter(|(package, _)| !package.is_empty());
        let (package, name) = named.unwrap_or(("", path));
        Interface { package: package.to_owned(), name: name.to_owned(), version }
    }

    /// Whether its version is one of `major.minor`.
    fn is_of(&self, series: &str) -> bool {
        let version = self.version.as_deref().unwrap_or_default();
        version.strip_prefix(series).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.package.is_empty() {
            write!(f, "{}/", self.package)?;
        }
        f.write_str(&self.name)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

/// The two kinds of WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Module,
    Component,
}

impl Encoding {
    /// Told by how it begins: see "binary magic" of the core specification and of the component model.
    pub(super) fn of(bytes: &[u8]) -> Option<Encoding> {
        match bytes.get(..8)? {
            b"\0asm\x01\0\0\0" => Some(Encoding::Module),
            b"\0asm\x0d\0\x01\0" => Some(Encoding::Component),
            _ => None,
        }
    }
}

/// Reads what a component says about itself. Pure, never panics.
///
/// # Errors
/// See [`ComponentError`].
pub fn read_component(bytes: &[u8]) -> Result<ComponentInfo, ComponentError> {
    let mut info =
        ComponentInfo { imports: Vec::new(), exports: Vec::new(), bytes: bytes.len() as u64, manifest: None };
    // What is inside of modules and components within it is their own affair.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } if depth == 0 => {
                return Err(ComponentError::Module);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    push(&mut info.imports, import.map_err(malformed)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    push(&mut info.exports, export.map_err(malformed)?.name.name)?;
                }
            }
            // Linkers leave it in the core module that it was compiled into.
            Payload::CustomSection(section)
                if section.name() == MANIFEST_SECTION && (depth == 0 || depth == 1 && info.manifest.is_none()) =>
            {
                // One byte more than a manifest may have, so that its reader refuses it.
                info.manifest = Some(section.data().iter().copied().take(MOST_BYTES + 1).collect());
            }
            _ => {}
        }
    }
    Ok(info)
}

/// What the parser says, on one line: it shows bytes over several, and may show what is in them.
fn malformed(error: wasmparser::BinaryReaderError) -> ComponentError {
    let words: Vec<&str> = error.message().split_whitespace().collect();
    let told = words.join(" ").chars().filter(|it| !it.is_control()).collect();
    ComponentError::Malformed(bounded(told, MOST_TOLD_BYTES))
}

fn push(list: &mut Vec<Interface>, name: &str) -> Result<(), ComponentError> {
    if list.len() >= MOST_NAMES {
        return Err(ComponentError::Malformed(format!("more than {MOST_NAMES} imports or exports")));
    }
    list.push(Interface::of(name));
    Ok(())
}

/// The package of the contract and the series of its versions that this engine speaks.
const CONTRACT: (&str, &str) = ("windlass:plugin", "0.1");
/// The interfaces of the contract that a plugin may import.
const SERVED: [&str; 6] = ["host", "logs", "net", "sql", "types", "work"];
/// The series of WASI that is offered.
const WASI: &str = "0.2";
/// The packages of WASI that are offered.
const OFFERED: [&str; 7] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:http", "wasi:io", "wasi:random", SOCKETS];
/// Every call of it is refused. It is there because the runtime of Python asks for it, whatever the program does.
const SOCKETS: &str = "wasi:sockets";
const OFFERED_SHOWN: &str =
    "windlass:plugin@0.1 (host, logs, net, sql, types, work) and WASI 0.2 (cli, clocks, filesystem, http, io, random)";

impl ComponentInfo {
    /// Whether it imports sockets, all of whose calls are refused.
    pub fn wants_sockets(&self) -> bool {
        self.imports.iter().any(|import| import.package == SOCKETS)
    }

    /// The kinds of plugin whose interface it exports.
    pub fn kinds(&self) -> Vec<PluginKind> {
        let exports = |kind: &PluginKind| {
            let (package, series) = CONTRACT;
            let it = |export: &Interface| export.package == package && export.name == kind.word();
            self.exports.iter().any(|export| it(export) && export.is_of(series))
        };
        PluginKind::ALL.into_iter().filter(exports).collect()
    }

    /// What keeps this engine from running it as a plugin of a kind.
    pub fn problems(&self, kind: PluginKind) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.imports.iter().filter_map(missing).collect();
        if !self.kinds().contains(&kind) {
            problems.push(self.without_export(kind));
        }
        problems
    }

    fn without_export(&self, kind: PluginKind) -> Problem {
        let (package, series) = CONTRACT;
        let wanted = format!("{package}/{kind}@{series}");
        let of_contract = self.exports.iter().filter(|export| export.package == package);
        let more = of_contract.clone().count().saturating_sub(MOST_SHOWN);
        let of_contract: Vec<String> = of_contract.take(MOST_SHOWN).map(|it| shown(&it.to_string())).collect();
        let problem = match (of_contract.is_empty(), more) {
            (true, _) => format!("it exports nothing of {package}"),
            (false, 0) => format!("it exports {}", of_contract.join(", ")),
            (false, more) => format!("it exports {} and {more} more", of_contract.join(", ")),
        };
        Problem { field: wanted.clone(), problem, allowed: format!("a component that exports {wanted}") }
    }
}

/// Why an import is not there for plugins; `None` when it is.
fn missing(import: &Interface) -> Option<Problem> {
    let (contract, series) = CONTRACT;
    let (package, name) = (import.package.as_str(), import.name.as_str());
    let wasi = package.starts_with("wasi:");
    let why = match package {
        _ if package == contract && !import.is_of(series) => "this engine does not speak this version of the contract",
        _ if package == contract && SERVED.contains(&name) => return None,
        _ if package == contract => "the contract has no such interface for plugins to import",
        "wasi:http" if name == "incoming-handler" => "plugins do not listen; they are called",
        "wasi:nn" | "wasi:keyvalue" | "wasi:config" | "wasi:tls" => "it is not offered to plugins",
        _ if wasi && !import.is_of(WASI) => "this version of WASI is not offered; build for WASI 0.2 (wasm32-wasip2)",
        _ if OFFERED.contains(&package) => return None,
        "" => "a function or type that belongs to no interface",
        _ => "nobody offers it",
    };
    Some(Problem {
        field: import.to_string().escape_debug().take(128).collect(),
        problem: why.to_owned(),
        allowed: OFFERED_SHOWN.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> ComponentInfo {
        read_component(&wat::parse_str(text).unwrap()).unwrap()
    }

    const EXECUTOR: &str = r#"(component
        (import "windlass:plugin/host@0.1.0" (instance))
        (import "wasi:http/outgoing-handler@0.2.12" (instance))
        (component $inner
            (import "wasi:sockets/tcp@0.2.0" (instance))
            (export "windlass:plugin/sink@0.1.0" (instance 0)))
        (core module (import "env" "x" (func)) (@custom "windlass:manifest" "no"))
        (instance $own)
        (export "windlass:plugin/executor@0.1.0" (instance $own))
        (@custom "windlass:manifest" "name = \"x\""))"#;

    #[test]
    fn a_component_tells_its_own_imports_exports_and_manifest() {
        let info = component(EXECUTOR);
        let names = |list: &[Interface]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&info.imports), ["windlass:plugin/host@0.1.0", "wasi:http/outgoing-handler@0.2.12"]);
        assert_eq!(names(&info.exports), ["windlass:plugin/executor@0.1.0"]);
        assert_eq!(info.manifest.as_deref(), Some(b"name = \"x\"".as_slice()));
        assert_eq!(info.kinds(), [PluginKind::Executor]);
        assert_eq!(info.problems(PluginKind::Executor), []);
        let [problem] = info.problems(PluginKind::Sink).try_into().unwrap();
        assert!(problem.to_string().contains("it exports \"windlass:plugin/executor@0.1.0\""), "{problem}");
    }

    #[test]
    fn each_import_that_is_not_there_is_told_with_a_way_out() {
        let imports = [
            ("windlass:plugin/host@0.2.0", "does not speak this version"),
            ("windlass:plugin/executor@0.1.0", "no such interface"),
            ("wasi:http/incoming-handler@0.2.0", "do not listen"),
            ("wasi:io/streams@0.3.0", "build for WASI 0.2"),
            ("wasi:keyvalue/store@0.2.0", "not offered"),
            ("acme:thing/x@1.0.0", "nobody offers it"),
        ];
        let text: String = imports.iter().map(|(name, _)| format!("(import \"{name}\" (instance))")).collect();
        let info = component(&format!(
            "(component {text} (import \"wasi:io/poll@0.2.0\" (instance)) (import \"wasi:sockets/tcp@0.2.0\" (instance)) (import \"bare\" (instance)))"
        ));
        let problems = info.problems(PluginKind::Executor);
        assert_eq!(problems.len(), imports.len() + 2);
        for (problem, (name, says)) in problems.iter().zip(imports) {
            assert!(problem.field == name && problem.problem.contains(says), "{problem}");
        }
        assert!(problems[imports.len()].problem.contains("no interface"));
        assert!(problems[imports.len() + 1].problem.contains("it exports nothing of windlass:plugin"));
    }

    #[test]
    fn what_is_told_of_a_component_has_an_end() {
        let exports: String =
            (0..900).map(|at| format!("(export \"windlass:plugin/e{at}@0.1.0\" (instance $own))")).collect();
        let info = component(&format!("(component (instance $own) {exports})"));
        let [problem] = info.problems(PluginKind::Sink).try_into().unwrap();
        assert!(problem.problem.contains("\"windlass:plugin/e0@0.1.0\"") && problem.problem.ends_with(" and 895 more"));
        let exports: String = (0..=MOST_NAMES).map(|at| format!("(export \"e{at}\" (instance $own))")).collect();
        let bytes = wat::parse_str(format!("(component (instance $own) {exports})")).unwrap();
        assert!(
            matches!(read_component(&bytes), Err(ComponentError::Malformed(told)) if told.contains("more than 1000"))
        );
    }

    #[test]
    fn a_name_is_shown_as_it_is() {
        // Nobody has checked the name of an import before it is read.
        for name in ["a:b/c@1.0.0", "bare", "", "/", "/windlass:plugin/executor@0.1.0", "a:b/c/d", "a@b/c", "@"] {
            let interface = Interface::of(name);
            assert_eq!((interface.to_string().as_str(), Interface::of(&interface.to_string())), (name, interface));
        }
        assert_eq!(Interface::of("/windlass:plugin/executor@0.1.0").package, "");
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert_eq!(read_component(&wat::parse_str("(module)").unwrap()), Err(ComponentError::Module));
        for bytes in [b"".as_slice(), b"\0asm", b"hello world", b"\0as\xff\x0d\0\x01\0"] {
            let Err(ComponentError::Malformed(told)) = read_component(bytes) else { panic!("{bytes:?}") };
            assert!(!told.contains(char::is_control), "{told:?}");
        }
        let whole = wat::parse_str(EXECUTOR).unwrap();
        for end in 0..whole.len() {
            let _ = read_component(&whole[..end]);
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            let _ = read_component(&changed);
        }
    }
}
