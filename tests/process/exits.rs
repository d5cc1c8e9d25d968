//! How jobs end, and what they start with.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use windlass::executors::process::{Attached, ExitOutcome, ProcessLimits, attach, remove};
use windlass::files::LogStream;

use crate::rig::{Rig, alive, exited, launch, run, wait};

#[tokio::test]
async fn exit_codes_are_told() {
    for code in [0, 1, 137, 255] {
        let rig = Rig::new();
        let record = run(&rig.sh(&format!("exit {code}"))).await;
        assert_eq!(record.outcome, exited(code));
        assert!(!record.stopped && !record.out_of_memory);
        assert!(record.started_ms > 1_600_000_000_000 && record.ended_ms >= record.started_ms);
        assert!(!rig.path("log").exists(), "a job without output has no log");
        assert!(matches!(attach(&rig.path("run")).unwrap(), Attached::Ended(found) if found == record));
    }
}

#[tokio::test]
async fn signals_are_not_exit_codes() {
    for (name, number) in [("KILL", 9), ("SEGV", 11)] {
        let rig = Rig::new();
        let record = run(&rig.sh(&format!("kill -{name} $$"))).await;
        let ExitOutcome::Signalled { signal, .. } = record.outcome else { panic!("{:?}", record.outcome) };
        assert_eq!(signal, number);
        assert!(!record.stopped && !record.out_of_memory);
    }
}

async fn why_not(rig: &Rig, program: &str, args: &[&str], limits: ProcessLimits) -> String {
    let mut order = rig.order(program, args);
    order.limits = limits;
    let record = run(&order).await;
    assert!(matches!(attach(&rig.path("run")).unwrap(), Attached::Ended(found) if found == record));
    let ExitOutcome::NotStarted { message } = record.outcome else { panic!("{:?}", record.outcome) };
    message
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let plain = Rig::new().dir.unwrap().keep().join("work/plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let plain_name = plain.to_str().unwrap();
    let long = "x".repeat(300_000);
    for limits in [ProcessLimits::default(), ProcessLimits { open_files: Some(100), ..ProcessLimits::default() }] {
        for (program, args, reason) in [
            ("/no/such/program", vec![], "No such file"),
            ("no-such-program-anywhere", vec![], "no such program in the PATH"),
            (plain_name, vec![], "Permission denied"),
            ("/bin/true", vec![long.as_str()], "Argument list too long"),
        ] {
            let message = why_not(&Rig::new(), program, &args, limits).await;
            assert!(message.contains(reason), "{message}");
        }
    }
    fs::remove_dir_all(plain.parent().unwrap().parent().unwrap()).unwrap();
    let rig = Rig::new();
    fs::remove_dir(rig.path("work")).unwrap();
    let message = why_not(&rig, "/bin/true", &[], ProcessLimits::default()).await;
    assert!(message.contains("no such working directory"), "{message}");
}

#[tokio::test]
async fn the_environment_is_what_was_given() {
    for open_files in [None, Some(100)] {
        let rig = Rig::new();
        let mut order = rig.order("env", &[]);
        order.limits.open_files = open_files;
        order.env = vec![("PATH".into(), "/usr/bin:/bin".into()), ("WORDS".into(), "two words = one".into())];
        assert_eq!(run(&order).await.outcome, exited(0));
        let text = rig.text(LogStream::Stdout);
        let lines: BTreeSet<&str> = text.lines().collect();
        assert_eq!(lines, BTreeSet::from(["PATH=/usr/bin:/bin", "WORDS=two words = one"]));
    }
}

#[tokio::test]
async fn the_job_has_its_directory_and_no_input() {
    let rig = Rig::new();
    let record = run(&rig.sh("pwd; cat; ls /proc/self/fd | wc -l")).await;
    assert_eq!(record.outcome, exited(0));
    let work = rig.path("work").canonicalize().unwrap();
    // Three streams and the directory that `ls` reads: nothing of the supervisor's own.
    let files = 4 + files_given_to_everybody();
    assert_eq!(rig.text(LogStream::Stdout), format!("{}\n{files}\n", work.display()));
}

/// How many files whoever started the tests left open for every process.
fn files_given_to_everybody() -> usize {
    const CLOSE_ON_EXEC: i32 = 0o2_000_000;
    let is_inherited = |entry: &fs::DirEntry| {
        let fd: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let info = fs::read_to_string(entry.path()).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.map_or(CLOSE_ON_EXEC, |flags| i32::from_str_radix(flags.trim(), 8).unwrap());
        fd > 2 && flags & CLOSE_ON_EXEC == 0
    };
    fs::read_dir("/proc/self/fdinfo").unwrap().map(Result::unwrap).filter(is_inherited).count()
}

#[tokio::test]
async fn what_a_job_leaves_running_is_killed() {
    let rig = Rig::new();
    let record = run(&rig.sh("sleep 1000 & echo $! > near; setsid sh -c 'echo $$ > far; exec sleep 1000' & \
        until [ -s far ]; do sleep 0.01; done; exit 5"))
    .await;
    assert_eq!(record.outcome, exited(5));
    let ran_ms = record.ended_ms - record.started_ms;
    assert!(ran_ms < 3000, "the end took {ran_ms} ms");
    assert!(!alive(rig.pid_from("near")) && !alive(rig.pid_from("far")));
}

#[tokio::test]
async fn neither_values_nor_secrets_are_on_disk_or_in_arguments() {
    let rig = Rig::new();
    let mut order = rig.sh("echo up; until [ -e go ]; do sleep 0.01; done");
    order.env.push(("TOKEN".into(), "value-of-the-token".into()));
    order.secrets = vec!["the-secret-itself".into()];
    let running = launch(&order).await;
    rig.until_said("up");
    let supervisor = rig.supervisor_pid();
    let mut seen = Vec::new();
    for file in ["cmdline", "environ"] {
        seen.extend(fs::read(format!("/proc/{supervisor}/{file}")).unwrap());
    }
    for entry in fs::read_dir(rig.path("run")).unwrap() {
        seen.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("--windlass-supervise") && seen.contains("start_ticks"), "{seen}");
    assert!(!seen.contains("value-of-the-token") && !seen.contains("the-secret-itself"), "{seen}");
    fs::write(rig.path("work/go"), "").unwrap();
    assert_eq!(wait(&running).await.outcome, exited(0));
}

#[tokio::test]
async fn a_run_is_removed_after_its_end_only() {
    let rig = Rig::new();
    let running = launch(&rig.sh("until [ -e go ]; do sleep 0.01; done")).await;
    assert!(remove(&rig.path("run")).is_err());
    fs::write(rig.path("work/go"), "").unwrap();
    wait(&running).await;
    remove(&rig.path("run")).unwrap();
    assert!(!rig.path("run").exists());
    remove(&rig.path("run")).unwrap();
    assert!(matches!(attach(&rig.path("run")).unwrap(), Attached::NeverStarted));
}

#[tokio::test]
async fn cpu_time_is_measured() {
    let rig = Rig::new();
    let record = run(&rig.sh("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")).await;
    let ran_ms = record.ended_ms - record.started_ms;
    assert!(record.user_cpu_ms >= 20 && record.user_cpu_ms <= ran_ms + 20, "{record:?}");
}
