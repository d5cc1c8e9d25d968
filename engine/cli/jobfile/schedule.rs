//! One schedule of a file.

use super::fields::{Field, Fields, Places};
use super::mistake::Mistakes;
use super::node::Value;
use super::options::{Source, read_options};
use crate::job::{
    CalendarSpec, CatchUp, DateParts, Overlap, OwnSchedule, Policy, Rule, ScheduleLimits, ScheduleSpec, Target,
};

/// All fields of a schedule.
pub(super) const SCHEDULE_FIELDS: [&str; 16] = [
    "project", "cron", "at", "times", "start", "end", "zone", "config", "chain", "pipeline", "options", "overlap",
    "buffer", "catch_up", "on_time", "jitter",
];
const PARTS: [&str; 5] = ["month", "day_of_month", "day_of_week", "hour", "minute"];

/// Fields of the schedule of a config: those that say what runs are not among them.
pub(super) const OWN_FIELDS: [&str; 11] =
    ["cron", "at", "times", "start", "end", "zone", "overlap", "buffer", "catch_up", "on_time", "jitter"];

/// Reads a schedule: its project, and the rest as far as it could be read.
pub(super) fn read_schedule(
    fields: &Fields<'_>,
    source: &mut Source<'_>,
    places: &mut Places,
    mistakes: &mut Mistakes,
) -> (Option<String>, Option<ScheduleSpec>) {
    let project = text(fields, "project", places, mistakes);
    let times = read_times(fields, places, mistakes);
    let target = read_target(fields, places, mistakes);
    let options = match fields.get_as("options", "options", places) {
        Some(field) => read_options(&field, source, places, mistakes),
        None => Default::default(),
    };
    let spec = times.zip(target).map(|(OwnSchedule { calendar, policy }, target)| ScheduleSpec {
        calendar,
        policy,
        target,
        options,
    });
    (project, spec)
}

/// Reads when a schedule fires and what happens when fires meet.
pub(super) fn read_times(fields: &Fields<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Option<OwnSchedule> {
    let rule = read_rule(fields, places, mistakes);
    let start = text(fields, "start", places, mistakes);
    let end = text(fields, "end", places, mistakes);
    let zone = text(fields, "zone", places, mistakes);
    let policy = read_policy(fields, places, mistakes);
    let zone = zone.unwrap_or_else(|| "UTC".to_owned());
    rule.map(|rule| OwnSchedule { calendar: CalendarSpec { start, end, zone, rule }, policy })
}

fn text(fields: &Fields<'_>, name: &str, places: &mut Places, mistakes: &mut Mistakes) -> Option<String> {
    fields.get_as(name, name, places)?.text(mistakes, "a text").map(str::to_owned)
}

/// Exactly one of several fields.
fn one_of<'n>(
    fields: &Fields<'n>,
    names: &[&'static str],
    needed_at: &'static str,
    mistakes: &mut Mistakes,
) -> Option<(&'static str, Field<'n>)> {
    let mut found: Option<(&'static str, Field<'n>)> = None;
    for name in names {
        let Some(field) = fields.get(name) else { continue };
        match &found {
            Some((first, _)) => {
                field.fail(mistakes, format!("there is {first} already"), format!("one of {}", names.join(", ")))
            }
            None => found = Some((name, field)),
        }
    }
    if found.is_none() {
        fields.fail(needed_at, "there is none", &format!("one of {}", names.join(", ")), mistakes);
    }
    found
}

fn read_rule(fields: &Fields<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Option<Rule> {
    let (name, field) = one_of(fields, &["cron", "at", "times"], "cron", mistakes)?;
    let checked_as = if name == "at" { "parts" } else { name };
    places.note(checked_as, field.node.at, &field.path);
    match name {
        "cron" => field.text(mistakes, "a cron text").map(|text| Rule::Cron(text.to_owned())),
        "times" => {
            let times = field.texts(mistakes, "a time, or a list of times")?;
            Some(Rule::Times(times.into_iter().map(str::to_owned).collect()))
        }
        _ => {
            let inner = Fields::of(field.node, &field.path, &PARTS, mistakes)?;
            let number = |name: &str, most: u64, places: &mut Places, mistakes: &mut Mistakes| {
                let field = inner.get_as(name, &format!("parts.{name}"), places)?;
                field.whole(mistakes, 0, most).map(|number| number as i64)
            };
            let day_of_week = inner.get_as("day_of_week", "parts.day_of_week", places);
            Some(Rule::Parts(DateParts {
                month: number("month", 12, places, mistakes),
                day_of_month: number("day_of_month", 31, places, mistakes),
                day_of_week: day_of_week.and_then(|it| it.text(mistakes, "a day")).map(str::to_owned),
                hour: number("hour", 23, places, mistakes),
                minute: number("minute", 59, places, mistakes),
            }))
        }
    }
}

fn read_target(fields: &Fields<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Option<Target> {
    let (name, field) = one_of(fields, &["config", "chain", "pipeline"], "config", mistakes)?;
    places.note(name, field.node.at, &field.path);
    match name {
        "config" => field.text(mistakes, "the name of a config").map(|name| Target::Config(name.to_owned())),
        "pipeline" => field.text(mistakes, "the name of a pipeline").map(|name| Target::Pipeline(name.to_owned())),
        _ => {
            let names = field.texts(mistakes, "a list of names of configs")?;
            Some(Target::Chain(names.into_iter().map(str::to_owned).collect()))
        }
    }
}

fn read_policy(fields: &Fields<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Policy {
    let mut policy = Policy::default();
    if let Some(field) = fields.get_as("overlap", "overlap", places) {
        let most = ScheduleLimits::default().waiting;
        let choices = [
            ("allow", Overlap::Allow),
            ("skip", Overlap::Skip),
            ("buffer_one", Overlap::BufferOne),
            ("buffer_all", Overlap::BufferAll { most }),
            ("cancel_other", Overlap::CancelOther),
        ];
        policy.overlap = field.choice(mistakes, &choices).unwrap_or_default();
    }
    if let Some(field) = fields.get_as("buffer", "overlap.most", places) {
        let most = field.whole(mistakes, 1, u64::from(ScheduleLimits::default().waiting)).unwrap_or(1);
        match &mut policy.overlap {
            Overlap::BufferAll { most: waiting } => *waiting = u32::try_from(most).unwrap_or(u32::MAX),
            _ => field.fail(mistakes, "it is for buffer_all only", "overlap: buffer_all beside it"),
        }
    }
    if let Some(field) = fields.get_as("catch_up", "catch_up", places) {
        policy.catch_up = read_catch_up(&field, places, mistakes).unwrap_or_default();
    }
    if let Some(field) = fields.get_as("on_time", "on_time_ms", places) {
        policy.on_time_ms = field.duration_ms(mistakes, 0).unwrap_or(policy.on_time_ms);
    }
    if let Some(field) = fields.get_as("jitter", "jitter_ms", places) {
        policy.jitter_ms = field.duration_ms(mistakes, 0).unwrap_or_default();
    }
    policy
}

/// `none`, `one`, `{window: 2h}` or `{most: 5}`.
fn read_catch_up(field: &Field<'_>, places: &mut Places, mistakes: &mut Mistakes) -> Option<CatchUp> {
    if !matches!(field.node.value, Value::Map(_)) {
        let word = field.text(mistakes, "none, one, {window: 2h} or {most: 5}")?;
        return match word {
            "none" => Some(CatchUp::None),
            "one" => Some(CatchUp::One),
            word => {
                field.fail(mistakes, super::plan::not_known(word), "none, one, {window: 2h} or {most: 5}");
                None
            }
        };
    }
    let inner = Fields::of(field.node, &field.path, &["window", "most"], mistakes)?;
    let (name, inner) = one_of(&inner, &["window", "most"], "window", mistakes)?;
    if name == "window" {
        places.note("catch_up.ms", inner.node.at, &inner.path);
        return inner.duration_ms(mistakes, 1).map(|ms| CatchUp::Window { ms });
    }
    places.note("catch_up.count", inner.node.at, &inner.path);
    let count = inner.whole(mistakes, 1, u64::from(ScheduleLimits::default().catch_up))?;
    Some(CatchUp::Most { count: u32::try_from(count).unwrap_or(u32::MAX) })
}
