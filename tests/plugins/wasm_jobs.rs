//! Jobs that are WebAssembly programs: what they see, what they leave, how they end.

use std::os::unix::fs::PermissionsExt;

use windlass::files::LogStream;
use windlass::job::{OnCrash, Reason};
use windlass::plugin::wasm::WasmTask;
use windlass::{EngineConfig, Error, JobSpec, KeepWork, State, WasmConfig};

use crate::programs::{TOOL, module};
use crate::stage::{Stage, tool};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_arguments_an_environment_and_two_streams() {
    let stage = Stage::new().await;
    assert_eq!(stage.prints(tool(&["say", "a", "b  c", "ü"])).await, "a b  c ü\n");
    let names = ["env", "GREETING", "HOME", "TMPDIR", "WINDLASS_WORK", "WINDLASS_ATTEMPT", "PATH", "jobId"];
    let spec = JobSpec::from(tool(&names)).option("GREETING", "hello = you");
    let job = stage.run(spec).await;
    let expected = format!(
        "GREETING=hello = you\nHOME=/work\nTMPDIR=/work/tmp\nWINDLASS_WORK=/work\nWINDLASS_ATTEMPT=1\nPATH=\njobId={}\n",
        job.job.id
    );
    assert_eq!(stage.log(job.job.id), expected);

    let job = stage.run(tool(&["both"])).await;
    let page = stage.engine.logs(job.job.id, None, 0, 1 << 20).unwrap();
    let chunks: Vec<_> = page.chunks.iter().map(|chunk| (chunk.stream, &*chunk.bytes)).collect();
    assert_eq!(chunks, [(LogStream::Stdout, &b"to out\n"[..]), (LogStream::Stderr, &b"to err\n"[..])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_program_and_not_its_log() {
    let stage = Stage::new().await;
    let mut spec = JobSpec::from(tool(&["env", "TOKEN", "GREETING"])).option("GREETING", "plain");
    spec.options.set_secret("TOKEN", "s3cr3t-canary");
    let log = stage.prints(spec).await;
    assert!(log.contains("GREETING=plain") && log.contains("TOKEN=") && !log.contains("canary"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_works_in_its_tree_and_the_tree_of_its_chain() {
    let config = EngineConfig { keep_work: KeepWork::All, ..EngineConfig::default() };
    let stage = Stage::with(config).await;
    assert_eq!(stage.prints(tool(&["list", "/work"])).await, "[\"input\", \"output\", \"tmp\"]\n");
    assert_eq!(stage.prints(tool(&["list", "."])).await, "[\"input\", \"output\", \"tmp\"]\n");
    let specs = vec![
        JobSpec::from(tool(&["append", "/chain/note", "one,"])).named("a"),
        JobSpec::from(tool(&["append", "/chain/note", "two"])).named("b").after("a"),
        JobSpec::from(tool(&["copy", "/chain/note", "output/note"])).named("c").after("b"),
        JobSpec::from(tool(&["show", "/chain/note"])).named("d").after("c"),
    ];
    let ids = stage.engine.submit_many(specs).await.unwrap();
    assert_eq!(stage.engine.wait(ids[3]).await.unwrap().state(), State::Succeeded);
    assert_eq!(stage.log(ids[3]), "one,two");
    let layout = windlass::files::Layout::new(stage.dir.path());
    let copied = layout.work(ids[2], 1).join("output/note");
    assert_eq!(std::fs::read_to_string(copied).unwrap(), "one,two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_and_writes_the_files_of_its_project() {
    let stage = Stage::new().await;
    stage.engine.put_file("default", "raw/note", "a note".as_bytes()).await.unwrap();
    let copy = JobSpec::from(tool(&["copy", "input/raw/note", "output/note"]));
    let missing = stage.run(copy.clone().reads("raw").writes("other")).await;
    assert!(
        matches!(&missing.job.status.reason, Some(Reason::Error(told)) if told.contains(r#""other" is to be written"#))
    );
    let to_value = JobSpec::from(tool(&["copy", "input/raw/note", "output/value"])).reads("raw/note").writes("value");
    let job = stage.run(to_value).await;
    assert_eq!(stage.engine.output(job.job.id).unwrap().as_deref(), Some(br#""a note""#.as_slice()));
    assert_eq!(stage.engine.read_file("default", "value", 0, 100).await.unwrap(), b"a note");
    let env = JobSpec::from(tool(&["env", "WINDLASS_INPUTS"])).reads("raw/note").reads("value");
    assert_eq!(stage.prints(env).await, "WINDLASS_INPUTS=input/raw/note\ninput/value\n");
    // The next program in the same directory finds nothing of it.
    assert_eq!(stage.prints(tool(&["list", "/work/input"])).await, "[]\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_trees_of_successes_go() {
    let stage = Stage::new().await;
    let (good, bad) = (stage.run(tool(&["say"])).await, stage.run(tool(&["exit", "1"])).await);
    stage.engine.shutdown().await;
    let layout = windlass::files::Layout::new(stage.dir.path());
    assert!(!layout.of_attempt(good.job.id, 1).exists());
    assert!(layout.work(bad.job.id, 1).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_tell_how_it_ended() {
    let stage = Stage::new().await;
    // The standard library of WASI 0.2 knows success and failure only.
    assert_eq!(stage.fails(tool(&["exit", "3"])).await, Reason::ExitCode(1));
    assert_eq!(stage.run(tool(&["exit", "0"])).await.state(), State::Succeeded);
    let seven = stage.file("seven.wasm", &module("from a module\n", 7));
    let job = stage.run(WasmTask::new(&seven)).await;
    assert_eq!(job.job.status.reason, Some(Reason::ExitCode(7)));
    assert_eq!(stage.log(job.job.id), "from a module\n");
    let zero = stage.file("zero.wasm", &module("fine\n", 0));
    assert_eq!(stage.prints(WasmTask::new(&zero)).await, "fine\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_program_says_so() {
    let stage = Stage::new().await;
    let refused = |reason| match reason {
        Reason::NotStarted(message) => message,
        other => panic!("{other:?}"),
    };
    let text = stage.file("text.wasm", b"(module)");
    let told = refused(stage.fails(WasmTask::new(&text)).await);
    assert!(told.contains("text.wasm is no WebAssembly program"), "{told}");
    let library = stage.file("library.wasm", &wat::parse_str("(module)").unwrap());
    let told = refused(stage.fails(WasmTask::new(&library)).await);
    assert!(told.contains("_start"), "{told}");
    let component = stage.file("component.wasm", &wat::parse_str("(component)").unwrap());
    let told = refused(stage.fails(WasmTask::new(&component)).await);
    assert!(told.contains("wasi:cli/run"), "{told}");
    let import = wat::parse_str(r#"(module (import "env" "spawn" (func)) (func (export "_start")))"#).unwrap();
    let told = refused(stage.fails(WasmTask::new(stage.file("import.wasm", &import))).await);
    assert!(told.contains("env::spawn"), "{told}");
    let told = refused(stage.fails(WasmTask::new("/nowhere/x.wasm")).await);
    assert!(told.contains("/nowhere/x.wasm"), "{told}");
    let told = refused(stage.fails(WasmTask::new(stage.dir.path())).await);
    assert!(told.contains("not a file"), "{told}");
    let cut = std::fs::read(&*TOOL).unwrap();
    let cut = stage.file("cut.wasm", &cut[..cut.len() / 2]);
    let told = refused(stage.fails(WasmTask::new(&cut)).await);
    assert!(told.contains("cut.wasm is no WebAssembly program"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_may_be_held_to_its_content() {
    let stage = Stage::new().await;
    let path = stage.file("x.wasm", &module("one\n", 0));
    let wrong = WasmTask { sha256: Some("0".repeat(64)), ..WasmTask::new(&path) };
    let Reason::NotStarted(told) = stage.fails(wrong).await else { panic!() };
    let digest = told.split_whitespace().find(|word| word.trim_end_matches(',').len() == 64).unwrap();
    let right = WasmTask { sha256: Some(digest.trim_end_matches(',').to_uppercase()), ..WasmTask::new(&path) };
    assert_eq!(stage.prints(right.clone()).await, "one\n");
    stage.file("x.wasm", &module("two\n", 0));
    let Reason::NotStarted(told) = stage.fails(right).await else { panic!() };
    assert!(told.contains("SHA-256"), "{told}");
    assert_eq!(stage.prints(WasmTask::new(&path)).await, "two\n", "what is there now");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tasks_are_refused_before_they_are_stored() {
    let stage = Stage::new().await;
    let relative = stage.engine.submit(WasmTask::new("tool.wasm").into()).await;
    let Err(Error::Invalid(problems)) = relative else { panic!("{relative:?}") };
    assert!(problems[0].to_string().contains("absolute"), "{problems:?}");
    assert_eq!(stage.engine.stats().unwrap().finished, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_compiled_once_and_kept_beside_the_store() {
    let stage = Stage::new().await;
    assert_eq!(stage.prints(tool(&["say", "first"])).await, "first\n");
    let [kept] = stage.compiled().try_into().unwrap();
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let made = std::fs::metadata(&kept).unwrap().modified().unwrap();
    let stage = stage.reopened().await;
    assert_eq!(stage.prints(tool(&["say", "second"])).await, "second\n");
    assert_eq!(std::fs::metadata(&kept).unwrap().modified().unwrap(), made, "it was not compiled again");

    // One flipped bit anywhere, and it is made anew.
    for at in [3, 20, 50_000] {
        let mut bytes = std::fs::read(&kept).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&kept, &bytes).unwrap();
    }
    let stage = stage.reopened().await;
    assert_eq!(stage.prints(tool(&["say", "third"])).await, "third\n");
    let stage = stage.reopened().await;
    assert_eq!(stage.prints(tool(&["say", "fourth"])).await, "fourth\n");
    assert_eq!(stage.compiled(), [kept]);
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_programs_take_no_more_than_their_share() {
    let config = WasmConfig { cache_bytes: 60_000, programs: 2, ..WasmConfig::default() };
    let stage = Stage::with(EngineConfig { wasm: config, ..EngineConfig::default() }).await;
    for number in 0..12 {
        let path = stage.file(&format!("{number}.wasm"), &module(&format!("number {number}\n"), 0));
        assert_eq!(stage.prints(WasmTask::new(&path)).await, format!("number {number}\n"));
    }
    let bytes: u64 = stage.compiled().iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes <= 60_000 && !stage.compiled().is_empty(), "{bytes}");
    let path = stage.file("large.wasm", &vec![0; 1 << 20]);
    let config = WasmConfig { module_bytes: 1 << 10, ..WasmConfig::default() };
    let stage = Stage::with(EngineConfig { wasm: config, ..EngineConfig::default() }).await;
    let Reason::NotStarted(told) = stage.fails(WasmTask::new(&path)).await else { panic!() };
    assert!(told.contains("1048576 bytes") && told.contains("at most 1024"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_shutdown_or_a_crash_ends_begins_again() {
    let stage = Stage::new().await;
    let id = stage.submit(tool(&["say-and-sleep", "begun,", "300"])).await;
    while stage.log(id) != "begun," {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let stage = stage.reopened().await;
    while stage.engine.get(id).unwrap().job.status.attempt < 2 || stage.log(id) != "begun," {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let stage = stage.crashed().await;
    let job = stage.engine.wait(id).await.unwrap();
    assert_eq!((job.state(), job.job.status.attempt, job.job.status.interruptions), (State::Succeeded, 3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_may_run_only_once_does() {
    let stage = Stage::new().await;
    let spec = JobSpec { on_crash: OnCrash::Fail, ..tool(&["say-and-sleep", "once,", "10000"]).into() };
    let id = stage.submit(spec).await;
    while stage.log(id) != "once," {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let stage = stage.reopened().await;
    let job = stage.engine.wait(id).await.unwrap();
    assert_eq!((job.state(), job.job.status.attempt), (State::Failed, 1));
    assert_eq!(job.job.status.reason, Some(Reason::Interrupted));
    assert_eq!(stage.log(id), "once,");
}
