//! A long log and a large file.

use std::io::Read;
use std::time::Duration;

use serde_json::json;
use windlass::files::{Layout, LogLimits, LogStream};
use windlass::{EngineConfig, KeepWork, State};
use windlass_backends::Docker;

use super::stage::{Stage, at_socket, script};

/// Lines of a hundred bytes.
const LINES: usize = 1_000_000;
const LINE: usize = 100;
const GIB: u64 = 1 << 30;

/// Every byte of it, in its order and once, while a few lines of the other stream are in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_of_log_are_whole() {
    let Some(docker) = Docker::shared() else { return };
    let log_limits = LogLimits { head_bytes: 4 << 10, tail_bytes: 256 << 20 };
    let mut config = EngineConfig { log_limits, ..EngineConfig::default() };
    // Far less than what is left to read when the container ends takes: what comes is waited for.
    config.platforms.last_lines_ms = 10_000;
    let stage = Stage::with(&at_socket(docker), config).await;
    let print = format!(
        "awk 'BEGIN {{ for (i = 0; i < {LINES}; i++) {{ printf \"%010d %088d\\n\", i, 0; \
         if (i % 100000 == 0) print \"at\", i > \"/dev/stderr\" }} }}'"
    );
    let id = stage.submit(script(&print, &json!({}))).await;
    let job = stage.over(id).await;
    assert_eq!((job.state(), &job.job.status.reason), (State::Succeeded, &None), "{}", stage.text(id));
    let printed = stage.log(id, Some(LogStream::Stdout));
    assert_eq!(printed.len(), LINES * LINE);
    let wrong = printed
        .chunks(LINE)
        .enumerate()
        .find(|(number, line)| **line != *format!("{number:010} {:088}\n", 0).as_bytes());
    assert!(wrong.is_none(), "{:?}", wrong.map(|(number, line)| (number, String::from_utf8_lossy(line).into_owned())));
    let said = String::from_utf8(stage.log(id, Some(LogStream::Stderr))).unwrap();
    let expected: String = (0..LINES).step_by(100_000).map(|number| format!("at {number}\n")).collect();
    assert_eq!(said, expected);
    stage.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_comes_home() {
    let Some(docker) = Docker::shared() else { return };
    let stage =
        Stage::with(&at_socket(docker), EngineConfig { keep_work: KeepWork::All, ..EngineConfig::default() }).await;
    let word = "windlass windlass windlass 0123\n";
    let make = format!("mkdir -p /work/output/a; yes '{}' | head -c {GIB} > /work/output/a/big", word.trim_end());
    let id = stage.submit(script(&make, &json!({}))).await;
    let job = stage.over(id).await;
    assert_eq!((job.state(), &job.job.status.reason), (State::Succeeded, &None), "{}", stage.text(id));
    let path = Layout::new(stage.dir.path()).work(id, 1).join("output/a/big");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), GIB);
    let expected = word.repeat((1 << 20) / word.len());
    let (mut file, mut piece) = (std::fs::File::open(&path).unwrap(), vec![0; 1 << 20]);
    for number in 0..GIB >> 20 {
        file.read_exact(&mut piece).unwrap();
        assert!(piece == expected.as_bytes(), "the {number}th MiB is another one");
    }
    tokio::time::timeout(Duration::from_secs(30), stage.engine.shutdown()).await.unwrap();
}
