//! `windlass cancel`, `retry`, `release` and `give-up`.

use serde::Serialize;

use super::failure::{FAILED, Failure};
use super::jobs::{attempts, why};
use super::output::{note, print, print_json};
use super::run;
use super::store_dir::{Place, open_to_manage, open_to_run};
use super::table::table;
use super::target::Target;
use super::wire::JobWire;

/// The jobs that are meant.
#[derive(clap::Args)]
pub(super) struct Ids {
    /// The jobs
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

#[derive(Serialize)]
struct JobsWire {
    jobs: Vec<JobWire>,
}

#[derive(Serialize)]
struct RetriesWire {
    retries: Vec<RetryWire>,
}

#[derive(Serialize)]
struct RetryWire {
    id: String,
    new_id: String,
}

/// Cancels jobs. Where this process holds the store it also waits until what ran is over.
pub(super) async fn cancel(place: &Place, ids: Ids, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let who = who("windlass cancel");
    let mut trouble = Trouble::default();
    let mut jobs = Vec::new();
    for id in &ids.ids {
        match target.cancel(id, &who).await {
            Ok(job) => jobs.push(job),
            Err(failure) => trouble.add(failure),
        }
    }
    if let Target::Own(engine) = &target {
        for job in &mut jobs {
            let id = super::request::job_id(&job.id)?;
            *job = JobWire::from(&engine.wait(id).await?);
        }
    }
    target.close().await;
    show(jobs, json)?;
    Ok(trouble.code)
}

/// Who asks: the user, else the command.
pub(super) fn who(command: &str) -> String {
    std::env::var("USER").unwrap_or_else(|_| command.to_owned())
}

/// Gives up attempts that are out of contact.
pub(super) async fn give_up(place: &Place, ids: Ids, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let who = who("windlass give-up");
    let mut trouble = Trouble::default();
    let mut jobs = Vec::new();
    for id in &ids.ids {
        match target.give_up(id, &who).await {
            Ok(job) => jobs.push(job),
            Err(failure) => trouble.add(failure),
        }
    }
    target.close().await;
    show(jobs, json)?;
    Ok(trouble.code)
}

/// Submits jobs again. Where no process runs the jobs of the store this one runs the new ones to their end.
pub(super) async fn retry(place: &Place, ids: Ids, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let mut trouble = Trouble::default();
    let mut retries = Vec::new();
    for id in ids.ids {
        match target.retry(&id).await {
            Ok(new_id) => retries.push(RetryWire { id, new_id }),
            Err(failure) => trouble.add(failure),
        }
    }
    let own = matches!(target, Target::Own(_));
    target.close().await;
    let new_ids: Vec<String> = retries.iter().map(|retry| retry.new_id.clone()).collect();
    if !own || new_ids.is_empty() {
        if json {
            print_json(&RetriesWire { retries })?;
        } else {
            for RetryWire { id, new_id } in &retries {
                print(&format!("{id} is retried as {new_id}\n"))?;
            }
        }
        return Ok(trouble.code);
    }
    let code = run_on(place, &new_ids, json).await?;
    Ok(if trouble.code == 0 { code } else { trouble.code })
}

/// Releases held jobs. Where no process runs the jobs of the store this one runs them to their end.
pub(super) async fn release(place: &Place, ids: Ids, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let mut trouble = Trouble::default();
    let mut jobs = Vec::new();
    for id in &ids.ids {
        match target.release(id).await {
            Ok(job) => jobs.push(job),
            Err(failure) => trouble.add(failure),
        }
    }
    let own = matches!(target, Target::Own(_));
    target.close().await;
    if !own || jobs.is_empty() {
        show(jobs, json)?;
        return Ok(trouble.code);
    }
    let ids: Vec<String> = jobs.into_iter().map(|job| job.id).collect();
    let code = run_on(place, &ids, json).await?;
    Ok(if trouble.code == 0 { code } else { trouble.code })
}

/// Opens the store again, this time to run jobs, and stays until these are over.
pub(super) async fn run_on(place: &Place, ids: &[String], json: bool) -> Result<u8, Failure> {
    let engine = open_to_run(place).await?;
    let ids = ids.iter().map(|id| super::request::job_id(id)).collect::<Result<Vec<_>, _>>()?;
    run::run_to_end(place, engine, ids, json).await
}

fn show(jobs: Vec<JobWire>, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&JobsWire { jobs });
    }
    if jobs.is_empty() {
        return Ok(());
    }
    let row = |job: &JobWire| {
        vec![job.id.clone(), job.name.clone().unwrap_or_default(), job.condition(), attempts(job), why(job)]
    };
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    print(&table(&["id", "name", "state", "attempts", "reason"], &rows))
}

/// Failures of single jobs: told at once, and remembered as the exit code.
#[derive(Default)]
struct Trouble {
    code: u8,
}

impl Trouble {
    fn add(&mut self, failure: Failure) {
        note(&format!("windlass: {}", failure.message));
        let code = if failure.code == 0 { FAILED } else { failure.code };
        if self.code == 0 {
            self.code = code;
        }
    }
}
