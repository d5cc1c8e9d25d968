//! Any text as a job file and as a plan file: what they say, or mistakes that each say what is allowed.
#![no_main]

use windlass::cli::jobfile::{parse_job_file, parse_plan_file};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let env = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    match parse_job_file(bytes, "fuzz.yaml", &env) {
        Ok(file) => {
            assert!(!file.jobs.is_empty());
            let has = |it: &windlass::cli::jobfile::InputPath| file.jobs[it.job].inputs.get(it.input).is_some();
            assert!(file.input_files.iter().all(has));
        }
        Err(mistakes) => assert!(!mistakes.is_empty()),
    }
    if let Err(mistakes) = parse_plan_file(bytes, "fuzz.yaml", &env) {
        assert!(!mistakes.is_empty());
    }
});
