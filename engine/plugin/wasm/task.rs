//! What a job of the `wasm` executor asks for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::job::{JobSpec, NamedTask, Task};

/// The name under which the executor is registered.
pub(crate) const EXECUTOR: &str = "wasm";

/// The most that one program may ask for: all that 32-bit addresses reach.
const MOST_MEMORY: u64 = 4 << 30;
const LEAST_MEMORY: u64 = 64 << 10;

/// A WebAssembly program: a component that exports `wasi:cli/run` (WASI 0.2, as `rustc --target wasm32-wasip2` makes them),
/// or a plain module that exports `_start` (WASI 0.1).
///
/// It sees the work tree of its attempt as `/work`, which is also where it starts, the directory of its chain as `/chain`,
/// its arguments, and its run options as environment variables; no other files, no network, no other processes. It is a
/// function, not a container: it has no threads and cannot be asked to stop politely.
///
/// ```
/// use windlass::JobSpec;
/// use windlass::plugin::wasm::WasmTask;
///
/// let mut task = WasmTask::new("/opt/tools/count.wasm");
/// task.args = vec!["--words".into()];
/// task.memory_bytes = Some(64 << 20);
/// let job: JobSpec = task.into();
/// assert_eq!(job.task.executor(), "wasm");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WasmTask {
    /// The file of the program, an absolute path. It is read when an attempt starts.
    pub module: PathBuf,
    /// The SHA-256 of that file in hexadecimal digits: an attempt that finds another one does not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its arguments, without its own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Bytes of memory, 64 KiB to 4 GiB; [`WasmConfig::memory_bytes`](crate::config::WasmConfig) unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

impl WasmTask {
    /// The program in this file, without arguments.
    pub fn new(module: impl Into<PathBuf>) -> Self {
        WasmTask { module: module.into(), sha256: None, args: Vec::new(), memory_bytes: None }
    }

    /// Reads and checks what a job asks for.
    pub(super) fn of(task: &Task) -> Result<WasmTask, Vec<Problem>> {
        let task = WasmTask::read(task)?;
        let problems = task.problems();
        if problems.is_empty() { Ok(task) } else { Err(problems) }
    }

    fn read(task: &Task) -> Result<WasmTask, Vec<Problem>> {
        let Task::Named(named) = task else {
            return Err(vec![problem("executor", "the wasm executor runs WebAssembly only".into(), "a module")]);
        };
        serde_json::from_slice(&named.params).map_err(|error| {
            let allowed = "an object with module, and sha256, args and memory_bytes where they are wanted";
            vec![problem("params", error.to_string(), allowed)]
        })
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.module.is_absolute() {
            problems.push(problem("module", format!("{:?} is not absolute", self.module), "an absolute path"));
        }
        if let Some(digest) = &self.sha256
            && (digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            problems.push(problem("sha256", "it is not a SHA-256".into(), "64 hexadecimal digits"));
        }
        if self.args.iter().any(|arg| arg.contains('\0')) {
            problems.push(problem("args", "one has a NUL character".into(), "texts without NUL"));
        }
        if let Some(bytes) = self.memory_bytes
            && !(LEAST_MEMORY..=MOST_MEMORY).contains(&bytes)
        {
            problems.push(problem("memory_bytes", format!("it is {bytes}"), "65536 (64 KiB) to 4294967296 (4 GiB)"));
        }
        problems
    }
}

/// Has the module of a task lie in `dir` where its path is relative; other tasks are left alone.
#[cfg(feature = "cli")]
pub(crate) fn resolve_module(task: &mut Task, dir: &std::path::Path) -> Result<(), Vec<Problem>> {
    if task.executor() == EXECUTOR {
        let mut wasm = WasmTask::read(task)?;
        wasm.module = dir.join(&wasm.module);
        *task = wasm.into();
    }
    Ok(())
}

/// The module and its arguments, of a task that has them.
#[cfg(feature = "cli")]
pub(crate) fn command_line(task: &Task) -> Option<Vec<String>> {
    if task.executor() != EXECUTOR {
        return None;
    }
    let WasmTask { module, args, .. } = WasmTask::read(task).ok()?;
    Some([module.to_string_lossy().into_owned()].into_iter().chain(args).collect())
}

fn problem(field: &str, problem: String, allowed: &str) -> Problem {
    Problem { field: field.to_owned(), problem, allowed: allowed.to_owned() }
}

impl From<WasmTask> for Task {
    fn from(task: WasmTask) -> Task {
        // Paths that are not UTF-8 cannot be written as JSON; the executor refuses what then is missing.
        let params = serde_json::to_vec(&task).unwrap_or_default();
        Task::Named(NamedTask { executor: EXECUTOR.to_owned(), params })
    }
}

impl From<WasmTask> for JobSpec {
    fn from(task: WasmTask) -> JobSpec {
        JobSpec::new(task.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(params: &str) -> String {
        let task = Task::Named(NamedTask { executor: EXECUTOR.into(), params: params.into() });
        let problems = WasmTask::of(&task).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_task_is_what_it_was() {
        let task = WasmTask {
            sha256: Some("ab".repeat(32)),
            args: vec!["a".into(), "b c".into()],
            memory_bytes: Some(1 << 20),
            ..WasmTask::new("/tools/x.wasm")
        };
        assert_eq!(WasmTask::of(&task.clone().into()).unwrap(), task);
    }

    #[test]
    fn every_mistake_is_told() {
        let found = problems(r#"{"module":"x.wasm","sha256":"abc","args":["a\u0000"],"memory_bytes":1}"#);
        for part in ["module", "absolute", "sha256", "64 hexadecimal", "args", "NUL", "memory_bytes", "64 KiB"] {
            assert!(found.contains(part), "{part} in {found}");
        }
        assert!(problems(r#"{"module":"/x","network":true}"#).contains("network"));
        assert!(problems("{}").contains("module"));
        assert!(problems("").contains("params"));
    }
}
