//! Any names and values as run options: the merge keeps its order of precedence, refusals name no value.
#![no_main]

use windlass::job::options::merge;
use windlass::job::validate::check_submission;
use windlass::job::{JobLimits, JobSpec, RunOptions};

libfuzzer_sys::fuzz_target!(|layers: [Vec<(String, String)>; 3]| {
    let [config, request, system] = layers.clone().map(|pairs| pairs.into_iter().collect::<RunOptions>());
    let merged = merge(config.clone(), request.clone(), system.clone());
    for (name, value) in merged.iter() {
        let expected = system.get(name).or(request.get(name)).or(config.get(name));
        assert_eq!(Some(value), expected);
    }
    let mut spec = JobSpec::process("true", [] as [&str; 0]);
    spec.options = merged.clone();
    let checked = check_submission(&[spec], &JobLimits::default());
    if checked.is_ok() {
        for (name, value) in merged.iter() {
            assert!(!name.is_empty() && !name.contains(['=', '\0']) && !value.value.contains('\0'));
        }
    }
    windlass::fuzzing::seal_options(&merged);
});
