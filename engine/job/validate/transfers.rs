//! Checks of what a job fetches and delivers, as far as they need no fetcher and no sink.

use super::Check;
use crate::job::file_path::{MOST_PATH_BYTES, file_path_allowed, is_file_path};
use crate::job::limits::JobLimits;
use crate::job::spec::JobSpec;
use crate::job::transfer::{Fetch, Told};

pub(super) fn check_transfers(spec: &JobSpec, limits: &JobLimits, check: &mut Check<'_>) {
    let (count, most) = (spec.deliveries.len(), limits.transfers);
    check.require(count <= most, "deliver", || format!("there are {count}"), || format!("at most {most}"));
    check_fetch_list("fetch", &spec.fetches, limits, check);
    for (position, delivery) in spec.deliveries.iter().enumerate() {
        let field = |name: &str| format!("deliver[{position}].{name}");
        check.name(&field("to"), &delivery.to, limits);
        check_place(&field("from"), &delivery.from, check);
        check_told(&field("with"), &field("keys"), &delivery.told, limits, check);
    }
}

pub(super) fn check_fetch_list(list: &str, fetches: &[Fetch], limits: &JobLimits, check: &mut Check<'_>) {
    let (count, most) = (fetches.len(), limits.transfers);
    check.require(count <= most, list, || format!("there are {count}"), || format!("at most {most}"));
    for (position, fetch) in fetches.iter().enumerate() {
        check_fetch(&format!("{list}[{position}]"), fetch, limits, check);
    }
}

pub(super) fn check_fetch(of: &str, fetch: &Fetch, limits: &JobLimits, check: &mut Check<'_>) {
    check.name(&format!("{of}.from"), &fetch.from, limits);
    check_place(&format!("{of}.to"), &fetch.to, check);
    check_told(&format!("{of}.with"), &format!("{of}.keys"), &fetch.told, limits, check);
}

fn check_place(field: &str, path: &str, check: &mut Check<'_>) {
    let problem = || format!("{} is no path in a work tree", super::shown(path));
    check.require(is_file_path(path, MOST_PATH_BYTES), field, problem, || file_path_allowed(MOST_PATH_BYTES));
}

/// What is told is never shown.
fn check_told(options: &str, keys: &str, told: &Told, limits: &JobLimits, check: &mut Check<'_>) {
    let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&told.options).is_ok();
    check.require(is_object, options, || "it is no JSON object".into(), || "a JSON object".into());
    let (size, most) = (told.options.len(), limits.transfer_bytes);
    check.require(size <= most, options, || format!("{size} bytes"), || format!("at most {most} bytes"));
    let (count, most) = (told.keys.len(), limits.options);
    check.require(count <= most, keys, || format!("there are {count}"), || format!("at most {most} keys"));
    let (size, most) = (bytes_of(told), limits.option_value_bytes);
    check.require(size <= most, keys, || format!("{size} bytes in all"), || format!("at most {most} bytes in all"));
}

fn bytes_of(told: &Told) -> usize {
    told.keys.iter().map(|(name, value)| name.len() + value.value.len()).sum()
}

#[cfg(test)]
mod tests {
    use crate::job::validate::check_submission;
    use crate::job::{Delivery, Fetch, JobLimits, JobSpec};

    fn problems(spec: JobSpec) -> Vec<String> {
        let checked = check_submission(&[spec], &JobLimits::default());
        checked.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mistakes_are_named_and_what_is_told_is_not_shown() {
        let job = || JobSpec::process("true", [""; 0]);
        let good = job().fetch(Fetch::new("s3", r#"{"bucket": "b"}"#)).deliver(Delivery::new("s3-sink", "{}"));
        assert_eq!(problems(good), [] as [&str; 0]);
        let bad = job()
            .fetch(Fetch::new("no name", "[1]").to("../x"))
            .deliver(Delivery::new("s", "\"my-secret").from("/a").key("K", "k".repeat(70_000)));
        let found = problems(bad);
        let fields: Vec<&str> = found.iter().filter_map(|it| Some(it.split_once(": ")?.0)).collect();
        let expected =
            ["fetch[0].from", "fetch[0].to", "fetch[0].with", "deliver[0].from", "deliver[0].with", "deliver[0].keys"];
        assert_eq!(fields, expected);
        assert!(!found.join("").contains("secret"), "{found:?}");
        let many = (0..101).fold(job(), |job, _| job.fetch(Fetch::new("s3", "{}")));
        assert!(problems(many)[0].starts_with("fetch: there are 101; allowed: at most 100"));
    }
}
