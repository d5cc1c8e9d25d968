//! The `windlass` command as its users meet it: real processes, real stores.
#![cfg(test)]

#[cfg(feature = "wasm")]
mod authors;
#[cfg(feature = "wasm")]
mod file_server;
mod files;
mod guide;
mod inputs;
mod items;
mod manage;
#[cfg(all(feature = "native", feature = "wasm"))]
mod native;
mod outputs;
mod pipelines;
mod plans;
#[cfg(feature = "wasm")]
mod plugins;
mod resume;
mod run;
mod runs;
mod store;
#[cfg(feature = "wasm")]
mod wasm;
mod windlass;

use std::path::Path;

use windlass::Place;

#[test]
fn the_quickstart_reports_on_this_repository() {
    let place = Place::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/jobs.yaml");
    let done = place.run(&["run", file.to_str().unwrap()]).expect(0);

    let summary = done.stdout.split("JOB ").nth(1).unwrap();
    for job in ["list", "lines", "longest", "words", "report"] {
        let row = summary.lines().find(|line| line.starts_with(job)).unwrap();
        assert!(row.contains("succeeded"), "{row}");
    }
    let told = done.stdout.lines().find_map(|line| line.split_once("This report is in "));
    let report = std::fs::read_to_string(told.unwrap().1).unwrap();
    for part in ["engine/job", "The longest files", "words most used"] {
        assert!(report.contains(part), "{report}");
    }
}

#[test]
fn help_tells_the_exit_codes() {
    let help = Place::new().run(&["--help"]).expect(0).stdout;
    assert!(help.contains("Exit codes:") && help.contains("130"), "{help}");
}
