//! Random cron texts on ordinary dates, in leap years, at ends of years, and to the second around changes of clocks.

use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

use super::transitions::{Days, ahead, change};
use super::{Calendar, CalendarSpec, Rule};
use crate::job::{ScheduleLimits, Timestamp};

/// A part of a text and what it means, made together.
type Part = (String, Vec<i64>);

const MONTHS: [&str; 12] = ["JAN", "feb", "Mar", "april", "may", "jun", "JULY", "aug", "sep", "oct", "november", "dec"];
const DAYS: [&str; 7] = ["sun", "MON", "Tuesday", "wed", "thu", "fri", "SATURDAY"];

fn item(least: i64, most: i64) -> impl Strategy<Value = Part> {
    let names: &'static [&'static str] = match most {
        12 => &MONTHS,
        6 => &DAYS,
        _ => &[],
    };
    let spell = move |number: i64, by_name: bool| match names.get((number - least) as usize) {
        Some(name) if by_name => (*name).to_owned(),
        _ => number.to_string(),
    };
    let number = least..=most;
    let list = |from: i64, to: i64, step: i64| (from..=to).step_by(step as usize).collect::<Vec<i64>>();
    prop_oneof![
        2 => (number.clone(), any::<bool>()).prop_map(move |(one, by_name)| (spell(one, by_name), vec![one])),
        2 => (number.clone(), number.clone(), any::<bool>(), 1..=most - least).prop_map(move |(a, b, by_name, step)| {
            let (a, b) = (a.min(b), a.max(b));
            // A Sunday at the end of a range is the end of the week.
            let by_name = by_name && b != 0;
            let text = format!("{}-{}", spell(a, by_name), spell(b, by_name));
            if step % 2 == 0 { (text, list(a, b, 1)) } else { (format!("{text}/{step}"), list(a, b, step)) }
        }),
        1 => (1..=most - least).prop_map(move |step| (format!("*/{step}"), list(least, most, step))),
        1 => (number, 1..=most - least).prop_map(move |(a, step)| (format!("{a}/{step}"), list(a, most, step))),
    ]
}

fn part(least: i64, most: i64) -> impl Strategy<Value = Part> {
    let listed = prop::collection::vec(item(least, most), 1..4).prop_map(|items| {
        let texts: Vec<&str> = items.iter().map(|(text, _)| text.as_str()).collect();
        (texts.join(","), items.iter().flat_map(|(_, numbers)| numbers.clone()).collect())
    });
    prop_oneof![1 => Just(("*".to_owned(), (least..=most).collect::<Vec<i64>>())), 2 => listed]
}

/// Random parts, joined to one text.
#[derive(Clone, Debug)]
struct Random {
    text: String,
    second: Vec<i64>,
    minute: Vec<i64>,
    hour: Vec<i64>,
    day: Vec<i64>,
    month: Vec<i64>,
    weekday: Vec<i64>,
    either: bool,
}

prop_compose! {
    fn random()(
        second in prop_oneof![Just(None), part(0, 59).prop_map(Some)],
        (minute, hour, day) in (part(0, 59), part(0, 23), part(1, 31)),
        (month, weekday) in (part(1, 12), part(0, 6)),
    ) -> Random {
        let either = !day.0.starts_with('*') && !weekday.0.starts_with('*');
        let mut texts = vec![&minute.0, &hour.0, &day.0, &month.0, &weekday.0];
        texts.splice(0..0, second.as_ref().map(|second| &second.0));
        let text = texts.iter().map(|text| text.as_str()).collect::<Vec<&str>>().join(" ");
        let second = second.map_or(vec![0], |second| second.1);
        Random { text, second, minute: minute.1, hour: hour.1, day: day.1, month: month.1, weekday: weekday.1, either }
    }
}

impl Random {
    fn means_day(&self, days: &mut Days, wall: i64) -> bool {
        let date = days.wall(wall);
        let (of_month, of_week) = (self.day.contains(&date.day), self.weekday.contains(&date.weekday));
        let days = if self.either { of_month || of_week } else { of_month && of_week };
        days && self.month.contains(&date.month)
    }

    fn means(&self, days: &mut Days, wall: i64) -> bool {
        let in_day = wall.rem_euclid(86_400);
        self.second.contains(&(in_day % 60))
            && self.minute.contains(&(in_day / 60 % 60))
            && self.hour.contains(&(in_day / 3_600))
            && self.means_day(days, wall)
    }

    /// The next time after this one, found by looking at all days and then at all seconds of one.
    fn next(&self, wall: i64, until: i64) -> Option<i64> {
        let mut days = Days::default();
        let mut day = (wall + 1).div_euclid(86_400);
        while day * 86_400 <= until {
            if self.means_day(&mut days, day * 86_400) {
                let from = (wall + 1).max(day * 86_400);
                if let Some(next) = (from..(day + 1) * 86_400).find(|wall| self.means(&mut days, *wall)) {
                    return Some(next);
                }
            }
            day += 1;
        }
        None
    }

    fn names_every_hour(&self) -> bool {
        (0..24).all(|hour| self.hour.contains(&hour))
    }

    fn calendar(&self, zone: Tz) -> Option<Calendar> {
        let spec = CalendarSpec::cron(&self.text).in_zone(zone.name());
        match Calendar::parse(&spec, &ScheduleLimits::default()) {
            Ok(calendar) => Some(calendar),
            Err(problems) => {
                assert!(problems.iter().all(|it| it.problem == "it never fires"), "{}: {problems:?}", self.text);
                None
            }
        }
    }
}

/// Days that are worth a look: any, around the leap days of all kinds of years, and around new year.
fn moments() -> impl Strategy<Value = i64> {
    let leap = prop_oneof![Just(68_169_600_i64), Just(951_696_000), Just(1_709_164_800), Just(4_107_456_000)];
    let new_year = prop_oneof![Just(0_i64), Just(946_684_800), Just(1_767_225_600), Just(4_102_444_800)];
    prop_oneof![
        2 => 86_400_i64..4_000_000_000,
        1 => (leap, -90_000_i64..180_000).prop_map(|(day, more)| day + more),
        1 => (new_year, 0_i64..180_000).prop_map(|(day, more)| day + more),
    ]
}

const NINE_YEARS: i64 = 9 * 366 * 86_400;
/// 2101-01-01T00:00:00Z.
const END: i64 = 4_133_980_800;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn random_texts_fire_when_they_say(random in random(), after in moments()) {
        let Some(calendar) = random.calendar(Tz::UTC) else {
            prop_assert_eq!(random.next(0, END - 1), None);
            return Ok(());
        };
        let until = (after + NINE_YEARS).min(END - 1);
        let mut after = after;
        for _ in 0..3 {
            let next = calendar.next_after(Timestamp::from_millis(after as u64 * 1_000));
            let next = next.map(|next| next.as_millis() as i64 / 1_000);
            let expected = random.next(after, until);
            prop_assert_eq!(next.filter(|next| *next <= until), expected, "{}", &random.text);
            let Some(next) = next else { break };
            after = next;
        }
    }

    #[test]
    fn the_canonical_text_means_the_same(random in random()) {
        let Some(calendar) = random.calendar(Tz::UTC) else { return Ok(()) };
        let again = Calendar::parse(calendar.spec(), &ScheduleLimits::default()).unwrap();
        prop_assert_eq!(again.spec(), calendar.spec());
        let Rule::Cron(text) = &calendar.spec().rule else { panic!("a cron text became {:?}", calendar.spec()) };
        prop_assert!(!text.contains(|letter: char| letter.is_alphabetic()), "{}", text);
        let from = Timestamp::from_millis(951_000_000_000);
        prop_assert_eq!(again.preview(from, 20), calendar.preview(from, 20));
    }

    #[test]
    fn no_two_fires_are_nearer_than_the_least_interval(random in random(), after in moments()) {
        let Some(calendar) = random.calendar(Tz::UTC) else { return Ok(()) };
        let fires = calendar.preview(Timestamp::from_millis(after as u64 * 1_000), 200);
        let nearest = fires.iter().zip(fires.iter().skip(1)).map(|(a, b)| b.millis_since(*a)).min();
        let least = calendar.least_interval_ms();
        prop_assert!(nearest.is_none_or(|nearest| least.is_some_and(|least| least <= nearest)), "{}", &random.text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// To the second: what the text means is shown, shown once more, or left out.
    #[test]
    fn random_texts_meet_changes_of_clocks(
        random in random(),
        zone in prop::sample::select(TZ_VARIANTS.to_vec()),
        year in 0_i64..130,
    ) {
        // Any change of that year, or an ordinary day of it.
        let new_year = 86_400 * 2 + year * 31_556_952;
        let mut days = (new_year..new_year + 31_000_000).step_by(86_400);
        let found = days.find_map(|at| change(zone, at, at + 86_400)).map_or(new_year, |change| change.at);
        let (from, until) = (found - 8_000, found + 8_000);
        let Some(calendar) = random.calendar(zone) else { return Ok(()) };
        let expected = expected(&random, zone, from, until);
        let (from, until) = (Timestamp::from_millis(from as u64 * 1_000), Timestamp::from_millis(until as u64 * 1_000));
        let fires: Vec<i64> = calendar.fires(from, until).map(|fire| fire.as_millis() as i64 / 1_000).collect();
        prop_assert_eq!(fires, expected, "{} in {}", &random.text, zone);
    }
}

/// Second by second along the clock.
fn expected(random: &Random, zone: Tz, from: i64, until: i64) -> Vec<i64> {
    let mut days = Days::default();
    let mut latest = from - 1 + ahead(zone, from - 1);
    let mut last = latest;
    let mut expected = Vec::new();
    for at in from..until {
        let shown = at + ahead(zone, at);
        let is_new = shown > latest;
        let skipped = latest.max(last) + 1..shown;
        let by_hours =
            is_new && (random.means(&mut days, shown) || skipped.clone().any(|wall| random.means(&mut days, wall)));
        let by_showing = random.names_every_hour() && random.means(&mut days, shown);
        if if random.names_every_hour() { by_showing } else { by_hours } {
            expected.push(at);
        }
        latest = latest.max(shown);
        last = shown;
    }
    expected
}
