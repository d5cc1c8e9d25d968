//! Checks of the files that a job begins with, reads and writes.

use std::collections::HashSet;

use super::{Check, shown};
use crate::job::file_path::{MOST_PATH_BYTES, file_path_allowed, folders, is_file_path};
use crate::job::limits::JobLimits;
use crate::job::spec::JobSpec;

pub(super) fn check_files(spec: &JobSpec, limits: &JobLimits, check: &mut Check<'_>) {
    check_inputs(spec, limits, check);
    check_paths("reads", &spec.reads, limits, check);
    check_paths("writes", &spec.writes, limits, check);
    let inputs: HashSet<&str> = spec.inputs.iter().map(|input| input.path.as_str()).collect();
    let reads: HashSet<&str> = spec.reads.iter().map(String::as_str).collect();
    for (field, path) in spec.reads.iter().filter_map(|path| Some(("reads", meets(path, &inputs)?))) {
        let problem = format!("an input file is under {} too", shown(path));
        check.fail(field, problem, "one thing under each path of `input`");
    }
    let within = inputs.iter().find_map(|path| folders(path).find(|folder| reads.contains(folder)));
    if let Some(path) = within {
        let problem = format!("an input file is within {}", shown(path));
        check.fail("reads", problem, "one thing under each path of `input`");
    }
}

/// The path among others that this one is, or is in.
fn meets<'a>(path: &'a str, others: &HashSet<&str>) -> Option<&'a str> {
    folders(path).chain([path]).find(|above| others.contains(above))
}

fn check_inputs(spec: &JobSpec, limits: &JobLimits, check: &mut Check<'_>) {
    if spec.inputs.is_empty() {
        return;
    }
    let (count, most) = (spec.inputs.len(), limits.input_files);
    check.require(count <= most, "inputs", || format!("there are {count}"), || format!("at most {most} files"));
    let bytes: usize = spec.inputs.iter().map(|input| input.content.len()).sum();
    let most = limits.input_bytes;
    check.require(bytes <= most, "inputs", || format!("{bytes} bytes in all"), || format!("at most {most} bytes"));
    let paths = spec.inputs.iter().map(|input| input.path.as_str());
    check_each("inputs", paths.clone(), limits.input_path_bytes, check);
    check_apart("inputs", paths, check);
}

fn check_paths(field: &str, paths: &[String], limits: &JobLimits, check: &mut Check<'_>) {
    if paths.is_empty() {
        return;
    }
    let (count, most) = (paths.len(), limits.project_files);
    check.require(count <= most, field, || format!("there are {count}"), || format!("at most {most} paths"));
    let bytes: usize = paths.iter().map(String::len).sum();
    let most = limits.project_files_bytes;
    check.require(bytes <= most, field, || format!("{bytes} bytes in all"), || format!("at most {most} bytes"));
    let paths = paths.iter().map(String::as_str);
    check_each(field, paths.clone(), MOST_PATH_BYTES, check);
    // What is read twice is the same both times.
    if field == "writes" {
        check_apart(field, paths, check);
    }
}

/// Each is a path, and is there once.
pub(super) fn check_each<'a>(
    field: &str,
    paths: impl Iterator<Item = &'a str>,
    most_bytes: usize,
    check: &mut Check<'_>,
) {
    let mut known = HashSet::new();
    for path in paths {
        let field = format!("{field}.{}", path.escape_debug().take(40).collect::<String>());
        let problem = || format!("{} is no path of a file", shown(path));
        check.require(is_file_path(path, most_bytes), &field, problem, || file_path_allowed(most_bytes));
        check.require(known.insert(path), &field, || "it is there twice".into(), || "each file once".into());
    }
}

/// None is in another one.
pub(super) fn check_apart<'a>(field: &str, mut paths: impl Iterator<Item = &'a str> + Clone, check: &mut Check<'_>) {
    let known: HashSet<&str> = paths.clone().collect();
    let within = paths.find(|path| folders(path).any(|folder| known.contains(folder)));
    if let Some(path) = within {
        let problem = format!("a directory of {} is a file of its own", shown(path));
        check.fail(field, problem, "either a file or a directory of a name");
    }
}

#[cfg(test)]
mod tests {
    use crate::job::validate::check_submission;
    use crate::job::{InputFile, JobLimits, JobSpec};

    fn problems(spec: JobSpec) -> Vec<String> {
        let checked = check_submission(&[spec], &JobLimits::default());
        checked.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    fn job() -> JobSpec {
        JobSpec::process("true", [] as [&str; 0])
    }

    #[test]
    fn a_job_may_read_what_it_writes() {
        let mut spec = job().reads("data").reads("data/x").reads("a/b").writes("data").writes("a/c");
        spec.inputs.push(InputFile { path: "a/x".into(), content: Vec::new() });
        assert_eq!(problems(spec), [] as [&str; 0]);
    }

    #[test]
    fn a_function_has_files_too() {
        let mut spec = JobSpec::function("f", "1").reads("a").writes("b");
        spec.inputs.push(InputFile { path: "x".into(), content: Vec::new() });
        assert_eq!(problems(spec), [] as [&str; 0]);
    }

    #[test]
    fn paths_that_are_none_or_meet_are_told() {
        let found = problems(job().reads("../x").reads("a").reads("a").writes("b/c").writes("b"));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with(r#"reads.../x: "../x" is no path of a file; allowed: a path of 1 to 1024 bytes"#));
        assert!(found[1].starts_with("reads.a: it is there twice"));
        assert!(found[2].starts_with(r#"writes: a directory of "b/c" is a file of its own"#));
        for (read, input) in [("a", "a"), ("a/b", "a"), ("a", "a/b")] {
            let mut spec = job().reads(read);
            spec.inputs.push(InputFile { path: input.into(), content: Vec::new() });
            let found = problems(spec);
            assert!(found.len() == 1 && found[0].starts_with("reads: an input file is"), "{found:?}");
        }
    }

    #[test]
    fn too_many_paths_are_refused() {
        let many = (0..1_001).fold(job(), |job, at| job.writes(at.to_string()));
        assert!(problems(many)[0].starts_with("writes: there are 1001; allowed: at most 1000 paths"));
        let long = (0..100).fold(job(), |job, at| job.reads(format!("{at:0>250}/{at:0>250}/{at:0>250}")));
        assert!(problems(long)[0].starts_with("reads: 75200 bytes in all; allowed: at most 65536 bytes"));
    }
}
