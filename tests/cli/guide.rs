//! The guide for authors of plugins, `plugins/README.md`, followed to the letter.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::file_server::FileServer;
use crate::windlass::Place;

/// The blocks of the guide that begin with exactly this fence, in their order.
fn blocks(fence: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(checkout().join("plugins/README.md")).unwrap();
    let mut blocks = Vec::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{fence}") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        } else if line.starts_with("```") {
            lines.by_ref().take_while(|line| *line != "```").for_each(drop);
        }
    }
    blocks
}

fn checkout() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs every block as its reader would; what they printed.
fn follow(place: &Place, blocks: &[String]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    // What the plugins are made of is built once for all runs of this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide");
    let files = FileServer::new();
    std::fs::create_dir_all(place.store()).unwrap();
    let mut all = String::new();
    for block in blocks {
        let mut shell = Command::new("sh");
        shell.args(["-euc", block]).current_dir(place.path("")).env("PATH", &path);
        shell.env("WINDLASS", checkout()).env("WINDLASS_STORE", place.store()).env("CARGO_TARGET_DIR", &target);
        shell.env("FILES", files.address());
        // What is meant for the program under test is not meant for plugins.
        for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
            shell.env_remove(variable);
        }
        let done = shell.output().unwrap();
        let (printed, said) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{block}\n{printed}\n{said}");
        all.push_str(&printed);
    }
    all
}

#[test]
fn the_way_to_a_tested_executor_and_a_job_of_it() {
    let place = Place::new();
    let blocks = blocks("sh");
    assert!(blocks.len() > 5, "{blocks:?}");
    let printed = follow(&place, &blocks);
    for says in
        ["test result: ok", "all of them served", "0 failed", "three | step 3", "succeeded", "fetch-cut", "commit-cut"]
    {
        assert!(printed.contains(says), "{says} in {printed}");
    }
}

#[test]
fn the_same_in_python() {
    let place = Place::new();
    let printed = follow(&place, &blocks("sh python"));
    for says in ["imports sockets", "24 passed, 0 failed", "15 passed, 0 failed", "21 passed, 0 failed"] {
        assert!(printed.contains(says), "{says} in {printed}");
    }
}

#[cfg(feature = "native")]
#[test]
fn the_same_in_c() {
    let place = Place::new();
    let printed = follow(&place, &blocks("sh native"));
    assert!(printed.contains("18 passed, 0 failed"), "{printed}");
}
