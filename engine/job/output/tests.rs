//! What schemas and records are refused for.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn limits() -> OutputLimits {
    OutputLimits::default()
}

/// On a stack as large as that of the engine's own checks.
fn on_a_deep_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(CHECK_STACK_BYTES).spawn(work).unwrap().join().unwrap()
}

fn schema(schema: Value) -> OutputSchema {
    OutputSchema::new(&schema, &limits()).unwrap()
}

fn refusal(schema: Value) -> Problem {
    on_a_deep_stack(move || OutputSchema::new(&schema, &limits()).unwrap_err())
}

fn paths(schema: &OutputSchema, value: Value) -> Vec<String> {
    let violations = schema.check(&value, &limits()).err().unwrap_or_default();
    violations.into_iter().map(|it| it.path).collect()
}

#[test]
fn violations_are_told_with_their_places_and_without_values() {
    let schema = schema(json!({
        "type": "object",
        "properties": {"rowNumber": {"type": "number"}, "rows": {"items": {"minLength": 20}}},
        "additionalProperties": false,
    }));
    assert_eq!(schema.check(&json!({"rowNumber": 6.5}), &limits()), Ok(()));
    assert_eq!(schema.check(&json!({}), &limits()), Ok(()));
    assert_eq!(paths(&schema, json!({"rowNumber": "6"})), ["/rowNumber"]);
    assert_eq!(paths(&schema, json!({"extra": 1})), [""]);
    let violations = schema.check(&json!({"rows": ["hunter2"], "rowNumber": "hunter3"}), &limits()).unwrap_err();
    let places: Vec<&str> = violations.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(violations.len(), 2);
    assert!(places.contains(&"/rows/0") && places.contains(&"/rowNumber"), "{places:?}");
    assert!(violations.iter().all(|it| !it.to_string().contains("hunter")), "{violations:?}");
}

#[test]
fn no_more_violations_are_told_than_allowed() {
    let schema = schema(json!({"items": {"type": "string"}}));
    let many = Value::Array(vec![json!(1); 1_000]);
    assert_eq!(schema.check(&many, &limits()).unwrap_err().len(), 20);
}

#[test]
fn formats_are_enforced() {
    let schema = schema(json!({"format": "uuid"}));
    assert_eq!(paths(&schema, json!("6ba7b810-9dad-11d1-80b4-00c04fd430c8")), [""; 0]);
    assert_eq!(paths(&schema, json!("no uuid")), [""]);
    let older = json!({"$schema": "http://json-schema.org/draft-07/schema#", "format": "ipv4"});
    assert_eq!(paths(&self::schema(older), json!("300.1.1.1")), [""]);
}

#[test]
fn a_schema_that_is_none_is_refused_with_the_place() {
    let problem = refusal(json!({"properties": {"a": {"type": "strin"}}}));
    assert_eq!(problem.field, "schema/properties/a/type");
    assert!(problem.problem.contains("is no JSON Schema"), "{problem}");
    assert_eq!(refusal(json!(["not", "a", "schema"])).field, "schema");
    let patterns = ["(", "(?=x)x", r"(x)\1"];
    for pattern in patterns {
        assert!(refusal(json!({"pattern": pattern})).problem.contains("is no JSON Schema"), "{pattern}");
    }
}

#[test]
fn references_that_lead_elsewhere_are_refused() {
    let elsewhere =
        ["http://127.0.0.1:1/s", "https://json-schema.org/draft/2020-12/schema", "file:///etc/passwd", "other.json"];
    for reference in elsewhere {
        let problem = refusal(json!({"properties": {"a": {"$ref": reference}}}));
        assert_eq!(
            (problem.field.as_str(), problem.problem.as_str()),
            ("schema/properties/a/$ref", "leads out of the schema")
        );
        // Also where nothing leads to it, so that the graph does not see it; what the library has with it is not fetched.
        if reference.starts_with("https://json-schema.org") {
            continue;
        }
        assert_eq!(refusal(json!({"$defs": {"a": {"$ref": reference}}})).field, "schema", "{reference}");
    }
    assert_eq!(refusal(json!({"$ref": "#/$defs/none"})).problem, "leads nowhere");
    assert_eq!(refusal(json!({"items": {"$id": "http://x/y"}})).field, "schema/items/$id");
    assert_eq!(refusal(json!({"items": {"$dynamicRef": "#"}})).field, "schema/items/$dynamicRef");
    // A property of that name is none.
    schema(json!({"properties": {"$ref": {"type": "string"}, "$id": {}}, "const": {"$ref": "http://x"}}));
}

#[test]
fn a_schema_that_comes_back_to_itself_is_followed_as_deep_as_a_record_may_be() {
    let tree = json!({"$anchor": "tree", "type": "object", "additionalProperties": {"anyOf": [{"$ref": "#tree"}, {"type": "null"}]}});
    let (deep, too_deep) = on_a_deep_stack(move || {
        let tree = schema(tree);
        let nested = |depth: usize| (0..depth).fold(json!(null), |inner, _| json!({ "a": inner }));
        (tree.check(&nested(64), &limits()), tree.check(&nested(65), &limits()))
    });
    assert_eq!(deep, Ok(()));
    assert!(too_deep.unwrap_err()[0].message.contains("is too deep"));
    assert!(parse_value("[".repeat(100_000).as_bytes(), &limits()).unwrap_err().contains("is no JSON"));
}

#[test]
fn a_schema_that_leads_in_a_circle_for_one_value_is_refused() {
    let circle = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}, "items": {"$ref": "#/$defs/a"}});
    assert_eq!(refusal(circle).problem, "leads in a circle");
    assert_eq!(refusal(json!({"$ref": "#"})).problem, "leads in a circle");
}

#[test]
fn a_schema_has_bounds() {
    let large = json!({"description": "x".repeat(64 * 1024)});
    assert!(refusal(large).problem.ends_with("bytes"));
    let deep = (0..70).fold(json!({}), |inner, _| json!({ "not": inner }));
    assert_eq!(refusal(deep).problem, "is too deep");
    let many: Map = (0..2_000).map(|at| (format!("p{at}"), json!({}))).collect();
    assert!(refusal(json!({ "properties": many })).problem.contains("more than 2000 schemas"));
    let mut chain: Map =
        (0..100).map(|at| (format!("d{at}"), json!({"$ref": format!("#/$defs/d{}", at + 1)}))).collect();
    chain.insert("d100".into(), json!({}));
    assert!(refusal(json!({"$defs": chain, "$ref": "#/$defs/d0"})).problem.contains("one after the other"));
}

type Map = serde_json::Map<String, Value>;

#[test]
fn bombs_end_fast() {
    let begun = Instant::now();
    let text = |tail: &str| json!(format!("{}{tail}", "a".repeat(100_000)));
    for pattern in ["^(a+)+$", "^(a|aa)+$", "^(.*)*(.*)*b$"] {
        assert_eq!(paths(&schema(json!({ "pattern": pattern })), text("!")), [""], "{pattern}");
    }
    let large = refusal(json!({"pattern": "((a{1000}){1000}){1000}"}));
    assert!(large.problem.contains("is no JSON Schema"), "{large}");
    // Each refers to the next one twice.
    let twice = |at: usize| json!({"allOf": [{"$ref": format!("#/$defs/d{}", at + 1)}, {"$ref": format!("#/$defs/d{}", at + 1)}]});
    let mut doubling: Map = (0..28).map(|at| (format!("d{at}"), twice(at))).collect();
    doubling.insert("d28".into(), json!({}));
    let doubling = json!({"$defs": doubling, "$ref": "#/$defs/d0"});
    let again = json!({"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]});
    let nested = (0..60).fold(json!(null), |inner, _| json!({ "a": inner }));
    let told = on_a_deep_stack(move || {
        let checks = [(doubling, json!(1)), (again, nested)];
        checks.map(|(schema, value)| self::schema(schema).check(&value, &limits()).unwrap_err().remove(0).message)
    });
    assert!(told.iter().all(|message| message.contains("takes too long to check")), "{told:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_record_is_small_json_and_the_last_of_two_names_counts() {
    assert_eq!(parse_value(br#"{"a": 1, "a": 2}"#, &limits()), Ok(json!({"a": 2})));
    let told = parse_value(br#"{"password": hunter2}"#, &limits()).unwrap_err();
    assert_eq!(told, "is no JSON (line 1, column 14); allowed: JSON");
    let small = OutputLimits { record_bytes: 4, ..limits() };
    assert!(parse_value(b"1234", &small).is_ok() && parse_value(b"12345", &small).is_err());
}

#[test]
fn the_id_of_a_record_is_read_back() {
    let id = OutputId { job: JobId::new(7, crate::job::Timestamp::from_millis(1_000), 3), number: 12 };
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!("x".parse::<OutputId>().is_err() && format!("{}.x", id.job).parse::<OutputId>().is_err());
}
