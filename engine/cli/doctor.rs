//! `windlass doctor`: is this machine, and is this store, fit to run jobs?

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Resource, geteuid, getrlimit};
use serde::Serialize;

use super::failure::{FAILED, Failure};
use super::output::{print, print_json};
use super::request::{ListRequest, MAX_PAGE, job_id};
use super::store_dir::{KEY_VARIABLE, Place, open_to_manage};
use super::table::table;
use super::target::Target;
use crate::executors::process::{ExitOutcome, LaunchOrder, ProcessLimits, Supervisor};
use crate::files::{Layout, LogLimits};
use crate::job::Seq;

/// Less free space than this will soon stop the engine.
const LITTLE_SPACE_BYTES: u64 = 1 << 30;
/// Less free space than this stops it now.
const NO_SPACE_BYTES: u64 = 64 << 20;
const FEW_FILES: u64 = 1_024;
/// Fewer syncs per second than this make each durable write take longer than 20 ms.
const SLOW_SYNCS_PER_S: u64 = 50;
const SYNC_TIME: Duration = Duration::from_secs(1);
const SUPERVISOR_TIME: Duration = Duration::from_secs(10);

/// The outcome of one check.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    status: Verdict,
    message: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        }
    }
}

#[derive(Serialize)]
struct ReportWire {
    ok: bool,
    checks: Vec<Check>,
}

fn check(name: &'static str, status: Verdict, message: impl Into<String>) -> Check {
    let message = message.into();
    Check { name, status, message }
}

/// Runs the command.
pub(super) async fn doctor(place: &Place, json: bool) -> Result<u8, Failure> {
    let dir = place.dir();
    let mut checks = vec![directory(dir)];
    if Layout::new(dir).store().exists() {
        checks.push(key(dir));
        checks.extend(store(place).await);
    }
    let existing = existing_ancestor(dir);
    checks.push(free_space(&existing));
    checks.push(file_limit());
    checks.push(sync_rate(&existing));
    checks.push(supervisor().await);
    let ok = checks.iter().all(|check| check.status != Verdict::Fail);
    if json {
        print_json(&ReportWire { ok, checks })?;
    } else {
        let row = |check: &Check| {
            let word = check.status.word().to_owned();
            vec![word, check.name.to_owned(), check.message.clone()]
        };
        let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
        print(&table(&["status", "check", "detail"], &rows))?;
    }
    Ok(if ok { 0 } else { FAILED })
}

fn directory(dir: &Path) -> Check {
    const NAME: &str = "store directory";
    let shown = dir.display();
    let meta = match fs::metadata(dir) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return check(NAME, Verdict::Warn, format!("{shown} is not there yet; the first run makes it"));
        }
        Err(error) => return check(NAME, Verdict::Fail, format!("{shown}: {error}")),
    };
    let mode = meta.permissions().mode() & 0o7777;
    if !meta.is_dir() {
        check(NAME, Verdict::Fail, format!("{shown} is not a directory"))
    } else if meta.uid() != geteuid().as_raw() {
        check(NAME, Verdict::Fail, format!("{shown} belongs to another user"))
    } else if mode & 0o077 != 0 {
        let advice = "others may look into it; chmod 700 keeps them out";
        check(NAME, Verdict::Warn, format!("{shown} has mode {mode:04o}: {advice}"))
    } else {
        check(NAME, Verdict::Ok, format!("{shown} has mode {mode:04o}"))
    }
}

fn key(dir: &Path) -> Check {
    const NAME: &str = "key";
    if std::env::var_os(KEY_VARIABLE).is_some() {
        return check(NAME, Verdict::Ok, format!("from {KEY_VARIABLE}"));
    }
    let path = Layout::new(dir).keys();
    match fs::metadata(&path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            let problem = format!("others may read {}; chmod 600 keeps them out", path.display());
            check(NAME, Verdict::Fail, problem)
        }
        Ok(_) => check(NAME, Verdict::Ok, format!("in {}", path.display())),
        Err(error) => check(NAME, Verdict::Fail, format!("{}: {error}", path.display())),
    }
}

/// Opening the store checks its format and that the key is the right one.
async fn store(place: &Place) -> Vec<Check> {
    let mut target = match open_to_manage(place).await {
        Ok(target) => target,
        Err(failure) => return vec![check("store", Verdict::Fail, failure.message)],
    };
    let how = match &target {
        Target::Own(_) => "it opens; format and key are right",
        Target::Remote { .. } => "in use by a windlass that answers",
    };
    let checks = vec![check("store", Verdict::Ok, how), leftovers(place.dir(), &mut target).await];
    target.close().await;
    checks
}

/// Files beside the store whose job is not in it.
async fn leftovers(dir: &Path, target: &mut Target) -> Check {
    const NAME: &str = "orphaned files";
    let seqs = match Layout::new(dir).jobs_with_files() {
        Ok(seqs) => seqs,
        Err(error) => return check(NAME, Verdict::Warn, error.to_string()),
    };
    let mut orphans: HashSet<Seq> = seqs.into_iter().collect();
    let mut request = ListRequest { limit: MAX_PAGE, ..ListRequest::default() };
    while !orphans.is_empty() {
        let page = match target.list(request.clone()).await {
            Ok(page) => page,
            Err(failure) => return check(NAME, Verdict::Fail, failure.message),
        };
        for id in page.jobs.iter().filter_map(|job| job_id(&job.id).ok()) {
            orphans.remove(&id.seq());
        }
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    if orphans.is_empty() {
        check(NAME, Verdict::Ok, "none")
    } else {
        let count = orphans.len();
        check(NAME, Verdict::Warn, format!("{count} jobs that are not in the store have files beside it"))
    }
}

fn existing_ancestor(dir: &Path) -> PathBuf {
    let existing = dir.ancestors().find(|path| path.is_dir());
    existing.unwrap_or(Path::new("/")).to_owned()
}

fn free_space(dir: &Path) -> Check {
    const NAME: &str = "free space";
    let free_bytes = match rustix::fs::statvfs(dir) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => return check(NAME, Verdict::Warn, error.to_string()),
    };
    let status = match free_bytes {
        0..NO_SPACE_BYTES => Verdict::Fail,
        NO_SPACE_BYTES..LITTLE_SPACE_BYTES => Verdict::Warn,
        _ => Verdict::Ok,
    };
    check(NAME, status, format!("{} MiB", free_bytes >> 20))
}

fn file_limit() -> Check {
    const NAME: &str = "open files";
    match getrlimit(Resource::Nofile).current {
        Some(files) if files < FEW_FILES => {
            let advice = "each running job needs a few; see ulimit -n";
            check(NAME, Verdict::Warn, format!("at most {files}: {advice}"))
        }
        Some(files) => check(NAME, Verdict::Ok, format!("at most {files}")),
        None => check(NAME, Verdict::Ok, "no limit"),
    }
}

/// How many small durable writes the disk does: the bound of everything that is acknowledged one at a time.
fn sync_rate(dir: &Path) -> Check {
    const NAME: &str = "disk sync";
    let path = dir.join(format!(".windlass-doctor-{}", std::process::id()));
    let measured = measure_syncs(&path);
    // Where it could not be made there is nothing to remove.
    let _ = fs::remove_file(&path);
    match measured {
        Ok(rate) if rate < SLOW_SYNCS_PER_S => check(NAME, Verdict::Warn, format!("only {rate} fdatasync per second")),
        Ok(rate) => check(NAME, Verdict::Ok, format!("{rate} fdatasync per second")),
        Err(error) => check(NAME, Verdict::Fail, format!("{}: {error}", dir.display())),
    }
}

fn measure_syncs(path: &Path) -> io::Result<u64> {
    let mut file = File::create_new(path)?;
    let block = [0_u8; 4_096];
    let started = Instant::now();
    let mut syncs = 0_u64;
    while started.elapsed() < SYNC_TIME {
        file.write_all(&block)?;
        file.sync_data()?;
        syncs += 1;
    }
    let elapsed_ms = started.elapsed().as_millis().max(1);
    Ok(syncs * 1_000 / u64::try_from(elapsed_ms).unwrap_or(u64::MAX))
}

async fn supervisor() -> Check {
    const NAME: &str = "supervisor";
    let dir = std::env::temp_dir().join(format!("windlass-doctor-{}", std::process::id()));
    let started = Instant::now();
    let outcome = match fs::create_dir(&dir) {
        Ok(()) => tokio::time::timeout(SUPERVISOR_TIME, run_true(&dir)).await,
        Err(error) => Ok(Err(format!("{}: {error}", dir.display()))),
    };
    // A temporary directory that stays behind harms nobody.
    let _ = fs::remove_dir_all(&dir);
    match outcome {
        Ok(Ok(())) => {
            let ms = started.elapsed().as_millis();
            check(NAME, Verdict::Ok, format!("ran `true` in {ms} ms"))
        }
        Ok(Err(problem)) => check(NAME, Verdict::Fail, problem),
        Err(_) => check(NAME, Verdict::Fail, "did not run `true` in 10 s"),
    }
}

async fn run_true(dir: &Path) -> Result<(), String> {
    let order = LaunchOrder {
        run_dir: dir.join("run"),
        work_dir: dir.to_owned(),
        log_dir: dir.join("log"),
        program: "true".to_owned(),
        args: Vec::new(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        secrets: Vec::new(),
        log_limits: LogLimits { head_bytes: 4_096, tail_bytes: 4_096 },
        limits: ProcessLimits::default(),
    };
    let launched = Supervisor::current_exe().launch(&order).await;
    let process = launched.map_err(|error| error.to_string())?;
    let record = process.wait().await.map_err(|error| error.to_string())?;
    match record.outcome {
        ExitOutcome::Exited { code: 0 } => Ok(()),
        outcome => Err(format!("`true` ended otherwise: {outcome:?}")),
    }
}
