//! What jobs say.

use std::fs;

use windlass::files::{LogLimits, LogStream, read_log};

use crate::rig::{Rig, exited, launch, run, wait};

#[tokio::test]
async fn the_streams_are_told_apart_and_in_order() {
    let rig = Rig::new();
    let record =
        run(&rig.sh("for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done; printf 'no newline'")).await;
    let lines = |word: &str| (1..10).map(|i| format!("{word} {i}\n")).collect::<String>();
    assert_eq!(rig.text(LogStream::Stdout), lines("out") + "no newline");
    assert_eq!(rig.text(LogStream::Stderr), lines("err"));
    let written: u64 = rig.log().iter().map(|chunk| 13 + chunk.bytes.len() as u64).sum();
    assert_eq!((record.log.written_bytes, record.log.dropped_bytes), (written, 0));
}

#[tokio::test]
async fn a_hundred_megabytes_leave_head_and_tail() {
    let rig = Rig::new();
    let mut order = rig.sh("echo first; yes 0123456789 | head -n 9500000; echo last");
    order.log_limits = LogLimits { head_bytes: 64 * 1024, tail_bytes: 256 * 1024 };
    let record = run(&order).await;
    assert_eq!(record.outcome, exited(0));
    assert!(record.log.written_bytes > 104_000_000 && record.log_lost_bytes == 0, "{record:?}");
    let page = read_log(&rig.path("log"), 0, usize::MAX).unwrap();
    assert_eq!((page.dropped_bytes, page.next_offset), (record.log.dropped_bytes, record.log.written_bytes));
    let kept = record.log.written_bytes - record.log.dropped_bytes;
    assert!((200 * 1024..=320 * 1024).contains(&kept), "kept {kept} bytes");
    let text: Vec<u8> = page.chunks.into_iter().flat_map(|chunk| chunk.bytes).collect();
    assert!(text.starts_with(b"first\n0123456789\n"));
    assert!(text.ends_with(b"0123456789\nlast\n"));
}

#[tokio::test]
async fn secrets_are_masked_across_writes() {
    let rig = Rig::new();
    let mut order = rig.sh("printf 'login: hun'; until [ -e go ]; do sleep 0.01; done; printf 'ter2hunter2 b64 '; \
        printf aHVudGVyMmh1bnRlcjI= >&2; echo done");
    order.secrets = vec!["hunter2hunter2".into()];
    let running = launch(&order).await;
    // What may be half a secret is not shown, the rest of the prompt is.
    rig.until_said("login: ");
    assert_eq!(rig.text(LogStream::Stdout), "login: ");
    fs::write(rig.path("work/go"), "").unwrap();
    wait(&running).await;
    assert_eq!(rig.text(LogStream::Stdout), "login: *** b64 done\n");
    assert_eq!(rig.text(LogStream::Stderr), "***");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_costs_the_log_alone() {
    let rig = Rig::new();
    fs::write(rig.path("log"), "in the way").unwrap();
    let record = run(&rig.sh("yes | head -c 500000; exit 6")).await;
    assert_eq!(record.outcome, exited(6));
    assert_eq!((record.log.written_bytes, record.log_lost_bytes), (0, 500_000));
}
