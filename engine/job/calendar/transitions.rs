//! Every change of the clocks of every zone, found by looking at the zone alone; and what is checked around them.

use std::collections::BTreeMap;

use chrono::{Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::expressions::Wall;
use super::zone::civil;

/// 1970-01-01 and 2101-01-01.
const SPAN: std::ops::Range<i64> = 0..4_133_980_800;
/// No zone changes its clocks twice within this time: looking four times as often finds nothing more.
const LOOK: i64 = 86_400;

/// Seconds that the clocks of a zone are ahead of UTC.
pub(super) fn ahead(zone: Tz, at: i64) -> i64 {
    i64::from(zone.offset_from_utc_datetime(&civil(at)).fix().local_minus_utc())
}

/// A change of clocks: its moment, and how far ahead of UTC they are before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) at: i64,
    pub(super) before: i64,
    pub(super) after: i64,
}

fn changes(zone: Tz) -> Vec<Change> {
    let (mut found, mut before) = (Vec::new(), ahead(zone, SPAN.start));
    for from in SPAN.step_by(LOOK as usize) {
        let after = ahead(zone, from + LOOK);
        if before != after {
            found.extend(change(zone, from, from + LOOK));
            before = after;
        }
    }
    found
}

/// The change between two moments that are not far from each other.
pub(super) fn change(zone: Tz, from: i64, until: i64) -> Option<Change> {
    let (before, after) = (ahead(zone, from), ahead(zone, until));
    if before == after {
        return None;
    }
    let (mut low, mut high) = (from, until);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if ahead(zone, middle) == before { low = middle } else { high = middle }
    }
    Some(Change { at: high, before, after })
}

/// All zones, those together whose clocks go alike: their changes, and one of them.
pub(super) fn all_zones() -> Vec<(Vec<Change>, Vec<Tz>)> {
    let mut groups: BTreeMap<(i64, Vec<Change>), Vec<Tz>> = BTreeMap::new();
    for zone in TZ_VARIANTS {
        groups.entry((ahead(zone, SPAN.start), changes(zone))).or_default().push(zone);
    }
    groups.into_iter().map(|((_, changes), zones)| (changes, zones)).collect()
}

/// What happens at one moment of a walk along the clock.
pub(super) struct Step {
    pub(super) at: i64,
    /// What the wall shows, when that is a whole minute.
    pub(super) wall: Option<Wall>,
    /// It was shown before.
    pub(super) again: bool,
    /// The whole minutes that were left out right before.
    pub(super) skipped: Vec<Wall>,
}

/// A walk along the clock of a zone, in steps in which no whole minute is missed.
pub(super) fn walk(zone: Tz, from: i64, until: i64) -> Vec<Step> {
    let mut days = Days::default();
    let mut steps = Vec::new();
    let mut latest = from - 30 + ahead(zone, from - 30);
    let mut last = latest;
    for at in (from..until).step_by(30) {
        let shown = at + ahead(zone, at);
        assert_eq!(shown % 30, 0, "{zone} at {at} is neither on a minute nor on half of one");
        let mut skipped = Vec::new();
        if shown - last > 30 {
            let minutes = (latest.max(last) + 1..shown).filter(|second| second % 60 == 0);
            skipped.extend(minutes.map(|second| days.wall(second)));
        }
        let wall = (shown % 60 == 0).then(|| days.wall(shown));
        if wall.is_some() || !skipped.is_empty() {
            steps.push(Step { at, wall, again: shown <= latest, skipped });
        }
        latest = latest.max(shown);
        last = shown;
    }
    steps
}

/// Dates, counted day by day from 1970-01-01; the last one is remembered.
#[derive(Default)]
pub(super) struct Days(Option<(i64, Wall)>);

impl Days {
    pub(super) fn wall(&mut self, second: i64) -> Wall {
        let (day, minute) = (second.div_euclid(86_400), second.rem_euclid(86_400) / 60);
        let date = match self.0 {
            Some((known, date)) if known == day => date,
            _ => date_of(day),
        };
        self.0 = Some((day, date));
        Wall { hour: minute / 60, minute: minute % 60, ..date }
    }
}

fn date_of(day: i64) -> Wall {
    // 1970-01-01 was a Thursday.
    let weekday = (day + 4).rem_euclid(7);
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut left) = (1970, day);
    while left < 0 {
        year -= 1;
        left += if is_leap(year) { 366 } else { 365 };
    }
    while left >= if is_leap(year) { 366 } else { 365 } {
        left -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    Wall { year, month, day: left + 1, weekday, hour: 0, minute: 0 }
}
