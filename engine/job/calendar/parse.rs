//! From what somebody wrote to a calendar, or to every mistake in it.

use super::cron_text::{self, CronText, every_text};
use super::mistakes::Mistakes;
use super::moment::{MOMENT_ALLOWED, Moment};
use super::pattern::{Numbers, Parts, Pattern};
use super::spec::{CalendarSpec, DateParts, Rule};
use super::unit::{DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH, Unit};
use super::zone::Zone;
use super::{Calendar, When};
use crate::error::Problem;
use crate::job::Timestamp;
use crate::job::limits::ScheduleLimits;

impl Calendar {
    /// Checks what somebody wrote.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(spec: &CalendarSpec, limits: &ScheduleLimits) -> Result<Calendar, Vec<Problem>> {
        let mut mistakes = Mistakes::default();
        let zone = parse_zone(&spec.zone, &mut mistakes);
        let start = parse_moment("start", spec.start.as_deref(), &mut mistakes);
        let end = parse_moment("end", spec.end.as_deref(), &mut mistakes);
        let rule = parse_rule(&spec.rule, limits, &mut mistakes);
        // Without a zone, or with one that is wrong, nothing else would be told of times in it.
        let at = |moment: Option<Moment>| moment.zip(zone).map(|(moment, zone)| moment.at(zone));
        if let (Some(start), Some(end)) = (at(start), at(end))
            && start >= end
        {
            mistakes.add("end", "it is not later than the start", "a time after the start");
        }
        let (Some(zone), Some(rule), []) = (zone, rule, mistakes.0.as_slice()) else { return Err(mistakes.0) };
        let rule = rule.in_order(zone);
        let calendar = Calendar {
            spec: CalendarSpec {
                rule: rule.canonical(),
                start: start.map(Moment::text),
                end: end.map(Moment::text),
                zone: zone.name().to_owned(),
            },
            when: rule.when(zone, at(start)),
            start: at(start),
            end: at(end),
            zone,
        };
        calendar.check_that_it_fires(&mut mistakes);
        if mistakes.0.is_empty() { Ok(calendar) } else { Err(mistakes.0) }
    }

    fn check_that_it_fires(&self, mistakes: &mut Mistakes) {
        let first = Timestamp::from_millis(0);
        if self.next_from(first).is_some() {
            return;
        }
        let (field, allowed) = match &self.spec.rule {
            Rule::Cron(_) => ("cron", "a day that some month has"),
            Rule::Parts(_) => ("parts", "a day that some month has"),
            Rule::Times(_) => ("times", "a time between start and end"),
        };
        let unbounded = Calendar { start: None, end: None, ..self.clone() };
        if unbounded.next_from(first).is_none() || matches!(self.when, When::Listed(_)) {
            mistakes.add(field, "it never fires", allowed);
        } else {
            let field = if self.end.is_some() { "end" } else { "start" };
            mistakes.add(field, "it never fires between start and end", "bounds with at least one fire between them");
        }
    }
}

/// A rule that is fine.
enum Parsed {
    Cron(Box<Pattern>, String),
    Parts(Box<Pattern>, DateParts),
    Every(u64),
    Times(Vec<Moment>),
}

impl Parsed {
    /// One-off times are sorted, each once.
    fn in_order(mut self, zone: Zone) -> Parsed {
        if let Parsed::Times(times) = &mut self {
            times.sort_by_key(|time| time.at(zone));
            times.dedup_by_key(|time| time.at(zone));
        }
        self
    }

    fn canonical(&self) -> Rule {
        match self {
            Parsed::Cron(_, text) => Rule::Cron(text.clone()),
            Parsed::Every(ms) => Rule::Cron(every_text(*ms)),
            Parsed::Parts(_, parts) => Rule::Parts(parts.clone()),
            Parsed::Times(times) => Rule::Times(times.iter().map(|time| time.text()).collect()),
        }
    }

    fn when(self, zone: Zone, start: Option<Timestamp>) -> When {
        match self {
            Parsed::Cron(pattern, _) | Parsed::Parts(pattern, _) => When::Wall(pattern),
            Parsed::Every(interval_ms) => When::Every { from_ms: start.unwrap_or_default().as_millis(), interval_ms },
            Parsed::Times(times) => When::Listed(times.into_iter().map(|time| time.at(zone)).collect()),
        }
    }
}

fn parse_zone(name: &str, mistakes: &mut Mistakes) -> Option<Zone> {
    let zone = Zone::named(name);
    if zone.is_none() {
        let allowed = match Zone::like(name) {
            Some(known) => format!("{known}, in these capitals"),
            None => "a name of the IANA time zone database, such as Europe/Paris or UTC".to_owned(),
        };
        mistakes.text("zone", name, "is not a time zone", allowed);
    }
    zone
}

fn parse_moment(field: &str, text: Option<&str>, mistakes: &mut Mistakes) -> Option<Moment> {
    let text = text?;
    let moment = Moment::parse(text);
    if moment.is_none() {
        mistakes.text(field, text, "is not a time", MOMENT_ALLOWED);
    }
    moment
}

fn parse_rule(rule: &Rule, limits: &ScheduleLimits, mistakes: &mut Mistakes) -> Option<Parsed> {
    match rule {
        Rule::Cron(text) => match cron_text::parse(text, limits.cron_bytes, mistakes)? {
            CronText::Every(ms) => Some(Parsed::Every(ms)),
            CronText::Parts(parts, canonical) => Some(Parsed::Cron(pattern("cron", parts, mistakes)?, canonical)),
        },
        Rule::Parts(given) => {
            let (parts, canonical) = parse_parts(given, mistakes)?;
            Some(Parsed::Parts(pattern("parts", parts, mistakes)?, canonical))
        }
        Rule::Times(texts) => parse_times(texts, limits.times, mistakes).map(Parsed::Times),
    }
}

fn pattern(field: &str, parts: Parts, mistakes: &mut Mistakes) -> Option<Box<Pattern>> {
    let pattern = Pattern::new(parts).map(Box::new);
    if pattern.is_none() {
        mistakes.add(field, "it is not understood", "another way to say the same");
    }
    pattern
}

fn parse_times(texts: &[String], most: usize, mistakes: &mut Mistakes) -> Option<Vec<Moment>> {
    if texts.is_empty() || texts.len() > most {
        mistakes.add("times", format!("there are {}", texts.len()), format!("1 to {most} times"));
        return None;
    }
    let named = texts.iter().enumerate().map(|(at, text)| (format!("times[{at}]"), text));
    let times: Vec<Option<Moment>> = named.map(|(field, text)| parse_moment(&field, Some(text), mistakes)).collect();
    times.into_iter().collect()
}

/// The numbers of each part, and the parts in their one spelling.
fn parse_parts(given: &DateParts, mistakes: &mut Mistakes) -> Option<(Parts, DateParts)> {
    let known = mistakes.0.len();
    let month = parse_number(&MONTH, given.month, mistakes);
    let day_of_month = parse_number(&DAY_OF_MONTH, given.day_of_month, mistakes);
    let day_of_week = parse_day(given.day_of_week.as_deref(), mistakes);
    let hour = parse_number(&HOUR, given.hour, mistakes);
    let minute = parse_number(&MINUTE, given.minute, mistakes);
    if *given == DateParts::default() {
        let allowed = "at least one of month, day_of_month, day_of_week, hour and minute";
        mistakes.add("parts", "there is none", allowed);
    }
    if mistakes.0.len() > known {
        return None;
    }
    let is_day_given = day_of_month.is_some() || day_of_week.is_some();
    // A part that is finer than all that are given is at its first.
    let or_first = |unit: &Unit, number: Option<u32>, finer_is_given: bool| match number {
        Some(number) => Numbers::default().and(number),
        None if finer_is_given => unit.all(),
        None => Numbers::default().and(unit.least),
    };
    let parts = Parts {
        second: Numbers::default().and(0),
        minute: or_first(&MINUTE, minute, false),
        hour: or_first(&HOUR, hour, minute.is_some()),
        day_of_month: or_first(&DAY_OF_MONTH, day_of_month, is_day_given || hour.is_some() || minute.is_some()),
        month: or_first(&MONTH, month, true),
        day_of_week: day_of_week.map_or(DAY_OF_WEEK.all(), |day| Numbers::default().and(day)),
        either_day: false,
    };
    let name = day_of_week.and_then(|day| DAY_OF_WEEK.name_of(day)).map(str::to_owned);
    Some((parts, DateParts { day_of_week: name, ..given.clone() }))
}

fn parse_number(unit: &Unit, given: Option<i64>, mistakes: &mut Mistakes) -> Option<u32> {
    let given = given?;
    let number = u32::try_from(given).ok().filter(|number| (unit.least..=unit.most).contains(number));
    if number.is_none() {
        let allowed = format!("{} to {}", unit.least, unit.most);
        mistakes.add(&format!("parts.{}", unit.field), format!("{given} is out of range"), allowed);
    }
    number
}

fn parse_day(given: Option<&str>, mistakes: &mut Mistakes) -> Option<u32> {
    let given = given?;
    let day = DAY_OF_WEEK.named(given.trim());
    if day.is_none() {
        let allowed = "sunday, monday, tuesday, wednesday, thursday, friday or saturday";
        mistakes.text("parts.day_of_week", given, "is not a day of the week", allowed);
    }
    day
}
