//! Where things lie in the directory of a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::job::{JobId, Seq};

/// Jobs whose files share a directory, so that none gets too many entries.
const JOBS_OF_A_SHARD: u64 = 4_096;

/// The directory of a store.
///
/// ```text
/// store.redb              the store itself
/// key                     the keys that seal run options
/// logs/SHARD/JOB/N        the log of attempt N
/// work/SHARD/JOB/N        what the process supervisor of attempt N wrote down
/// work/SHARD/JOB/N/work   the work tree of attempt N, the job's /work
/// work/SHARD/JOB/chain    the directory that the jobs of a chain share, under the first of them
/// payloads/SHARD/JOB.in   an input that is too large for the store, JOB.out an output
/// files/PROJECT/…         the files of a project, as people and jobs name them
/// files/.staging/N        what is on its way into or out of them
/// compiled/NAME           a WebAssembly program as it was compiled, made again when it is gone
/// plugins/NAME            a plugin: plugin.wasm and plugin.toml
/// plugins/registered.toml the digests of the plugins that are known
/// windlass.toml           what plugins are granted
/// scratch/N               the work tree of a WebAssembly program while it runs
/// runs/NAME               a run of the command whose end nobody has seen yet
/// control.sock            where the process that holds the store listens
/// ```
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of the store in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Layout { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of the store.
    pub fn store(&self) -> PathBuf {
        self.root.join("store.redb")
    }

    /// The file of the keys.
    pub fn keys(&self) -> PathBuf {
        self.root.join("key")
    }

    /// The socket of the process that holds the store.
    pub fn control_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// Where the files of projects are.
    pub fn project_files(&self) -> PathBuf {
        self.root.join("files")
    }

    /// Where compiled programs are kept.
    #[cfg(feature = "wasm")]
    pub fn compiled(&self) -> PathBuf {
        self.root.join("compiled")
    }

    /// Where WebAssembly programs work while they run.
    #[cfg(feature = "wasm")]
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// Where the plugins of the store are.
    #[cfg(feature = "plugin")]
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// The file that says what plugins are granted.
    #[cfg(feature = "plugin")]
    pub fn configuration(&self) -> PathBuf {
        self.root.join("windlass.toml")
    }

    /// The log of an attempt.
    pub fn log(&self, job: JobId, attempt: u32) -> PathBuf {
        self.of_job("logs", job.seq()).join(attempt.to_string())
    }

    /// The work tree of an attempt.
    pub fn work(&self, job: JobId, attempt: u32) -> PathBuf {
        self.of_attempt(job, attempt).join("work")
    }

    /// What fetchers have brought in for an attempt, until its work tree takes it over.
    pub fn fetched(&self, job: JobId, attempt: u32) -> PathBuf {
        self.of_attempt(job, attempt).join("fetched")
    }

    /// The rows that the items of a job are made of.
    pub fn rows(&self, job: JobId) -> PathBuf {
        self.of_job("work", job.seq()).join("rows")
    }

    /// What was uploaded for the job of an item.
    pub fn upload(&self, seq: Seq) -> PathBuf {
        self.of_job("uploads", seq)
    }

    /// Everything of an attempt but its log: what an executor on this machine keeps about it, and its work tree.
    pub fn of_attempt(&self, job: JobId, attempt: u32) -> PathBuf {
        self.of_job("work", job.seq()).join(attempt.to_string())
    }

    /// The directory that the jobs of a chain share.
    pub fn chain(&self, first: JobId) -> PathBuf {
        self.of_job("work", first.seq()).join("chain")
    }

    /// A large input.
    pub fn input(&self, seq: Seq) -> PathBuf {
        self.payload(seq, "in")
    }

    /// A large output.
    pub fn output(&self, seq: Seq) -> PathBuf {
        self.payload(seq, "out")
    }

    fn payload(&self, seq: Seq, ending: &str) -> PathBuf {
        self.root.join("payloads").join(shard(seq)).join(format!("{seq}.{ending}"))
    }

    fn of_job(&self, kind: &str, seq: Seq) -> PathBuf {
        self.root.join(kind).join(shard(seq)).join(seq.to_string())
    }

    /// Removes everything of a job that is beside the store.
    ///
    /// # Errors
    /// What the file system says; what is not there is fine.
    pub fn remove_job(&self, seq: Seq) -> io::Result<()> {
        super::remove_tree(&self.of_job("logs", seq))?;
        super::remove_tree(&self.of_job("work", seq))?;
        super::remove_tree(&self.upload(seq))?;
        for path in [self.input(seq), self.output(seq)] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The bytes of everything of a job that is beside the store.
    pub fn size_of_job(&self, seq: Seq) -> u64 {
        let trees =
            [self.of_job("logs", seq), self.of_job("work", seq), self.upload(seq), self.input(seq), self.output(seq)];
        trees.iter().map(|path| size_of(path)).sum()
    }

    /// The attempts that have a work tree or records of their executor, in no order.
    ///
    /// # Errors
    /// What the file system says.
    pub fn attempts_with_files(&self) -> io::Result<Vec<(Seq, u32)>> {
        let mut attempts = Vec::new();
        for shard in entries(&self.root.join("work"))? {
            for job in entries(&shard)? {
                let Some(seq) = number(&job) else { continue };
                attempts.extend(entries(&job)?.iter().filter_map(|attempt| Some((seq, number(attempt)? as u32))));
            }
        }
        Ok(attempts)
    }

    /// The jobs that have files beside the store, in no order.
    ///
    /// # Errors
    /// What the file system says.
    pub fn jobs_with_files(&self) -> io::Result<Vec<Seq>> {
        let mut jobs = Vec::new();
        for kind in ["logs", "work", "uploads", "payloads"] {
            for shard in entries(&self.root.join(kind))? {
                for name in entries(&shard)? {
                    jobs.extend(number(&name));
                }
            }
        }
        jobs.sort_unstable();
        jobs.dedup();
        Ok(jobs)
    }
}

/// The number that a path is named by, whatever its ending.
fn number(path: &Path) -> Option<Seq> {
    path.file_stem()?.to_str()?.parse().ok()
}

fn shard(seq: Seq) -> String {
    (seq / JOBS_OF_A_SHARD).to_string()
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What cannot be read counts nothing: it may vanish at any time.
fn size_of(path: &Path) -> u64 {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    entries(path).unwrap_or_default().iter().map(|entry| size_of(entry)).sum()
}
