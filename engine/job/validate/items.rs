//! Checks of the items of a job.

use std::collections::HashSet;

use super::Check;
use super::transfers::{check_fetch, check_fetch_list};
use crate::job::file_path::{MOST_PATH_BYTES, is_file_path};
use crate::job::items::{ITEM_NAME, Item, Items};
use crate::job::limits::JobLimits;
use crate::job::spec::JobSpec;

/// Bytes of the name of an item.
const MOST_NAME_BYTES: usize = 1_024;

/// Whether an item can be called so.
pub(crate) fn is_item_name(name: &str) -> bool {
    name.len() <= MOST_NAME_BYTES && !name.contains(char::is_control)
}

/// What is allowed, for errors.
pub(crate) fn item_name_allowed() -> String {
    format!("at most {MOST_NAME_BYTES} bytes without control characters")
}

pub(super) fn check_items(spec: &JobSpec, limits: &JobLimits, check: &mut Check<'_>) {
    let Some(items) = &spec.items else { return };
    let found = items.given.is_empty() && items.count == 0 && items.listed.is_empty() && items.rows.is_empty();
    let none = found && !spec.open_items;
    let allowed = || "items that are given, fetchers that list some, or items that are open".to_owned();
    check.require(!none, "items", || "there is none".into(), allowed);
    let at_once = || "1 or more".to_owned();
    check.require(items.parallel != Some(0), "items.parallel", || "it is 0".into(), at_once);
    let each = || "files of each item".to_owned();
    check.require(spec.inputs.is_empty(), "inputs", || "the job has items".into(), each);
    check_apart(spec, check);
    check_given(spec, items, limits, check);
    check_fetch_list("items.listed", &items.listed, limits, check);
    check_fetch_list("items.rows", &items.rows, limits, check);
}

/// What items leave is not to take the place of what others leave.
fn check_apart(spec: &JobSpec, check: &mut Check<'_>) {
    let allowed = || format!("{ITEM_NAME} in it, which stands for the name of the item");
    for path in &spec.writes {
        let problem = || format!("each item would write {}", super::shown(path));
        check.require(path.contains(ITEM_NAME), "writes", problem, allowed);
    }
    for (position, delivery) in spec.deliveries.iter().enumerate() {
        // A stored job is checked without what is told.
        let tells_apart = delivery.told.options.is_empty() || delivery.told.options.contains(ITEM_NAME);
        let field = format!("deliver[{position}].with");
        check.require(tells_apart, &field, || "each item would be delivered to the same place".into(), allowed);
    }
}

fn check_given(spec: &JobSpec, items: &Items, limits: &JobLimits, check: &mut Check<'_>) {
    let (count, most) = (items.given.len(), limits.items as usize);
    check.require(count <= most, "items", || format!("there are {count}"), || format!("at most {most} items"));
    let contents = items.given.iter().flat_map(|item| &item.inputs).map(|input| input.content.len());
    let (bytes, most) = (contents.sum::<usize>(), limits.input_bytes);
    check.require(bytes <= most, "items", || format!("{bytes} bytes in all"), || format!("at most {most} bytes"));
    let mut names = HashSet::new();
    for (position, item) in items.given.iter().enumerate() {
        let field = |name: &str| format!("items[{position}].{name}");
        let is_name = is_item_name(&item.name);
        check.require(is_name, &field("name"), || "it is no name of an item".into(), item_name_allowed);
        let twice = || format!("{} is there twice", super::shown(&item.name));
        check.require(names.insert(&item.name), &field("name"), twice, || "each name once".into());
        check_item(spec, item, position, limits, check);
    }
}

fn check_item(spec: &JobSpec, item: &Item, position: usize, limits: &JobLimits, check: &mut Check<'_>) {
    let field = |name: &str| format!("items[{position}].{name}");
    let paths = item.inputs.iter().map(|input| input.path.as_str());
    super::files::check_each(&field("inputs"), paths.clone(), limits.input_path_bytes, check);
    super::files::check_apart(&field("inputs"), paths, check);
    for (at, fetch) in item.fetches.iter().enumerate() {
        check_fetch(&format!("items[{position}].fetch[{at}]"), fetch, limits, check);
    }
    for path in &spec.writes {
        let path = path.replace(ITEM_NAME, &item.name);
        let problem = || format!("with it {} is no path of a file", super::shown(&path));
        let allowed = || "a name that can be part of the paths that the job writes".to_owned();
        check.require(is_file_path(&path, MOST_PATH_BYTES), &field("name"), problem, allowed);
    }
}

#[cfg(test)]
mod tests {
    use crate::job::validate::check_submission;
    use crate::job::{Delivery, Fetch, Item, Items, JobLimits, JobSpec};

    fn problems(spec: JobSpec) -> Vec<String> {
        let checked = check_submission(&[spec], &JobLimits::default());
        checked.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    fn job(given: Vec<Item>) -> JobSpec {
        JobSpec::process("true", [""; 0]).with_items(Items { given, ..Items::default() })
    }

    #[test]
    fn names_may_be_any_text_and_are_there_once() {
        let items = ["", "a/b c?d#e", "ü", "100%"].map(|name| Item::new(name).input("in.txt", "1"));
        assert_eq!(problems(job(items.into())), [] as [&str; 0]);
        let found = problems(job(vec![Item::new("a"), Item::new("a"), Item::new("b\0")]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with(r#"items[1].name: "a" is there twice"#), "{found:?}");
        assert!(found[1].starts_with("items[2].name: it is no name of an item"), "{found:?}");
        assert!(problems(job(Vec::new()))[0].starts_with("items: there is none"));
        assert_eq!(problems(JobSpec { open_items: true, ..job(Vec::new()) }), [] as [&str; 0]);
    }

    #[test]
    fn what_items_leave_is_told_apart() {
        let item = || vec![Item::new("a")];
        assert_eq!(problems(job(item()).writes("out/${item}/x")), [] as [&str; 0]);
        let found = problems(job(item()).writes("out").deliver(Delivery::new("s3-sink", "{}")));
        assert!(found[0].starts_with(r#"writes: each item would write "out""#), "{found:?}");
        assert!(found[1].starts_with("deliver[0].with: each item would be delivered to the same place"), "{found:?}");
        let found = problems(job(vec![Item::new("../b")]).writes("out/${item}"));
        assert!(found[0].starts_with(r#"items[0].name: with it "out/../b" is no path"#), "{found:?}");
    }

    #[test]
    fn inputs_and_fetches_of_items_are_checked() {
        let bad = Item::new("a").input("../x", "").fetch(Fetch::new("a b", "{}"));
        let found = problems(job(vec![bad]));
        assert!(found[0].starts_with("items[0].inputs.../x: "), "{found:?}");
        assert!(found[1].starts_with("items[0].fetch[0].from: "), "{found:?}");
        let listed = vec![Fetch::new("s3", "[]")];
        let spec =
            JobSpec::process("true", [""; 0]).with_items(Items { listed, parallel: Some(0), ..Items::default() });
        let found = problems(spec);
        assert!(found[0].starts_with("items.parallel: it is 0"), "{found:?}");
        assert!(found[1].starts_with("items.listed[0].with: it is no JSON object"), "{found:?}");
    }
}
