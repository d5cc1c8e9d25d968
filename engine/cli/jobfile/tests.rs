//! Good files, bad files with the messages they get, and the bounds.

use proptest::prelude::*;

use super::*;
use crate::job::{After, Delivery, On, OnCrash, OptionValue, OutcomeKind, RetryOn, Task};

fn env(name: &str) -> Option<String> {
    match name {
        "HOME" => Some("/home/me".into()),
        "KEY" => Some("hush".into()),
        _ => None,
    }
}

fn good(text: &str) -> JobFile {
    match parse_job_file(text.as_bytes(), "f.yaml", &env) {
        Ok(file) => file,
        Err(mistakes) => panic!("{}", lines(&mistakes)),
    }
}

fn lines(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn bad(text: impl AsRef<[u8]>) -> String {
    match parse_job_file(text.as_ref(), "f.yaml", &env) {
        Ok(file) => panic!("no mistake was found: {file:?}"),
        Err(mistakes) => lines(&mistakes),
    }
}

fn command(spec: &JobSpec) -> Vec<&str> {
    let Task::Process(task) = &spec.task else {
        panic!("not a process");
    };
    let program = std::iter::once(&task.program);
    program.chain(&task.args).map(String::as_str).collect()
}

fn option<'s>(spec: &'s JobSpec, name: &str) -> Option<&'s str> {
    let value: Option<&OptionValue> = spec.options.get(name);
    value.map(|value| value.value.as_str())
}

const EVERYTHING: &str = r#"
name: nightly-report
defaults:
  priority: 50
  queue: slow
  retry: 2
  deadlines: {total: 1d}
  options: {SHARED: all, A: default}
jobs:
  - name: count
    command: [wc, -l, "a file"]
    options: {A: own, N: 3, V: 1.10, Y: yes, TOKEN: {secret: "s3cret"}, H: {env: HOME}, K: {secret_env: KEY}}
    timeout: 90s
    limits: {memory: 512MiB, cpu_time: 60s, open_files: 256, file_size: 1GiB}
  - name: report
    shell: |
      echo one
      echo two
    after: count
    priority: 255
    project: other
    config: nightly
    retry:
      max_attempts: 3
      max_interruptions: 1
      backoff: {initial: 500ms, factor: 1.5, max: 1m, jitter: 0}
      on: [exit, timed_out, {exit_codes: [75, 3]}]
    deadlines: {queue: 10m, attempt: 1h}
    on_crash: fail
    stop_grace: 0s
    hold: true
    start_at: 2026-11-21T10:00:00Z
    idempotency_key: k1
  - function: thumbnail
    input: {sizes: [64, 0x80, 1.50], ok: true, none: ~, text: "5"}
    after: [count, {job: report, on: always}]
    start_at: in 5m
"#;

#[test]
fn everything_a_file_can_say() {
    let file = good(EVERYTHING);
    assert_eq!(file.name.as_deref(), Some("nightly-report"));
    let [count, report, thumbnail] = file.jobs.as_slice() else {
        panic!("three jobs");
    };
    assert_eq!(command(count), ["wc", "-l", "a file"]);
    for (name, value) in [
        ("A", "own"),
        ("SHARED", "all"),
        ("N", "3"),
        ("V", "1.10"),
        ("Y", "yes"),
        ("TOKEN", "s3cret"),
        ("H", "/home/me"),
        ("K", "hush"),
    ] {
        assert_eq!(option(count, name), Some(value), "{name}");
    }
    let mut secrets: Vec<&str> = count.options.secrets().collect();
    secrets.sort_unstable();
    assert_eq!(secrets, ["hush", "s3cret"]);
    assert_eq!((count.priority, count.queue.as_str()), (50, "slow"));
    assert_eq!(count.retry.max_attempts, 2);
    assert_eq!(count.deadlines.attempt_ms, Some(90_000));
    assert_eq!(count.deadlines.total_ms, Some(86_400_000));
    let Task::Process(task) = &count.task else {
        panic!("a process");
    };
    assert_eq!(task.limits.memory_bytes, Some(512 << 20));
    assert_eq!(task.limits.cpu_seconds, Some(60));
    assert_eq!(task.limits.open_files, Some(256));
    assert_eq!(task.limits.file_size_bytes, Some(1 << 30));

    assert_eq!(command(report), ["sh", "-ec", "echo one\necho two\n"]);
    assert_eq!(report.after, [After::from("count")]);
    assert_eq!((report.priority, report.project.as_str()), (255, "other"));
    assert_eq!(report.config.as_deref(), Some("nightly"));
    assert_eq!(report.retry.max_interruptions, 1);
    let backoff = report.retry.backoff;
    assert_eq!((backoff.initial_ms, backoff.factor_percent), (500, 150));
    assert_eq!((backoff.max_ms, backoff.jitter_percent), (60_000, 0));
    let on = RetryOn::Only { kinds: vec![OutcomeKind::Exit, OutcomeKind::TimedOut], exit_codes: vec![75, 3] };
    assert_eq!(report.retry.on, on);
    assert_eq!(report.deadlines.queue_ms, Some(600_000));
    assert_eq!(report.on_crash, OnCrash::Fail);
    assert_eq!((report.stop_grace_ms, report.hold), (0, true));
    let at = report.start_at.map(|at| at.to_string());
    assert_eq!(at.as_deref(), Some("2026-11-21T10:00:00.000Z"));
    assert_eq!(report.idempotency_key.as_deref(), Some("k1"));

    let Task::Function(task) = &thumbnail.task else {
        panic!("a function");
    };
    let input = String::from_utf8(task.input.clone()).unwrap();
    let expected = r#"{"sizes":[64,128,1.50],"ok":true,"none":null,"text":"5"}"#;
    assert_eq!((task.name.as_str(), input.as_str()), ("thumbnail", expected));
    assert_eq!(thumbnail.after, [After::from("count"), After::on("report", On::Always)]);
    assert_eq!(file.start_in_ms, [None, None, Some(300_000)]);
    let now = Timestamp::from_millis(1_000);
    assert_eq!(file.specs_at(now)[2].start_at, Some(now.plus_millis(300_000)));
    assert_eq!(file.positions[0], Position { line: 10, column: 5 });
}

#[test]
fn forms_of_a_file() {
    for text in [
        "command: [echo, hi]",
        "command: echo hi",
        "jobs: [{command: echo hi}]",
        "jobs: {a: {command: echo hi}}",
        "{\"jobs\": [{\"command\": [\"echo\", \"hi\"]}]}",
        "{\n\t\"command\": [\n\t\t\"echo\",\n\t\t\"hi\"\n\t]\n}\n",
        "\u{feff}command: echo hi\r\n",
        "%YAML 1.2\n---\ncommand: !!seq [!!str echo, ! hi]\n...\n",
        "command: [&e echo, hi]",
    ] {
        assert_eq!(command(&good(text).jobs[0]), ["echo", "hi"], "{text}");
    }
    let crlf = good("jobs:\r\n  - name: a\r\n    shell: |\r\n      x\r\n      y\r\n");
    assert_eq!(command(&crlf.jobs[0]), ["sh", "-ec", "x\ny\n"]);
    let aliased = good("options: &o {A: 1}\njobs: [{command: &n a, name: *n, options: *o}]");
    assert_eq!(option(&aliased.jobs[0], "A"), Some("1"));
}

#[test]
fn a_job_says_what_it_reads_and_writes() {
    let file = good("{shell: make, reads: data/raw.csv, writes: [data/out, report.html]}");
    let spec = &file.jobs[0];
    assert_eq!(
        (spec.reads.as_slice(), spec.writes.as_slice()),
        (["data/raw.csv".to_owned()].as_slice(), ["data/out".to_owned(), "report.html".to_owned()].as_slice(),)
    );
    let told = bad("jobs:\n- shell: x\n  reads: [../x.csv]\n- shell: x\n  writes: {a: b}\n");
    assert!(told.contains("f.yaml:5:11: jobs[1].writes: is a map; allowed: a path among the files"), "{told}");
    let told = bad("shell: x\nreads: ../x.csv\nwrites: [a/b, a]\n");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("f.yaml:2:8: reads: \"../x.csv\" is no path of a file; allowed: a path of"), "{told}");
    assert!(lines[1].starts_with("f.yaml:3:9: writes: a directory of \"a/b\" is a file of its own"), "{told}");
}

#[test]
fn a_job_says_what_it_fetches_and_delivers() {
    let text = "shell: make\nfetch:\n- from: jdbc\n  to: input/rows\n  with: {query: 'select 1', password: {secret: p}, limits: [1, {secret: q}]}\n\
                - {from: project}\ndeliver: [{to: s3-sink, from: output/a, log: true, keys: {K: {secret: v}}}]\n";
    let file = good(text);
    let spec = &file.jobs[0];
    let told: Vec<_> =
        spec.fetches.iter().map(|it| (it.from.as_str(), it.to.as_str(), it.told.options.as_str())).collect();
    let options = r#"{"query":"select 1","password":"p","limits":[1,"q"]}"#;
    assert_eq!(told, [("jdbc", "input/rows", options), ("project", "input", "{}")]);
    let delivery = Delivery::new("s3-sink", "{}").from("output/a").with_log().key("K", "v");
    assert_eq!(spec.deliveries, [delivery]);
    let told = bad("shell: x\nfetch: [{from: a b, to: /x}]\n");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("f.yaml:2:16: fetch[0].from: \"a b\" is not a name"), "{told}");
    assert!(lines[1].starts_with("f.yaml:2:25: fetch[0].to: \"/x\" is no path in a work tree"), "{told}");
}

#[test]
fn a_job_has_items() {
    let text = "shell: make\nitems:\n  parallel: 3\n  tolerate: all\n  given:\n    one: {inputs: {a.txt: {text: x}, b: {file: b.bin}}}\n    \
                two words: {fetch: [{from: s3, with: {key: k}}]}\n  listed: [{from: s3, to: input/x, with: {prefix: p}}]\n";
    let file = good(text);
    let items = file.jobs[0].items.as_ref().unwrap();
    assert_eq!((items.parallel, items.tolerated, items.listed[0].to.as_str()), (Some(3), None, "input/x"));
    let names: Vec<_> =
        items.given.iter().map(|item| (item.name.as_str(), item.inputs.len(), item.fetches.len())).collect();
    assert_eq!(names, [("one", 2, 0), ("two words", 0, 1)]);
    let files: Vec<_> = file.input_files.iter().map(|it| (it.job, it.item, it.input, it.path.as_str())).collect();
    assert_eq!(files, [(0, Some(0), 1, "b.bin")]);
    let names = good("{shell: make, items: {given: [a, b]}}").jobs[0].items.as_ref().unwrap().given.len();
    assert_eq!(names, 2);
    let told = bad(
        "shell: x\nwrites: out\nitems: {given: {a: {inputs: {../x: {text: y}}}, b: {form: 1}}, tolerate: some, parallel: 0}\n",
    );
    for says in [
        "writes: each item would write \"out\"",
        "f.yaml:3:29: items.given.a.inputs",
        "items.given.b.form: unknown field",
        "items.tolerate: ",
        "items.parallel: ",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
}

#[test]
fn an_executor_is_told_what_only_it_knows() {
    let file = good(
        "jobs:\n  - {executor: docker, with: {image: alpine, cpus: 1.5, ports: [80, 0x50], on: true}}\n  - {executor: noop}",
    );
    let params: Vec<(&str, &str)> = file
        .jobs
        .iter()
        .map(|spec| match &spec.task {
            Task::Named(task) => (task.executor.as_str(), std::str::from_utf8(&task.params).unwrap()),
            task => panic!("{task:?}"),
        })
        .collect();
    let docker = r#"{"image":"alpine","cpus":1.5,"ports":[80,80],"on":true}"#;
    assert_eq!(params, [("docker", docker), ("noop", "{}")]);
    assert_eq!(good("{executor: docker, name: one}").name.as_deref(), Some("one"));
}

#[test]
fn what_is_said_about_bad_files() {
    let mut failed = String::new();
    for case in include_str!("tests/bad.txt").split("\n=====\n") {
        let (text, expected) = case.split_once("\n-----\n").unwrap();
        let said = bad(text);
        if said != expected.trim_end() {
            failed.push_str(&format!("{text}\n-----\n{said}\n=====\n"));
        }
    }
    assert!(failed.is_empty(), "these are said otherwise:\n{failed}");
}

#[test]
fn bytes_that_are_no_text() {
    assert_eq!(bad(b"command: \xc3\xa4 \xff"), "f.yaml:1:12: the file is not UTF-8; allowed: UTF-8 text");
    assert!(bad(b"\xff\xfec\0o\0").starts_with("f.yaml:1:1: the file is not UTF-8"));
    let nul = bad("command: a\n# a NUL would hide \0 what follows\n");
    assert!(nul.starts_with("f.yaml:2:20: the file holds a control"), "{nul}");
    assert!(bad("command: \"a\\0b\"").contains("command: it holds a NUL character"));
    assert!(bad(vec![b'a'; (1 << 20) + 1]).contains("the file has 1048577 bytes"));
}

#[test]
fn a_value_of_a_megabyte_is_told_and_not_shown() {
    let said = bad(format!("command: echo\noptions: {{BIG: {}}}\n", "x".repeat(1_000_000)));
    let expected = "f.yaml:2:16: options.BIG: the value has 1000000 bytes";
    assert!(said.contains(expected), "{said}");
    assert!(said.len() < 500, "{}", said.len());
    let said = bad(format!("command: echo\nqueue: {}\n", "q".repeat(1_000_000)));
    assert!(said.contains("is not a name") && said.len() < 500, "{said}");
}

#[test]
fn bombs_do_not_go_off() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (this, last) in ('b'..='i').zip('a'..='h') {
        let ten = vec![format!("*{last}"); 10].join(",");
        bomb.push_str(&format!("{this}: &{this} [{ten}]\n"));
    }
    assert!(bad(&bomb).contains("there are too many values; allowed: 100000 values"));

    let wide = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), "*a,".repeat(50));
    assert!(bad(wide).contains("there is too much text"));
    assert!(bad("a: &a [*a]").contains("the alias is inside of what it stands for"));

    let list = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(bad(list(64)).contains("is a list; allowed: a map"));
    assert!(bad(list(65)).contains("it is nested too deeply"));
    assert!(bad("- ".repeat(100_000)).contains("it is nested too deeply"));
    assert!(bad("[".repeat(1_000_000)).contains("recursion limit exceeded"));
    let deep_maps = bad("{a: ".repeat(200_000));
    assert!(deep_maps.contains("recursion limit exceeded"), "{deep_maps}");
    let deep_alias = format!("a: &a {}\nb: {}*a{}", list(40), "[".repeat(40), "]".repeat(40));
    assert!(bad(deep_alias).contains("it is nested too deeply"));

    let options: Vec<String> = (0..200).map(|n| format!("O{n}: {}", "v".repeat(1_000))).collect();
    let jobs = "{shell: a},".repeat(9_000);
    let file = format!("options: {{{}}}\njobs: [{jobs}]", options.join(","));
    assert!(bad(file).contains("the options of all jobs are too much"));
    let file = format!("jobs: [{}]", "{shell: a},".repeat(10_001));
    assert!(bad(file).contains("jobs: there are 10001; allowed: 1 to 10000 jobs"));
    let many = bad(format!("{{{}}}", (0..20_000).map(|n| format!("k{n}: 1,")).collect::<String>()));
    assert!(many.contains("more mistakes") && many.lines().count() == 101);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_files_never_panic(
        cuts in proptest::collection::vec((0_usize..2_000, 0_usize..8, "[\\[\\]{}:,&*!|>'\"%@`#? \n\t\r\\-a-c0-9~<\u{0}\u{85}\u{feff}ä]{0,4}"), 1..6),
    ) {
        let mut chars: Vec<char> = EVERYTHING.chars().collect();
        for (at, gone, new) in cuts {
            let start = at % (chars.len() + 1);
            let end = (start + gone).min(chars.len());
            chars.splice(start..end, new.chars());
        }
        let text: String = chars.into_iter().collect();
        let _ = parse_job_file(text.as_bytes(), "f", &env);
    }

    #[test]
    fn what_is_told_never_holds_an_option_value(
        name in "[a-zA-Z=\u{0}]{0,4}", form in 0_usize..6,
    ) {
        let value = ["VALUE", "[VALUE]", "{secret: [VALUE]}", "{secrt: VALUE}", "{secret: VALUE, env: X}", "{secret: \"VALUE\\0\"}"][form];
        let text = format!("command: ''\noptions: {{\"{name}\": {value}}}");
        if let Err(mistakes) = parse_job_file(text.as_bytes(), "f", &env) {
            prop_assert!(!lines(&mistakes).contains("VALUE"), "{}", lines(&mistakes));
        }
    }
}
