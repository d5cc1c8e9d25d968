//! Random pipelines for the laws.

use proptest::prelude::*;

use super::examples::good;
use super::{After, DataNode, NodeState, On, Parameter, Pipeline, PipelineSpec, ProcessNode, Requirement};
use crate::job::calendar::CalendarSpec;
use crate::job::limits::{PipelineLimits, ScheduleLimits};
use crate::job::options::OptionValue;

/// How one node is tied to another.
#[derive(Clone, Copy, Debug)]
enum Tie {
    None,
    Data,
    After(On),
    Output,
    Both,
}

fn tie() -> impl Strategy<Value = Tie> {
    prop_oneof![
        6 => Just(Tie::None),
        2 => Just(Tie::Data),
        2 => proptest::sample::select(On::ALL.to_vec()).prop_map(Tie::After),
        1 => Just(Tie::Output),
        1 => Just(Tie::Both),
    ]
}

/// Pipelines of up to nine nodes, in any order of declaration.
pub(super) fn pipelines() -> impl Strategy<Value = Pipeline> {
    let ties = proptest::collection::vec(proptest::collection::vec(tie(), 9), 1..10);
    ties.prop_flat_map(|ties| {
        let places: Vec<usize> = (0..ties.len()).collect();
        (Just(ties), Just(places).prop_shuffle())
    })
    .prop_map(|(ties, places)| {
        let mut spec = PipelineSpec::default();
        let count = ties.len();
        spec.data_nodes =
            (0..count).map(|node| DataNode { name: format!("d{node}"), source: format!("{node}.csv") }).collect();
        let mut nodes: Vec<ProcessNode> = (0..count).map(|node| ProcessNode::new(format!("n{node}"), "m")).collect();
        for (node, ties) in ties.iter().enumerate() {
            nodes[node].output.push(format!("d{node}"));
            for (from, tie) in ties.iter().enumerate().take(node) {
                let name = format!("n{from}");
                if let Tie::Data | Tie::Both = tie {
                    nodes[node].input.push(format!("d{from}"));
                }
                match tie {
                    Tie::After(on) => nodes[node].after.push(After { node: name, on: *on }),
                    Tie::Both => nodes[node].after.push(After { node: name, on: On::Always }),
                    Tie::Output => {
                        nodes[node].options.set(format!("O{from}"), format!("${{nodes.{name}.output}}"));
                    }
                    Tie::None | Tie::Data => {}
                }
            }
        }
        spec.process_nodes = places.into_iter().map(|place| nodes[place].clone()).collect();
        good(&spec.to_yaml())
    })
}

/// How a job ends.
pub(super) fn ends() -> impl Strategy<Value = Vec<NodeState>> {
    let end = prop_oneof![
        3 => Just(NodeState::Succeeded),
        1 => Just(NodeState::Failed),
        1 => Just(NodeState::Cancelled),
    ];
    proptest::collection::vec(end, 9)
}

/// Values of every kind, among them those that YAML makes something else of.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[^\0]{0,20}",
        1 => "[ \\t\\n:#'\"{}\\[\\]&*!|>%@`,?-]{0,8}",
        1 => "[a-z0-9.~:-]{0,6}",
        1 => proptest::sample::select(vec!["null", "~", "true", "1.10", "2022-12-31", "0x1f", "---", "<<", "yes", "$", "$${"]).prop_map(str::to_owned),
    ]
    .prop_map(|text| text.replace("${", "$${"))
}

/// One process node with everything, that means what it says.
pub(super) fn specs() -> impl Strategy<Value = PipelineSpec> {
    let name = "[A-Za-z0-9_][A-Za-z0-9_.@-]{0,9}";
    let requirement = proptest::option::of(proptest::collection::btree_map(
        "[a-z0-9][a-z_.-]{0,5}",
        proptest::option::of("[0-9a-z.<=!+*][0-9.]{0,5}"),
        0..3,
    ));
    let requirement = requirement.prop_map(|map| {
        map.map(|map| map.into_iter().map(|(name, version)| Requirement { name, version }).collect::<Vec<_>>())
    });
    let schedule = proptest::option::of((0..60_u32, proptest::option::of(1..28_u32))).prop_map(|parts| {
        parts.map(|(minute, day)| {
            let calendar = CalendarSpec::cron(format!("{minute} 1 * * *")).in_zone("Europe/Paris");
            match day {
                Some(day) => calendar.from(format!("2022-01-{day:02}T00:00:00")),
                None => calendar,
            }
        })
    });
    let parts = (
        proptest::collection::btree_set(name, 1..4),
        proptest::collection::btree_map("[^=\\p{Cc}]{1,9}", value(), 0..4),
        proptest::collection::btree_map(name, proptest::option::of(value()), 0..3),
        requirement.clone(),
        requirement,
        (proptest::option::of(1..100_u32), "[^\\p{Cc}\\s]{1,9}", "[^\\p{Cc}\\\\/.]{1,9}"),
        schedule,
    );
    parts
        .prop_map(|(names, options, parameters, own, requirement, (attempts, processor, source), schedule)| {
            let parameters: Vec<Parameter> = parameters
                .into_iter()
                .map(|(name, default)| Parameter { name, default: default.map(OptionValue::from) })
                .collect();
            let schedule = schedule.filter(|_| parameters.iter().all(|it| it.default.is_some()));
            let mut nodes: Vec<ProcessNode> = names.iter().map(|name| ProcessNode::new(name, &processor)).collect();
            nodes[0].options = options.into_iter().collect();
            nodes[0].requirement = own;
            nodes[0].max_attempts = attempts;
            nodes[0].input = names.iter().cloned().collect();
            let data_nodes = names
                .iter()
                .enumerate()
                .map(|(at, name)| DataNode { name: name.clone(), source: format!("{source}{at}") });
            PipelineSpec { data_nodes: data_nodes.collect(), process_nodes: nodes, parameters, requirement, schedule }
        })
        .prop_map(|spec| {
            let checked = Pipeline::new(spec, &PipelineLimits::default(), &ScheduleLimits::default());
            checked.unwrap().spec().clone()
        })
}
