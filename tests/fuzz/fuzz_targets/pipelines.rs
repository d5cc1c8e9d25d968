//! Any bytes as the text of a pipeline: mistakes that each say what is allowed, or a pipeline that is printed, read again,
//! drawn, and run to its end. The first eight bytes say how its nodes end.
#![no_main]

#[path = "../seeds.rs"]
mod seeds;

/// Everything that the language has.
const WHOLE: &str = "\
parameters: {day: today, region: }
dataNodes:
  raw: {source: raw.csv}
processNodes:
  load: {processor: loader, output: raw, retry: 3, options: {DAY: \"${parameters.day}\", N: 007}}
  count: {config: counter, input: [raw], requirement: []}
  report: {processor: m, after: [load, {node: count, on: always}], options: {ROWS: \"${nodes.count.output}\"}}
  alarm: {processor: mailer, after: {node: load, on: failure}}
requirement: [{name: pandas, version: 1.10}]
schedule: {schedule_interval: 5 10 * * *, start_date: 2022-01-01, timezone: Europe/Paris}
";

libfuzzer_sys::fuzz_target!(
    init: {
        let refused = include_str!("../../../engine/job/pipeline/bad.txt").split("\n=====\n");
        let texts = refused.filter_map(|case| case.split("\n-----\n").next()).chain([WHOLE]);
        seeds::plant(texts.map(|text| [&[0x55; 8], text.as_bytes()].concat()));
    },
    |input: &[u8]| {
        if let Some((way, text)) = input.split_first_chunk() {
            windlass::fuzzing::pipeline(text, u64::from_le_bytes(*way));
        }
    }
);
