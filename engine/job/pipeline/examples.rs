//! The examples of the language, as their page has them.

use super::bad::told;
use super::{After, On, Pipeline, PipelineSpec, Requirement};
use crate::job::calendar::{Calendar, CalendarSpec, Rule};
use crate::job::limits::{PipelineLimits, ScheduleLimits};
use crate::job::time::Timestamp;

pub(super) fn good(text: &str) -> Pipeline {
    let read = Pipeline::parse(text.as_bytes(), &PipelineLimits::default(), &ScheduleLimits::default());
    let told: Result<Pipeline, Vec<String>> = read.map_err(|list| list.iter().map(ToString::to_string).collect());
    told.unwrap()
}

const BASIC: &str = "\
dataNodes:
  data_node_1:
    source: my_input.csv
  data_node_2:
    source: my_output.csv
processNodes:
  process_node_1:
    input:
    - data_node_1
    output:
    - data_node_2
    processor: my_module
";

#[test]
fn the_basic_pipeline() {
    let pipeline = good(BASIC);
    assert_eq!(pipeline.spec().process_nodes.len(), 1);
    assert_eq!(pipeline.sources_of(0), (vec!["my_input.csv"], vec!["my_output.csv"]));
    assert_eq!(pipeline.needed_sources(), ["my_input.csv"]);
    assert_eq!(pipeline.needed_processors(), ["my_module"]);
    assert!(pipeline.notes().is_empty());
    assert_eq!(pipeline.requirement_of(0), None);
}

#[test]
fn two_tasks_in_a_row() {
    let pipeline = good(
        "\
dataNodes:
  data_node_1:
    source: my_input.csv
  data_node_2:
    source: intermediate.csv
  data_node_3:
    source: my_output.csv
processNodes:
  process_node_1:
    input:
    - data_node_1
    output:
    - data_node_2
    processor: my_first_task
  process_node_2:
    input:
    - data_node_2
    output:
    - data_node_3
    processor: my_second_task
",
    );
    assert_eq!(pipeline.graph().order(), [0, 1]);
    assert_eq!(pipeline.graph().before(1), [super::Edge { from: 0, on: On::Success }]);
    assert_eq!(pipeline.graph().roots().collect::<Vec<_>>(), [0]);
    assert_eq!(pipeline.needed_sources(), ["my_input.csv"]);
    assert_eq!(pipeline.needed_processors(), ["my_first_task", "my_second_task"]);
}

#[test]
fn several_inputs_and_outputs_keep_their_order() {
    let mut text = "dataNodes:\n".to_owned();
    for data in 1..=5 {
        text.push_str(&format!("  data{data}:\n    source: {data}.csv\n"));
    }
    let task = "processNodes:\n  task1:\n    input:\n    - data3\n    - data1\n    - data2\n    output:\n    - data5\n    - data4\n    processor: my_module\n";
    let pipeline = good(&format!("{text}{task}"));
    assert_eq!(pipeline.sources_of(0), (vec!["3.csv", "1.csv", "2.csv"], vec!["5.csv", "4.csv"]));
    assert_eq!(pipeline.needed_sources(), ["1.csv", "2.csv", "3.csv"]);
    // As the page prints it, without data nodes.
    let said = told(task);
    assert_eq!(said.lines().count(), 5);
    assert!(said.starts_with("4:7: processNodes.task1.input[0]: there is no data node \"data3\""), "{said}");
}

#[test]
fn each_day_at_five_past_ten_in_paris() {
    let pipeline = good(&format!(
        "{BASIC}schedule:\n  schedule_interval: \"5 10 * * *\"\n  start_date: \"2022-01-01 00:00\"\n  end_date: \"2022-12-31 00:00\"\n  timezone: \"Europe/Paris\"\n"
    ));
    let spec = pipeline.spec().schedule.clone().unwrap();
    let calendar = Calendar::parse(&spec, &ScheduleLimits::default()).unwrap();
    let fires: Vec<String> = calendar
        .fires(Timestamp::from_millis(0), Timestamp::from_millis(4_000_000_000_000))
        .map(|at| at.to_string())
        .collect();
    assert_eq!(fires.len(), 364);
    assert_eq!(fires[0], "2022-01-01T09:05:00.000Z");
    assert_eq!(fires[200], "2022-07-20T08:05:00.000Z");
    assert_eq!(fires[363], "2022-12-30T09:05:00.000Z");
}

#[test]
fn dates_and_versions_without_quotes_are_texts() {
    let pipeline = good(&format!(
        "{BASIC}schedule:\n  schedule_interval: '@daily'\n  start_date: 2022-01-01\n  end_date: 2022-12-31\nrequirement:\n-\n  name: \"pandas\"\n  version: 1.5.3\n- name: numpy\n  version: 1.10\n- name: tables\n"
    ));
    let expected = CalendarSpec::new(Rule::Cron("0 0 * * *".into()));
    let schedule = pipeline.spec().schedule.clone().unwrap();
    assert_eq!((&schedule.rule, schedule.zone.as_str()), (&expected.rule, "UTC"));
    assert_eq!(schedule.end.as_deref(), Some("2022-12-31T00:00:00"));
    let versions: Vec<(&str, Option<&str>)> =
        pipeline.requirement_of(0).unwrap().iter().map(|it| (it.name.as_str(), it.version.as_deref())).collect();
    assert_eq!(versions, [("pandas", Some("1.5.3")), ("numpy", Some("1.10")), ("tables", None)]);
}

#[test]
fn a_nodes_own_requirement_replaces_that_of_the_pipeline() {
    let text = "\
requirement: [{name: pandas, version: 1.5.3}]
processNodes:
  all: {processor: m}
  own: {processor: m, requirement: [{name: numpy, version: 2.0}]}
  none: {processor: m, requirement: []}
  empty: {processor: m, requirement: }
";
    let pipeline = good(text);
    let names = |node: usize| -> Vec<&str> {
        pipeline.requirement_of(node).unwrap().iter().map(|it: &Requirement| it.name.as_str()).collect()
    };
    assert_eq!([names(0), names(1), names(2), names(3)], [vec!["pandas"], vec!["numpy"], vec![], vec!["pandas"]]);
}

#[test]
fn everything_beside_it() {
    let text = "\
parameters:
  day: today
  region:
dataNodes:
  raw: {source: raw.csv}
processNodes:
  load: {processor: loader, output: raw, retry: 3, options: {DAY: \"${parameters.day}\", N: 007, EMPTY: ''}}
  count: {config: counter, input: raw, retry: {max_attempts: 2}}
  report:
    processor: reporter
    after: [load, {node: count, on: always}]
    options:
      ROWS: \"rows=${nodes.count.output} in ${parameters.region}\"
  alarm: {processor: mailer, after: {node: load, on: failure}}
  last: {processor: cleaner, after: {node: report, on: always}}
";
    let pipeline = good(text);
    let spec = pipeline.spec();
    assert_eq!(spec.process_nodes[1].processor, "counter");
    let options: Vec<(&str, &str)> =
        spec.process_nodes[0].options.iter().map(|(name, value)| (name, value.value.as_str())).collect();
    assert_eq!(options, [("DAY", "${parameters.day}"), ("EMPTY", ""), ("N", "007")]);
    assert_eq!(
        spec.process_nodes.iter().map(|node| node.max_attempts).collect::<Vec<_>>(),
        [Some(3), Some(2), None, None, None]
    );
    let count = After { node: "count".into(), on: On::Always };
    assert_eq!(spec.process_nodes[2].after, [After { node: "load".into(), on: On::Success }, count]);
    // The output value of `count` is there only when it succeeds.
    let edges: Vec<(usize, On)> = pipeline.graph().before(2).iter().map(|edge| (edge.from, edge.on)).collect();
    assert_eq!(edges, [(0, On::Success), (1, On::Success)]);
    assert_eq!(pipeline.graph().before(3)[0].on, On::Failure);
    assert_eq!(pipeline.graph().depth(), 4);
    assert_eq!(pipeline.position_of("last"), Some(4));
    assert!(pipeline.needed_sources().is_empty());
}

#[test]
fn json_is_the_same_language() {
    let json = "{\"dataNodes\": {\"data_node_1\": {\"source\": \"my_input.csv\"}, \"data_node_2\": {\"source\": \"my_output.csv\"}},\n\t\"processNodes\": {\n\t\t\"process_node_1\": {\n\t\t\t\"input\": [\"data_node_1\"],\n\t\t\t\"output\": [\"data_node_2\"],\n\t\t\t\"processor\": \"my_\\u006dodule\"\n\t\t}\n\t}\n}\n";
    let pipeline = good(json);
    assert_eq!(pipeline.spec(), good(BASIC).spec());
    assert_eq!(pipeline.graph(), good(BASIC).graph());
    let compact = json.replace([' ', '\n', '\t'], "");
    assert_eq!(good(&compact).spec(), good(BASIC).spec());
    let escaped = good(
        r#"{"processNodes":{"a":{"processor":"m","retry":3,"after":null,"options":{"X":"\ud83d\ude00 \/\u00e9\n","N":1.10}}}}"#,
    );
    let options = &escaped.spec().process_nodes[0].options;
    let values: Vec<&str> = options.iter().map(|(_, value)| value.value.as_str()).collect();
    assert_eq!(values, ["1.10", "\u{1f600} /é\n"]);
    let windows = format!("\u{feff}---\n{BASIC}...\n").replace('\n', "\r\n");
    assert_eq!(good(&windows).spec(), good(BASIC).spec());
}

#[test]
fn what_is_probably_not_meant_is_noted() {
    let pipeline = good("parameters: {p: x}\ndataNodes:\n  lone: {source: x.csv}\nprocessNodes: {a: {processor: m}}\n");
    let notes: Vec<String> =
        pipeline.notes().iter().map(|note| format!("{}: {}: {}", note.at.unwrap(), note.field, note.text)).collect();
    assert_eq!(
        notes,
        ["3:3: dataNodes.lone: no process node reads or writes it", "1:14: parameters.p: no option uses it"]
    );
    assert!(pipeline.needed_sources().is_empty());
}

#[test]
fn plain_data_is_stable() {
    let pipeline = good(
        "parameters: {p: x}\ndataNodes: {d: {source: x.csv}}\nprocessNodes: {a: {processor: m, input: d, after: {node: b, on: always}, options: {A: \"${parameters.p}\"}}, b: {processor: m}}\n",
    );
    let json = serde_json::to_string(pipeline.spec()).unwrap();
    let expected = "{\"data_nodes\":[{\"name\":\"d\",\"source\":\"x.csv\"}],\"process_nodes\":[{\"name\":\"a\",\"processor\":\"m\",\"input\":[\"d\"],\"output\":[],\"after\":[{\"node\":\"b\",\"on\":\"always\"}],\"options\":{\"A\":{\"value\":\"${parameters.p}\",\"secret\":false}},\"max_attempts\":null,\"requirement\":null},{\"name\":\"b\",\"processor\":\"m\",\"input\":[],\"output\":[],\"after\":[],\"options\":{},\"max_attempts\":null,\"requirement\":null}],\"parameters\":[{\"name\":\"p\",\"default\":{\"value\":\"x\",\"secret\":false}}],\"requirement\":null,\"schedule\":null}";
    assert_eq!(json, expected);
    let back: PipelineSpec = serde_json::from_str(&json).unwrap();
    assert_eq!(&back, pipeline.spec());
    let debug = format!("{pipeline:?}");
    assert!(!debug.contains("parameters.p}"), "{debug}");
}

#[test]
fn it_is_printed_in_its_one_spelling() {
    let text = "\
processNodes:
  a: {processor: m, output: d, requirement: []}
  b: {config: 'm n', input: [d], retry: {max_attempts: 2}, after: {node: a, on: always}, options: {V: 1.10}}
dataNodes: {d: {source: x.csv}}
parameters: {p: x, q: \"\"}
requirement: [{name: pandas, version: 1.5.3}]
schedule: {schedule_interval: '@hourly', timezone: Europe/Paris}
";
    let expected = "\
parameters:
  p: x
  q: \"\"
dataNodes:
  d:
    source: x.csv
processNodes:
  a:
    output:
    - d
    processor: m
    requirement: []
  b:
    input:
    - d
    processor: \"m n\"
    after:
    - {node: a, on: always}
    options:
      V: \"1.10\"
    retry: 2
requirement:
- name: \"pandas\"
  version: \"1.5.3\"
schedule:
  schedule_interval: \"0 * * * *\"
  timezone: \"Europe/Paris\"
";
    let printed = good(text).spec().to_yaml();
    assert_eq!(printed, expected);
    assert_eq!(good(&printed).spec(), good(text).spec());
    let must_be_given = "parameters:\n  p:\nprocessNodes:\n  a:\n    processor: m\n";
    assert_eq!(good("{parameters: {p: ~}, processNodes: {a: {processor: m}}}").spec().to_yaml(), must_be_given);
}
