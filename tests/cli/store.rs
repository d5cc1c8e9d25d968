//! The store itself: its key, its health, its socket.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::windlass::{Place, wait_for, wait_for_file};

#[test]
fn sealed_options_outlive_a_rotation_of_the_key() {
    let place = Place::new();
    place.file(
        "jobs.yaml",
        "{name: held, hold: true, shell: 'echo $PLAIN; echo $TOKEN', options: {PLAIN: shown, TOKEN: {secret: hush-hush}}}",
    );
    let run = place.start(&["run", "jobs.yaml"]);
    let job = place.job_in_state("held", "waiting");
    run.signal("TERM");
    run.end().expect(130);
    let before = std::fs::read_to_string(place.store().join("key")).unwrap();
    let rotation = place.json(&["key", "rotate"]);
    assert!(rotation["resealed"].as_u64().unwrap() >= 1, "{rotation}");
    assert_ne!(std::fs::read_to_string(place.store().join("key")).unwrap(), before);
    assert_eq!(place.json(&["jobs"])["jobs"][0]["id"], job["id"]);
    let done = place.run(&["release", job["id"].as_str().unwrap()]).expect(0);
    assert!(done.stdout.contains("held | shown\n"), "{done:#?}");
    assert!(done.stdout.contains("held | ***\n"), "{done:#?}");
}

#[test]
fn the_doctor_finds_a_fit_store_and_an_unfit_one() {
    let place = Place::new();
    let fresh = place.json(&["doctor"]);
    assert_eq!(fresh["ok"], true, "{fresh}");
    place.file("jobs.yaml", "shell: exit 0");
    place.run(&["run", "jobs.yaml"]).expect(0);
    let fit = place.json(&["doctor"]);
    let names: Vec<&str> =
        fit["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    let expected =
        ["store directory", "key", "store", "orphaned files", "free space", "open files", "disk sync", "supervisor"];
    assert_eq!((names.as_slice(), &fit["ok"]), (expected.as_slice(), &true.into()), "{fit}");

    let key = place.store().join("key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let done = place.run(&["doctor"]).expect(1);
    assert!(done.stdout.lines().any(|line| line.starts_with("fail") && line.contains("key")), "{done:#?}");
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    std::fs::create_dir_all(place.store().join("work/0/77/1")).unwrap();
    let done = place.run(&["doctor"]).expect(0);
    assert!(done.stdout.lines().any(|line| line.starts_with("warn") && line.contains("orphaned")), "{done:#?}");
}

#[test]
fn the_socket_is_for_its_owner_and_a_stale_one_is_replaced() {
    let place = Place::new();
    place.file("jobs.yaml", "{name: wait, shell: 'while [ ! -e \"$JOB_FILE_DIR/go\" ]; do sleep 0.05; done'}");
    let socket = place.store().join("control.sock");
    let run = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&socket);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    place.job_in_state("wait", "running");
    run.signal("KILL");
    run.end();
    assert!(socket.exists());
    // Nobody answers there now, so the store is opened.
    assert_eq!(place.json(&["jobs"])["jobs"][0]["name"], "wait");
    let again = place.start(&["run", "jobs.yaml"]);
    place.job_in_state("wait", "running");
    place.file("go", "");
    again.end().expect(0);
    assert!(!socket.exists());
}

#[test]
fn a_wrong_key_is_refused() {
    let place = Place::new();
    place.file("jobs.yaml", "{hold: true, shell: exit 0, options: {A: {secret: b}}}");
    let run = place.start(&["run", "jobs.yaml"]);
    wait_for_file(&place.store().join("control.sock"));
    run.signal("TERM");
    run.end();
    std::fs::remove_file(place.store().join("key")).unwrap();
    let done = place.run(&["jobs"]).expect(3);
    assert!(done.stderr.contains("key"), "{done:#?}");
}

#[test]
fn nonsense_on_the_socket_harms_nobody_and_its_path_may_be_long() {
    let place = Place::new();
    let deep = place.path(&"d".repeat(120));
    let jobs = "{name: wait, shell: 'while [ ! -e \"$JOB_FILE_DIR/go\" ]; do sleep 0.05; done'}";
    place.file("jobs.yaml", jobs);
    let store = deep.to_str().unwrap();
    let run = place.start(&["run", "--store", store, "jobs.yaml"]);
    wait_for_file(&deep.join("control.sock"));

    let connect = || {
        let dir = std::fs::File::open(&deep).unwrap();
        UnixStream::connect(format!("/proc/self/fd/{}/control.sock", dir.as_raw_fd())).unwrap()
    };
    let mut nonsense = connect();
    nonsense.write_all(b"{\"ask\": \"nothing\"}\n\xff\xfe\n").unwrap();
    let mut replies = BufReader::new(nonsense).lines();
    for _ in 0..2 {
        let reply: Value = serde_json::from_str(&replies.next().unwrap().unwrap()).unwrap();
        assert_eq!(reply["answer"], "failed", "{reply}");
    }
    let mut endless = connect();
    // It may be cut off before all is written.
    let _ = endless.write_all(&vec![b'x'; 33 << 20]);
    let mut rest = Vec::new();
    let _ = endless.read_to_end(&mut rest);
    assert!(rest.is_empty(), "a line without end is not answered");
    // Connections that say nothing leave room for others.
    let _silent: Vec<UnixStream> = (0..10).map(|_| connect()).collect();

    wait_for("the job in the list", || {
        let list = place.json(&["jobs", "--store", store]);
        (list["jobs"][0]["name"] == "wait").then_some(())
    });
    place.file("go", "");
    run.end().expect(0);
}
