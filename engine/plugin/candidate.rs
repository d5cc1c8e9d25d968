//! A component with its manifest, as they are found: read and looked at, not run and not yet trusted.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::component::{ComponentInfo, read_component};
use super::manifest::{MOST_BYTES, Manifest, parse_manifest};
use crate::error::Problem;
use crate::files::read_file;
use crate::secret::{hex, sha256};

/// The content of a plugin: the digest of its component and of its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) component: [u8; 32],
    pub(super) manifest: [u8; 32],
}

/// Why a plugin is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its files cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It is none that this engine can run. All reasons are listed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unfit(Vec<Problem>),
    /// It is another one than was registered under its name.
    #[error(
        "its {part} has the SHA-256 {found}, registered is {registered}; if that is meant, `windlass plugin add FILE \
         --name NAME --confirm` registers it"
    )]
    Changed {
        /// `component` or `manifest`.
        part: &'static str,
        /// What was registered.
        registered: String,
        /// What is there.
        found: String,
    },
    /// It is another one than its operator wants.
    #[error("its component has the SHA-256 {found}, the configuration wants {wanted}")]
    Pinned {
        /// What the configuration says.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The configuration names it and it is nowhere.
    #[error("there is no such plugin: neither in the directory of the store nor built in")]
    Nowhere,
}

impl Refusal {
    fn unfit(field: &str, problem: impl ToString, allowed: &str) -> Refusal {
        let problem = Problem { field: field.to_owned(), problem: problem.to_string(), allowed: allowed.to_owned() };
        Refusal::Unfit(vec![problem])
    }

    /// Refuses a content that is another one than `registered`.
    pub(super) fn of_change(registered: &Content, found: &Content) -> Option<Refusal> {
        let (part, registered, found) = if registered.component != found.component {
            ("component", registered.component, found.component)
        } else if registered.manifest != found.manifest {
            ("manifest", registered.manifest, found.manifest)
        } else {
            return None;
        };
        Some(Refusal::Changed { part, registered: hex(&registered), found: hex(&found) })
    }
}

/// A component with its manifest.
#[derive(Clone)]
pub struct Candidate {
    /// The bytes of the component.
    pub component: Cow<'static, [u8]>,
    /// What is in it.
    pub info: ComponentInfo,
    /// The manifest, beside it or from inside of it.
    pub manifest: Manifest,
    pub(super) manifest_text: Vec<u8>,
    pub(super) content: Content,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Candidate { info, manifest, .. } = self;
        f.debug_struct("Candidate").field("info", info).field("manifest", manifest).finish_non_exhaustive()
    }
}

impl Candidate {
    /// Looks at a component. The manifest that is beside it comes before the one inside.
    ///
    /// # Errors
    /// [`Refusal::Unfit`] when it is no component, or has no manifest or a wrong one.
    pub(super) fn new(component: Cow<'static, [u8]>, beside: Option<Vec<u8>>) -> Result<Candidate, Refusal> {
        let allowed = "a component, as cargo build --target wasm32-wasip2 makes them";
        let info = read_component(&component).map_err(|error| Refusal::unfit("component", error, allowed))?;
        let Some(manifest_text) = beside.or_else(|| info.manifest.clone()) else {
            let allowed = "plugin.toml or NAME.toml beside NAME.wasm, or a section windlass:manifest in it";
            return Err(Refusal::unfit("manifest", "there is none", allowed));
        };
        let manifest = parse_manifest(&manifest_text).map_err(|problems| Refusal::Unfit(in_manifest(problems)))?;
        let content = Content { component: sha256(&component), manifest: sha256(&manifest_text) };
        Ok(Candidate { component, info, manifest, manifest_text, content })
    }

    /// Looks at a component in a file, with the manifest beside it: `NAME.toml`, else `plugin.toml`.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`] and [`Refusal::Unfit`].
    pub fn read(path: &Path, most_bytes: u64) -> Result<Candidate, Refusal> {
        let component = read_file(path, most_bytes).map_err(|error| unreadable(path, &error))?;
        let mut beside = None;
        for path in [path.with_extension("toml"), path.with_file_name("plugin.toml")] {
            beside = read_if_there(path)?;
            if beside.is_some() {
                break;
            }
        }
        Candidate::new(Cow::Owned(component), beside)
    }

    /// The SHA-256 of the component.
    pub fn sha256(&self) -> [u8; 32] {
        self.content.component
    }

    /// What keeps this engine from running it.
    pub fn problems(&self) -> Vec<Problem> {
        self.info.problems(self.manifest.kind)
    }
}

fn read_if_there(path: PathBuf) -> Result<Option<Vec<u8>>, Refusal> {
    match read_file(&path, MOST_BYTES as u64) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path, &error)),
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Refusal {
    Refusal::Unreadable(format!("{}: {error}", path.display()))
}

fn in_manifest(problems: Vec<Problem>) -> Vec<Problem> {
    let named = |problem: Problem| {
        let field = if problem.field.is_empty() { String::new() } else { format!(" {}", problem.field) };
        Problem { field: format!("manifest{field}"), ..problem }
    };
    problems.into_iter().map(named).collect()
}
