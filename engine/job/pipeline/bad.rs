//! Pipelines that are refused, each with exactly what is told. `bad.txt` holds them: the text, a line, the mistakes.

use super::{Pipeline, PipelineSpec};
use crate::job::limits::{PipelineLimits, ScheduleLimits};

/// What is told of a text; notes where it is fine.
pub(super) fn told(text: impl AsRef<[u8]>) -> String {
    let read = Pipeline::parse(text.as_ref(), &PipelineLimits::default(), &ScheduleLimits::default());
    let lines: Vec<String> = match read {
        Ok(pipeline) => pipeline.notes().iter().map(|note| format!("fine: {note:?}")).collect(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    };
    lines.join("\n")
}

#[test]
fn each_mistake_is_told_with_its_line_its_field_and_what_is_allowed() {
    let mut otherwise = String::new();
    let mut cases = 0;
    for case in include_str!("bad.txt").split("\n=====\n") {
        let (text, expected) = case.split_once("\n-----\n").unwrap();
        let text = text.replace("<TAB>", "\t");
        let said = told(&text);
        cases += 1;
        if said != expected.trim_end() {
            otherwise.push_str(&format!("{}\n-----\n{said}\n=====\n", text.replace('\t', "<TAB>")));
        }
    }
    assert!(otherwise.is_empty(), "these are told otherwise:\n{otherwise}");
    assert!(cases >= 60, "{cases}");
}

#[test]
fn bytes_that_are_no_text() {
    let expected = "1:4: the text is not UTF-8; allowed: UTF-8 text";
    assert_eq!(told(b"a: \xff"), expected);
    assert!(told(b"\xff\xfep\0").starts_with("1:1: the text is not UTF-8"));
    let nul = told("processNodes:\n  a: {processor: m} # \0 hides\n");
    assert!(nul.starts_with("2:23: the text holds a control character"), "{nul}");
    let long = told(vec![b' '; (8 << 20) + 1]);
    assert_eq!(long, "1:1: the text has 8388609 bytes; allowed: at most 8388608 bytes");
}

#[test]
fn a_value_of_an_option_is_never_told() {
    let values =
        ["x-secret-x ${no.such-thing!}", "x-secret-x ${parameters.none}", "x-secret-x ${", "\"x-secret-x \\0\""];
    for value in values {
        let said = told(format!("processNodes: {{a: {{processor: m, options: {{KEY: '{value}'}}}}}}"));
        assert!(!said.contains("secret"), "{said}");
    }
    let said = told("processNodes: {a: {processor: m, options: {KEY: 'x ${in between, a secret} y'}}}");
    assert!(said.contains("options.KEY: what is between ${ and } is not known") && !said.contains("secret"), "{said}");
}

#[test]
fn many_mistakes_are_cut_and_counted() {
    let mut text = "processNodes:\n".to_owned();
    for node in 0..150 {
        text.push_str(&format!("  n{node}: {{processor: m, input: none}}\n"));
    }
    let said = told(text);
    assert_eq!(said.lines().count(), 101);
    let last = "101:5: there are 50 more mistakes; allowed: a pipeline without mistakes";
    assert!(said.lines().last().unwrap().ends_with(last.split_once(": ").unwrap().1), "{said}");
}

#[test]
fn a_secret_has_no_place_in_a_pipeline() {
    let mut node = super::ProcessNode::new("a", "m");
    node.options.set_secret("KEY", "x-secret-x");
    let spec = PipelineSpec { process_nodes: vec![node], ..PipelineSpec::default() };
    assert!(!format!("{spec:?} {}", spec.to_yaml()).contains("secret-x"));
    let problems = Pipeline::new(spec, &PipelineLimits::default(), &ScheduleLimits::default()).unwrap_err();
    let expected =
        "processNodes.a.options.KEY: the value is secret; allowed: a parameter for which each run gives a secret value";
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_pipeline_that_was_no_text_is_told_of_by_its_fields() {
    let spec = PipelineSpec {
        process_nodes: vec![super::ProcessNode::new("a", "m"), super::ProcessNode::new("a", "")],
        ..PipelineSpec::default()
    };
    let problems = Pipeline::new(spec, &PipelineLimits::default(), &ScheduleLimits::default()).unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "processNodes.a: \"a\" is there already; allowed: each name of a process node once",
        "processNodes.a.processor: there is none; allowed: the name of a job config",
    ];
    assert_eq!(said, expected);
    let empty = Pipeline::new(PipelineSpec::default(), &PipelineLimits::default(), &ScheduleLimits::default());
    assert_eq!(empty.unwrap_err()[0].field, "processNodes");
}
