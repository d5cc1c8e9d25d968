//! From job files to submitted jobs, or to the ones that an earlier run left unfinished.

use std::path::{Path, PathBuf};

use super::unseen::Unseen;
use crate::cli::failure::{Failure, USAGE};
use crate::cli::jobfile::{InputPath, JobFile, parse_job_file};
use crate::cli::output::note;
use crate::clock::Clock;
use crate::engine::{Engine, JobView};
use crate::job::{Filter, InputFile, JobId, JobLimits, JobSpec, RunOptions, State};

/// The option with the directory of the job file.
const DIR_OPTION: &str = "JOB_FILE_DIR";
/// Characters of a file's name that are kept in the config of its jobs.
const NAME_CHARS: usize = 100;

/// A file that was read without a mistake.
pub(super) struct Planned {
    pub(super) path: PathBuf,
    /// The config of its jobs: what an interrupted run is found again by.
    pub(super) config: String,
    file: JobFile,
}

/// What became of the jobs of a file.
pub(super) enum Started {
    /// They were submitted.
    Anew(Vec<JobId>),
    /// An earlier run submitted them and was not there at their end.
    Resumed(Vec<JobView>),
}

/// Reads all files before anything is submitted.
///
/// # Errors
/// All mistakes of all files have been told by then.
pub(super) fn read_files(paths: &[PathBuf], pairs: &[String]) -> Result<Vec<Planned>, Failure> {
    let mut planned = Vec::with_capacity(paths.len());
    let mut is_bad = false;
    for path in paths {
        match read_file(path, pairs) {
            Ok(file) => planned.push(file),
            Err(mistakes) => {
                is_bad = true;
                mistakes.iter().for_each(|mistake| note(mistake));
            }
        }
    }
    if is_bad { Err(Failure::new(USAGE, "")) } else { Ok(planned) }
}

fn read_file(path: &Path, pairs: &[String]) -> Result<Planned, Vec<String>> {
    let name = path.display().to_string();
    let cannot = |error: std::io::Error| vec![format!("{name}: cannot be read: {error}")];
    let text = std::fs::read(path).map_err(cannot)?;
    let absolute = std::path::absolute(path).map_err(cannot)?;
    let env = |variable: &str| std::env::var(variable).ok();
    let mut file = parse_job_file(&text, &name, &env)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let Some(dir) = absolute.parent().and_then(Path::to_str) else {
        return Err(vec![format!("{name}: the path of its directory is not UTF-8")]);
    };
    read_inputs(&mut file, &name, Path::new(dir))?;
    let config = config_of(&file, &absolute, &text, pairs);
    for spec in &mut file.jobs {
        if spec.options.get(DIR_OPTION).is_none() {
            spec.options.set(DIR_OPTION, dir);
        }
        spec.config.get_or_insert_with(|| config.clone());
        #[cfg(feature = "wasm")]
        if let Err(problems) = crate::plugin::wasm::resolve_module(&mut spec.task, Path::new(dir)) {
            return Err(problems.iter().map(|problem| format!("{name}: {problem}")).collect());
        }
    }
    Ok(Planned { path: path.to_owned(), config, file })
}

/// Reads the input files that the file names by their paths.
fn read_inputs(file: &mut JobFile, name: &str, dir: &Path) -> Result<(), Vec<String>> {
    let most = JobLimits::default().input_bytes as u64;
    let mut mistakes = Vec::new();
    for InputPath { job, item, input, path } in &file.input_files {
        let at = file.positions.get(*job).map(ToString::to_string).unwrap_or_default();
        let mut fail = |problem: String| mistakes.push(format!("{name}:{at}: inputs: {path}: {problem}"));
        let from = dir.join(path);
        // Looked at first: what is far too large is not read.
        match std::fs::metadata(&from)
            .and_then(|it| if it.len() > most { Ok(None) } else { std::fs::read(&from).map(Some) })
        {
            Ok(Some(content)) => {
                let place = file.jobs.get_mut(*job).and_then(|spec| inputs_of(spec, *item)?.get_mut(*input));
                place.into_iter().for_each(|it| it.content.clone_from(&content));
            }
            Ok(None) => fail(format!("is too large; allowed: at most {most} bytes in all")),
            Err(error) => fail(format!("cannot be read: {error}")),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// The input files of a job, or of one of its items.
fn inputs_of(spec: &mut JobSpec, item: Option<usize>) -> Option<&mut Vec<InputFile>> {
    match item {
        None => Some(&mut spec.inputs),
        Some(item) => Some(&mut spec.items.as_mut()?.given.get_mut(item)?.inputs),
    }
}

/// `NAME@DIGEST`: the same for the same file with the same content and request options, so that a second run of it
/// finds the jobs of the first.
fn config_of(file: &JobFile, path: &Path, text: &[u8], pairs: &[String]) -> String {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = file.name.as_deref().unwrap_or(stem);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut plain: String = name.chars().take(NAME_CHARS).map(|c| if is_plain(c) { c } else { '-' }).collect();
    if !plain.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        plain.insert(0, '_');
    }
    let mut digest = Fnv::default();
    digest.part(path.as_os_str().as_encoded_bytes());
    digest.part(text);
    pairs.iter().for_each(|pair| digest.part(pair.as_bytes()));
    let inputs = file.jobs.iter().flat_map(|spec| &spec.inputs);
    inputs.for_each(|input| digest.part(&input.content));
    format!("{plain}@{:012x}", digest.0 >> 16)
}

/// FNV-1a: tells files apart, protects nothing.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Takes the length first, so that parts cannot run into each other.
    fn part(&mut self, bytes: &[u8]) {
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in length.iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Submits the jobs of a file, unless an earlier run of it was not seen to its end.
pub(super) async fn start(
    engine: &Engine,
    planned: &Planned,
    unseen: &Unseen,
    request: RunOptions,
) -> Result<Started, Failure> {
    if let Some(jobs) = unseen.read().and_then(|chain| engine.chain(chain).ok()).map(|chain| chain.jobs) {
        return Ok(Started::Resumed(jobs));
    }
    if let Some(jobs) = unfinished(engine, &planned.config)? {
        return Ok(Started::Resumed(jobs));
    }
    let specs = planned.file.specs_at(Clock::system().now());
    let in_file = |failure: Failure| {
        let message = format!("{}: {}", planned.path.display(), failure.message);
        Failure { message, ..failure }
    };
    let ids = engine.submit_chain(specs, request).await.map_err(|error| in_file(error.into()))?;
    if let Some(chain) = ids.first() {
        unseen.write(*chain)?;
    }
    Ok(Started::Anew(ids))
}

/// The jobs of the newest run of a file that is not finished.
fn unfinished(engine: &Engine, config: &str) -> Result<Option<Vec<JobView>>, Failure> {
    let live = State::ALL.into_iter().filter(|state| !state.is_final());
    let of_file = Filter { states: live.collect(), config: Some(config.to_owned()), ..Filter::default() };
    let Some(newest) = first_of(engine, &of_file)? else {
        return Ok(None);
    };
    Ok(Some(match newest.job.chain {
        None => vec![newest],
        Some(chain) => engine.chain(chain)?.jobs,
    }))
}

/// The first job of a list. A page may be empty although the list goes on.
fn first_of(engine: &Engine, filter: &Filter) -> Result<Option<JobView>, Failure> {
    let mut cursor = None;
    loop {
        let page = engine.list(filter, cursor, 1)?;
        cursor = page.next;
        let first = page.jobs.into_iter().next();
        if first.is_some() || cursor.is_none() {
            return Ok(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: Option<&str>, path: &str, text: &str, pairs: &[&str]) -> String {
        let mut file = parse_job_file(b"command: a", "f", &|_| None).unwrap();
        file.name = name.map(str::to_owned);
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        config_of(&file, Path::new(path), text.as_bytes(), &pairs)
    }

    #[test]
    fn a_config_tells_runs_apart() {
        let one = config(None, "/a/jobs.yaml", "text", &["A=1"]);
        assert_eq!(one, config(None, "/a/jobs.yaml", "text", &["A=1"]));
        let (name, digest) = one.split_once('@').unwrap();
        assert_eq!((name, digest.len()), ("jobs", 12));
        for other in [
            config(None, "/b/jobs.yaml", "text", &["A=1"]),
            config(None, "/a/jobs.yaml", "text ", &["A=1"]),
            config(None, "/a/jobs.yaml", "text", &["A=2"]),
            config(None, "/a/jobs.yaml", "text", &["A=", "1"]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_config_is_a_good_name() {
        let long = "ä ".repeat(200);
        for name in ["-x", "a/b c", long.as_str()] {
            let mut job = crate::job::JobSpec::process("true", [] as [&str; 0]);
            job.config = Some(config(Some(name), "/f", "", &[]));
            let limits = crate::job::JobLimits::default();
            let checked = crate::job::validate::check_submission(&[job], &limits);
            assert!(checked.is_ok(), "{checked:?}");
        }
    }
}
