//! Files of projects from the command line, beside a process that holds the store and without one.

use std::io::Write as _;
use std::process::Stdio;

use crate::windlass::{Place, Running, wait_for};

/// More than one piece in either direction, and no end of one.
fn large() -> Vec<u8> {
    (0..3_000_001_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn serve(place: &Place) -> Running {
    let server = place.start(&["serve"]);
    let socket = place.store().join("control.sock");
    wait_for("the socket", || socket.exists().then_some(()));
    server
}

/// What is true of files wherever the store is held.
fn files_are_put_got_listed_and_deleted(place: &Place) {
    std::fs::write(place.path("large"), large()).unwrap();
    let put = place.json(&["files", "put", "data/large.bin", "large"]);
    assert_eq!((&put["path"], &put["bytes"]), (&"data/large.bin".into(), &3_000_001.into()));
    place.file("here", "old and longer than what comes");
    let got = place.run(&["files", "get", "data/large.bin", "here"]).expect(0);
    assert_eq!(got.stdout, "data/large.bin (3000001 bytes)\n");
    assert!(std::fs::read(place.path("here")).unwrap() == large());
    place.file("small", "in another project\n");
    place.run(&["files", "put", "data/small", "small", "--project", "lab"]).expect(0);
    let shown = place.run(&["files", "--project", "lab", "get", "data/small", "-"]).expect(0);
    assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), ("in another project\n", ""));

    for name in ["a", "b", "c"] {
        place.run(&["files", "put", &format!("list/{name}"), "small"]).expect(0);
    }
    let page = place.json(&["files", "list", "list/", "--limit", "2"]);
    assert_eq!((&page["files"][1]["path"], &page["next"]), (&"list/b".into(), &"list/b".into()));
    let rest = place.json(&["files", "list", "list/", "--after", "list/b"]);
    let entry = &rest["files"][0];
    assert_eq!((&entry["path"], &entry["bytes"], &entry["is_folder"]), (&"list/c".into(), &19.into(), &false.into()));
    assert_eq!((rest["files"].as_array().unwrap().len(), &rest["next"]), (1, &serde_json::Value::Null));
    let listed = place.run(&["files", "list"]).expect(0).stdout;
    assert!(listed.contains("data/large.bin") && !listed.contains("data/small"), "{listed}");

    assert_eq!(place.run(&["files", "delete", "list"]).expect(0).stdout, "list is deleted\n");
    let gone = place.run(&["files", "get", "list/a", "here"]).expect(4);
    assert!(gone.stderr.contains("there is no file \"list/a\""), "{gone:?}");
    assert!(std::fs::read(place.path("here")).unwrap() == large(), "what was there stays");
    let folder = place.run(&["files", "put", "data", "small"]).expect(2);
    assert!(folder.stderr.contains("\"data\" is a folder"), "{folder:?}");
    let path = place.run(&["files", "put", "../x", "large"]).expect(2);
    assert!(path.stderr.contains("\"../x\" is no path of a file"), "{path:?}");
    let nowhere = place.run(&["files", "get", "data/large.bin", "."]).expect(2);
    assert!(nowhere.stderr.contains("is a directory"), "{nowhere:?}");
    let left: Vec<_> = std::fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[test]
fn files_of_a_store_that_nobody_holds() {
    files_are_put_got_listed_and_deleted(&Place::new());
}

#[test]
fn files_of_a_store_that_another_process_holds() {
    let place = Place::new();
    let server = serve(&place);
    files_are_put_got_listed_and_deleted(&place);
    server.signal("TERM");
    server.end();
    assert!(place.run(&["files", "list"]).expect(0).stdout.contains("data/large.bin"));
}

#[test]
fn what_breaks_off_on_its_way_leaves_nothing() {
    let place = Place::new();
    let server = serve(&place);
    place.file("old", "old");
    place.run(&["files", "put", "x", "old"]).expect(0);
    let mut command = place.command(["files", "put", "x", "-"]);
    let mut put = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    put.stdin.as_mut().unwrap().write_all(&large()).unwrap();
    let staging = place.store().join("files/.staging");
    let staged = || std::fs::read_dir(&staging).map_or(0, Iterator::count);
    wait_for("the file to be on its way", || (staged() > 0).then_some(()));
    put.kill().unwrap();
    put.wait().unwrap();
    wait_for("it to be given up", || (staged() == 0).then_some(()));
    assert_eq!(place.run(&["files", "get", "x", "-"]).expect(0).stdout, "old");

    let mut command = place.command(["files", "put", "x", "-"]);
    let mut put = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    put.stdin.take().unwrap().write_all(b"from a pipe").unwrap();
    assert!(put.wait().unwrap().success());
    assert_eq!(place.run(&["files", "get", "x", "-"]).expect(0).stdout, "from a pipe");
    drop(server);
}

#[test]
fn a_job_file_says_what_jobs_read_and_write() {
    let place = Place::new();
    place.file("names.txt", "Grace\nAda\n");
    place.run(&["files", "put", "raw/names.txt", "names.txt"]).expect(0);
    let text = r#"
jobs:
  sort:
    shell: sort "$WINDLASS_INPUTS" > "$WINDLASS_OUTPUTS"
    reads: raw/names.txt
    writes: clean/sorted.txt
  count:
    shell: wc -l < input/clean/sorted.txt > output/value
    reads: [clean/sorted.txt]
    after: sort
"#;
    place.file("jobs.yaml", text);
    place.run(&["run", "jobs.yaml"]).expect(0);
    assert_eq!(place.run(&["files", "get", "clean/sorted.txt", "-"]).expect(0).stdout, "Ada\nGrace\n");
    place.file("jobs.yaml", "{name: late, shell: 'true', writes: missing}");
    let failed = place.run(&["run", "jobs.yaml"]).expect(1);
    let told = format!("{}{}", failed.stdout, failed.stderr);
    assert!(told.contains("\"missing\" is to be written, and is not in the output of the job"), "{told}");
}
