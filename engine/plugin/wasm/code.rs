//! Programs: compiled once per content, kept in memory while they are used and beside the store for the next start.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::OnceCell;
use wasmtime::component::Component;
use wasmtime::{Engine, InstancePre, Module};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::bindings::ExecutorPluginPre;
use super::bindings::transfer::fetcher::FetcherPre;
use super::bindings::transfer::sink::SinkPre;
use super::guest::Guest;
use super::sandbox::Sandbox;
use crate::plugin::PluginKind;
use crate::plugin::component::Encoding;
use crate::secret::{hex, sha256};

/// How a compiled program begins on disk; its digest follows, then the code.
const MAGIC: &[u8; 8] = b"WLCWASM1";
const DIGEST: usize = 32;

/// How files of compiled programs end.
const ENDING: &str = "cwasm";

type Digest = [u8; DIGEST];

/// A program that is ready to be instantiated.
pub(crate) enum Program {
    /// A component that exports `wasi:cli/run`.
    Component(CommandPre<Guest>),
    /// A module that exports `_start`.
    Module(InstancePre<Guest>),
    /// A component that exports `windlass:plugin/executor`.
    Executor(ExecutorPluginPre<Guest>),
    /// A component that exports `windlass:plugin/fetcher`.
    Fetcher(FetcherPre<Guest>),
    /// A component that exports `windlass:plugin/sink`.
    Sink(SinkPre<Guest>),
}

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is run as a job.
    Job,
    /// It is called as a plugin of a kind.
    Plugin(PluginKind),
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Purpose::Job => f.write_str("WebAssembly program"),
            Purpose::Plugin(kind) => kind.fmt(f),
        }
    }
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodeError {
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{} has {bytes} bytes; allowed: at most {most}", path.display())]
    TooLarge { path: PathBuf, bytes: u64, most: u64 },
    #[error("{} has the SHA-256 {found}, not {wanted}", path.display())]
    AnotherContent { path: PathBuf, found: String, wanted: String },
    #[error("{} is no {purpose}: {reason}", path.display())]
    Unusable { path: PathBuf, purpose: Purpose, reason: String },
}

impl CodeError {
    /// Whether trying again is pointless.
    pub(super) fn is_permanent(&self) -> bool {
        !matches!(self, CodeError::Unreadable { .. })
    }
}

/// What a file was when it was read: when nothing of this has changed nor has its content.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(file: &fs::Metadata) -> Version {
        Version {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// The programs of one engine.
pub(super) struct Programs {
    /// Where compiled ones are kept.
    dir: PathBuf,
    most_module_bytes: u64,
    most_programs: usize,
    most_cache_bytes: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// What the files were found to be.
    files: HashMap<PathBuf, (Version, Digest)>,
    programs: HashMap<Digest, Loaded>,
    /// Counts uses, so that the longest unused is known.
    clock: u64,
}

struct Loaded {
    program: Arc<OnceCell<Arc<Program>>>,
    used: u64,
}

impl Programs {
    pub(super) fn new(dir: PathBuf, config: &crate::config::WasmConfig) -> Programs {
        Programs {
            dir,
            most_module_bytes: config.module_bytes,
            most_programs: config.programs.max(1),
            most_cache_bytes: config.cache_bytes,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program in a file, compiled unless it was before. Callers that want the same one at the same time wait for the
    /// one that compiles it.
    ///
    /// # Errors
    /// See [`CodeError`].
    pub(super) async fn get(
        self: &Arc<Self>,
        sandbox: &Arc<Sandbox>,
        path: &Path,
        wanted: Option<&str>,
    ) -> Result<Arc<Program>, CodeError> {
        let file = fs::metadata(path).map_err(|error| unreadable(path, error))?;
        let version = Version::of(&file);
        let known = self.lock().files.get(path).filter(|(known, _)| *known == version).map(|(_, digest)| *digest);
        let (digest, bytes) = match known {
            Some(digest) => (digest, None),
            None => self.read_aside(sandbox, path).await.map(|(digest, bytes)| (digest, Some(bytes)))?,
        };
        if let Some(wanted) = wanted
            && !hex(&digest).eq_ignore_ascii_case(wanted)
        {
            return Err(CodeError::AnotherContent {
                path: path.into(),
                found: hex(&digest),
                wanted: wanted.to_owned(),
            });
        }
        let cell = self.cell(path, version, digest);
        let program = cell
            .get_or_try_init(|| async {
                let bytes = match bytes {
                    Some(bytes) => bytes,
                    None => match self.read_aside(sandbox, path).await? {
                        (found, bytes) if found == digest => bytes,
                        _ => return Err(unreadable(path, io::Error::other("it changed while it was read"))),
                    },
                };
                let (programs, sandbox, path) = (self.clone(), sandbox.clone(), path.to_owned());
                let threads = sandbox.threads().map_err(|error| unreadable(&path, error))?.handle().clone();
                let load = move || programs.load(&sandbox, &path, &bytes, &digest, Purpose::Job);
                let made = threads.spawn_blocking(load).await;
                made.unwrap_or_else(|error| Err(unreadable(Path::new("the compiler"), io::Error::other(error))))
            })
            .await?;
        Ok(program.clone())
    }

    /// The plugin of a kind whose content this is, called `label` in errors, compiled unless it was before. The caller
    /// keeps it.
    ///
    /// # Errors
    /// See [`CodeError`].
    pub(super) async fn plugin(
        self: &Arc<Self>,
        sandbox: &Arc<Sandbox>,
        kind: PluginKind,
        label: PathBuf,
        bytes: Arc<[u8]>,
    ) -> Result<Arc<Program>, CodeError> {
        let (programs, used, path) = (self.clone(), sandbox.clone(), label.clone());
        let threads = sandbox.threads().map_err(|error| unreadable(&label, error))?.handle().clone();
        let load = move || programs.load(&used, &path, &bytes, &sha256(&bytes), Purpose::Plugin(kind));
        let made = threads.spawn_blocking(load).await;
        made.unwrap_or_else(|error| Err(unreadable(Path::new("the compiler"), io::Error::other(error))))
    }

    /// Reads a file and what it is known by, off the threads of the engine: it may be large.
    async fn read_aside(self: &Arc<Self>, sandbox: &Sandbox, path: &Path) -> Result<(Digest, Vec<u8>), CodeError> {
        let threads = sandbox.threads().map_err(|error| unreadable(path, error))?.handle().clone();
        let (programs, file) = (self.clone(), path.to_owned());
        let read = move || programs.read(&file).map(|bytes| (sha256(&bytes), bytes));
        let read = threads.spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(unreadable(path, io::Error::other(error))))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, CodeError> {
        let most = self.most_module_bytes;
        let file = fs::File::open(path).map_err(|error| unreadable(path, error))?;
        let length = file.metadata().map_err(|error| unreadable(path, error))?;
        if !length.is_file() {
            return Err(unreadable(path, io::Error::other("it is not a file")));
        }
        if length.len() > most {
            return Err(CodeError::TooLarge { path: path.into(), bytes: length.len(), most });
        }
        let mut bytes = Vec::with_capacity(length.len() as usize);
        let read = io::Read::read_to_end(&mut io::Read::take(file, most + 1), &mut bytes);
        read.map_err(|error| unreadable(path, error))?;
        Ok(bytes)
    }

    /// Where the program goes; the one that was not used for longest makes room.
    fn cell(&self, path: &Path, version: Version, digest: Digest) -> Arc<OnceCell<Arc<Program>>> {
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        if inner.files.len() > 16 * self.most_programs {
            inner.files.clear();
        }
        inner.files.insert(path.to_owned(), (version, digest));
        if !inner.programs.contains_key(&digest) && inner.programs.len() >= self.most_programs {
            let oldest = inner.programs.iter().min_by_key(|(_, loaded)| loaded.used).map(|(digest, _)| *digest);
            oldest.map(|oldest| inner.programs.remove(&oldest));
        }
        let loaded = inner.programs.entry(digest).or_insert_with(|| Loaded { program: Arc::default(), used: now });
        loaded.used = now;
        loaded.program.clone()
    }

    fn load(
        &self,
        sandbox: &Sandbox,
        path: &Path,
        bytes: &[u8],
        digest: &Digest,
        purpose: Purpose,
    ) -> Result<Arc<Program>, CodeError> {
        let unusable = |reason: String| CodeError::Unusable { path: path.to_owned(), purpose, reason };
        let encoding = Encoding::of(bytes).ok_or_else(|| unusable("it begins otherwise than one".into()))?;
        if purpose != Purpose::Job && encoding == Encoding::Module {
            return Err(unusable("it is a plain module; a plugin is a component".into()));
        }
        let cached = self.dir.join(format!("{}-{:016x}.{ENDING}", hex(digest), engine_hash(&sandbox.engine)));
        let program = match read_cached(&cached).and_then(|code| encoding.revive(sandbox, &code, purpose)) {
            Some(program) => program,
            None => {
                let (program, code) =
                    encoding.compile(sandbox, bytes, purpose).map_err(|error| unusable(format!("{error:#}")))?;
                // Without a cache the next start compiles again.
                if let Err(error) = self.keep(&cached, &code) {
                    tracing::warn!(%error, path = %cached.display(), "a compiled program is not kept");
                }
                program
            }
        };
        Ok(Arc::new(program))
    }

    /// Writes a compiled program beside the store: readable by its owner only, whole or not at all.
    fn keep(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        self.make_room(code.len() as u64)?;
        let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        io::Write::write_all(&mut file, &[MAGIC.as_slice(), &sha256(code), code].concat())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    }

    /// Removes the oldest files until there is room for as many bytes.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let file = entry.metadata()?;
            files.push((file.modified().unwrap_or(SystemTime::UNIX_EPOCH), file.len(), entry.path()));
        }
        files.sort_unstable();
        let mut all: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, length, path) in files {
            if all + bytes <= self.most_cache_bytes {
                break;
            }
            fs::remove_file(path)?;
            all -= length;
        }
        Ok(())
    }
}

fn unreadable(path: &Path, error: io::Error) -> CodeError {
    CodeError::Unreadable { path: path.to_owned(), error }
}

/// A compiled program as it was kept; anything that is not whole is compiled again.
fn read_cached(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let (digest, code) = bytes.strip_prefix(MAGIC)?.split_at_checked(DIGEST)?;
    (sha256(code) == digest).then(|| code.to_vec())
}

/// What decides whether compiled code fits: the version of wasmtime, its settings, the processor.
fn engine_hash(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

impl Encoding {
    fn compile(self, sandbox: &Sandbox, bytes: &[u8], purpose: Purpose) -> wasmtime::Result<(Program, Vec<u8>)> {
        Ok(match self {
            Encoding::Module => {
                let module = Module::from_binary(&sandbox.engine, bytes)?;
                let code = module.serialize()?;
                (Program::of_module(sandbox, &module)?, code)
            }
            Encoding::Component => {
                let component = Component::from_binary(&sandbox.engine, bytes)?;
                let code = component.serialize()?;
                (Program::of_component(sandbox, &component, purpose)?, code)
            }
        })
    }

    /// Takes code that was compiled before; `None` when it does not fit this engine.
    #[expect(
        unsafe_code,
        reason = "compiled code is run as it is: it was written by this program into a directory of its \
        owner's, and its digest shows that it is whole"
    )]
    fn revive(self, sandbox: &Sandbox, code: &[u8], purpose: Purpose) -> Option<Program> {
        match self {
            Encoding::Module => {
                // SAFETY: see the reason above.
                let module = unsafe { Module::deserialize(&sandbox.engine, code) }.ok()?;
                Program::of_module(sandbox, &module).ok()
            }
            Encoding::Component => {
                // SAFETY: see the reason above.
                let component = unsafe { Component::deserialize(&sandbox.engine, code) }.ok()?;
                Program::of_component(sandbox, &component, purpose).ok()
            }
        }
    }
}

impl Program {
    fn of_module(sandbox: &Sandbox, module: &Module) -> wasmtime::Result<Program> {
        if module.get_export("_start").is_none() {
            return Err(wasmtime::Error::msg("it exports no function _start"));
        }
        Ok(Program::Module(sandbox.modules.instantiate_pre(module)?))
    }

    fn of_component(sandbox: &Sandbox, component: &Component, purpose: Purpose) -> wasmtime::Result<Program> {
        let Purpose::Plugin(kind) = purpose else {
            return Ok(Program::Component(CommandPre::new(sandbox.components.instantiate_pre(component)?)?));
        };
        let plugin = sandbox.plugins.instantiate_pre(component)?;
        Ok(match kind {
            PluginKind::Executor => Program::Executor(ExecutorPluginPre::new(plugin)?),
            PluginKind::Fetcher => Program::Fetcher(FetcherPre::new(plugin)?),
            PluginKind::Sink => Program::Sink(SinkPre::new(plugin)?),
        })
    }
}
