//! Items from the command line.

use serde_json::json;

use crate::windlass::Place;

const FILE: &str = r#"
command: [sh, -c, "test -s input/in.txt && wc -c < input/in.txt | tr -d ' \\n' > output/value"]
items:
  parallel: 2
  given:
    one: {inputs: {in.txt: {text: "1"}}}
    two words: {inputs: {in.txt: {file: two.txt}}}
    empty: {inputs: {in.txt: {text: ""}}}
"#;

#[test]
fn items_are_run_one_by_one_and_listed() {
    let place = Place::new();
    place.file("two.txt", "22");
    place.file("strict.yaml", FILE);
    let failed = place.run(&["run", "strict.yaml"]).expect(1);
    assert!(failed.stdout.contains("1 of 3 items failed; tolerated: 0"), "{failed:?}");
    place.file("lax.yaml", &FILE.replace("parallel: 2", "tolerate: 1"));
    place.run(&["run", "lax.yaml"]).expect(0);
    // The jobs of items are not among those that are listed.
    let listed = place.json(&["jobs"]);
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 2, "{listed}");
    let id = listed["jobs"][0]["id"].as_str().unwrap().to_owned();
    let shown = place.json(&["jobs", &id]);
    let counts = json!({"total": 3, "pending": 0, "running": 0, "succeeded": 2, "failed": 1, "dropped": 0});
    assert_eq!(shown["items"], counts, "{shown}");
    assert!(place.run(&["jobs", &id]).expect(0).stdout.contains("items     2 of 3 succeeded, 1 failed\n"));
    let items = place.json(&["items", &id]);
    let ends: Vec<_> =
        items["items"].as_array().unwrap().iter().map(|it| (&it["name"], &it["job"]["state"], &it["output"])).collect();
    let [one, two, empty] = ends.as_slice() else { panic!("{items}") };
    assert_eq!(*one, (&json!("one"), &json!("succeeded"), &json!("1")));
    assert_eq!(*two, (&json!("two words"), &json!("succeeded"), &json!("2")));
    assert_eq!(*empty, (&json!("empty"), &json!("failed"), &json!(null)));
    let table = place.run(&["items", &id]).expect(0).stdout;
    assert!(table.starts_with("ITEM") && table.contains("two words  succeeded"), "{table}");
    let job = items["items"][0]["job"]["id"].as_str().unwrap();
    assert!(place.run(&["jobs", job]).expect(0).stdout.contains(&format!("item of   {id}\n")));
}
