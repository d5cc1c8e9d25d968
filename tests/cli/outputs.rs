//! Output types and output records from the command line, beside a process that holds the store and without one.

use serde_json::json;

use crate::windlass::{Place, wait_for};

fn types_are_stored_shown_and_deleted(place: &Place) {
    place.file("rows.json", r#"{"properties": {"rows": {"type": "integer"}}, "additionalProperties": false}"#);
    let applied = place.json(&["output-type", "apply", "--name", "rows", "-f", "rows.json"]);
    assert_eq!((&applied["revision"], &applied["change"]), (&json!(1), &json!("created")));
    let again = place.run(&["output-type", "apply", "--name", "rows", "-f", "rows.json"]).expect(0);
    assert_eq!(again.stdout, "output type rows: unchanged, revision 1\n");
    place.run(&["output-type", "apply", "--name", "any"]).expect(0);
    let listed = place.json(&["output-type", "list"]);
    assert_eq!(
        (&listed["output_types"][0]["name"], &listed["output_types"][1]["name"]),
        (&json!("any"), &json!("rows"))
    );
    assert_eq!(listed["output_types"][0]["schema"], json!(null));
    let shown = place.run(&["output-type", "show", "rows"]).expect(0).stdout;
    assert!(
        shown.starts_with("output type rows, revision 1 of 1") && shown.contains("additionalProperties"),
        "{shown}"
    );

    place.file("bad.json", r#"{"properties": {"rows": {"type": "intager"}}}"#);
    let bad = place.run(&["output-type", "apply", "--name", "bad", "-f", "bad.json"]).expect(2);
    assert!(bad.stderr.contains("\"bad\".schema/properties/rows/type"), "{bad:?}");
    place.file("none.json", "{");
    let none = place.run(&["output-type", "apply", "--name", "bad", "-f", "none.json"]).expect(2);
    assert!(none.stderr.contains("none.json: is no JSON"), "{none:?}");
    place.run(&["output-type", "delete", "any"]).expect(0);
    let gone = place.run(&["output-type", "show", "any"]).expect(4);
    assert!(gone.stderr.contains("there is no output type \"any\""), "{gone:?}");
}

#[test]
fn output_types_of_a_store_that_another_process_holds() {
    let place = Place::new();
    let server = place.start(&["serve"]);
    let socket = place.store().join("control.sock");
    wait_for("the socket", || socket.exists().then_some(()));
    types_are_stored_shown_and_deleted(&place);
    server.signal("TERM");
}

#[test]
fn records_of_a_job_and_what_was_refused_are_shown() {
    let place = Place::new();
    types_are_stored_shown_and_deleted(&place);
    let script = "cd output; echo '{\"rows\": 3}' > rows.output.json; echo 1 > gone.output.json";
    place.file("jobs.yaml", &json!({"jobs": [{"name": "count", "shell": script}]}).to_string());
    place.run(&["run", "jobs.yaml"]).expect(0);
    let id = place.json(&["jobs"])["jobs"][0]["id"].as_str().unwrap().to_owned();
    let outputs = place.json(&["outputs", &id]);
    let record = &outputs["outputs"][0];
    assert_eq!(
        (&record["type"], &record["value"], &record["id"]),
        (&json!("rows"), &json!({"rows": 3}), &json!(format!("{id}.0")))
    );
    assert_eq!(outputs["outputs"].as_array().unwrap().len(), 1);
    let table = place.run(&["outputs", &id]).expect(0).stdout;
    assert!(table.contains(r#"{"rows":3}"#), "{table}");
    let detail = place.json(&["jobs", &id]);
    let refused = detail["events"].as_array().unwrap().iter().find(|event| event["event"] == "output_refused").unwrap();
    assert_eq!(refused["output"], json!({"file": "gone.output.json", "why": "there is no output type \"gone\""}));
    place.run(&["outputs", "00000000-0000-7000-8000-000000000000"]).expect(4);
}
