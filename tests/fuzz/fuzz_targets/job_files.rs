//! Any text as a job file: jobs, or mistakes that each say what is allowed.
#![no_main]

use windlass::cli::jobfile::parse_job_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let env = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    match parse_job_file(bytes, "fuzz.yaml", &env) {
        Ok(file) => assert!(!file.jobs.is_empty()),
        Err(mistakes) => assert!(!mistakes.is_empty()),
    }
});
