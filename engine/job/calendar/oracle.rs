//! The calendar against a walk along the clock: all zones, all changes of clocks from 1970 to 2100.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono_tz::Tz;

use super::expressions::{EXPRESSIONS, Expression};
use super::transitions::{Change, Step, all_zones, walk};
use super::{Calendar, CalendarSpec};
use crate::job::{ScheduleLimits, Timestamp};

/// Seconds that are looked at before and after what a change leaves out or repeats.
const AROUND: i64 = 25 * 60;

/// When it fires by the written rule: whoever names hours fires at the first showing of each time, or right after
/// the change that left it out; whoever does not, at each showing.
fn fires(expression: &Expression, steps: &[Step]) -> Vec<i64> {
    let (mut fires, means) = (Vec::new(), expression.means);
    // A plain loop: it goes round a quarter of a billion times, in a build that is not optimised.
    for step in steps {
        let counts = expression.every_hour || !step.again;
        let is_shown = counts && step.wall.as_ref().is_some_and(means);
        if is_shown || !expression.every_hour && step.skipped.iter().any(means) {
            fires.push(step.at);
        }
    }
    fires
}

fn calendar(text: &str, zone: Tz) -> Calendar {
    let spec = CalendarSpec::cron(text).in_zone(zone.name());
    Calendar::parse(&spec, &ScheduleLimits::default()).unwrap()
}

/// Checks one change of clocks; every fire that is found is one check, and so is the end of the walk.
fn check(zone: Tz, change: &Change, calendars: &[Calendar]) -> usize {
    let shift = (change.after - change.before).abs();
    let (from, until) = (change.at - AROUND - shift, change.at + AROUND + shift);
    let (from, until) = (from.max(86_400) / 60 * 60, until / 60 * 60);
    let steps = walk(zone, from, until);
    let mut checks = 0;
    for (expression, calendar) in EXPRESSIONS.iter().zip(calendars) {
        let mut after = Timestamp::from_millis((from as u64) * 1_000 - 1);
        for expected in fires(expression, &steps) {
            let next = calendar.next_after(after).map(|next| next.as_millis() as i64);
            let said = expression.text;
            assert_eq!(next, Some(expected * 1_000), "{said} in {zone} after {after} ({change:?})");
            after = Timestamp::from_millis(expected as u64 * 1_000);
            checks += 1;
        }
        let beyond = calendar.next_after(after);
        let is_beyond = beyond.is_none_or(|beyond| beyond.as_millis() as i64 >= until * 1_000);
        assert!(is_beyond, "{} in {zone} after {after} ({change:?}): {beyond:?}", expression.text);
        checks += 1;
    }
    checks
}

#[test]
fn every_change_of_every_clock_is_met_by_the_written_rule() {
    assert!(EXPRESSIONS.len() >= 40);
    let started = std::time::Instant::now();
    let groups = Mutex::new(all_zones());
    let zones: usize = groups.lock().unwrap().iter().map(|(_, zones)| zones.len()).sum();
    let all: usize = groups.lock().unwrap().iter().map(|(changes, zones)| changes.len() * zones.len()).sum();
    let different: usize = groups.lock().unwrap().iter().map(|(changes, _)| changes.len()).sum();
    let latest = groups.lock().unwrap().iter().filter_map(|(changes, _)| changes.last()).map(|it| it.at).max();
    let checks = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some((changes, zones)) = groups.lock().unwrap().pop() else { break };
                    let calendars: Vec<Calendar> =
                        EXPRESSIONS.iter().map(|expression| calendar(expression.text, zones[0])).collect();
                    for change in &changes {
                        checks.fetch_add(check(zones[0], change, &calendars), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let checks = checks.into_inner();
    let latest = Timestamp::from_millis(latest.unwrap() as u64 * 1_000);
    println!(
        "{checks} checks: {} expressions at {different} changes of clocks, which are {all} in {zones} zones, \
         the latest at {latest}, in {:?}",
        EXPRESSIONS.len(),
        started.elapsed(),
    );
    assert!(latest.to_string().starts_with("2099-1"), "{latest}");
    assert!(zones >= 590 && all >= 55_000, "{all} changes in {zones} zones");
    assert!(checks >= 2_000_000, "{checks} checks are too few");
}
