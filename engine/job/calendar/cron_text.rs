//! Cron texts: five parts or six, `@daily` and its kin, `@every 90s`.

use super::mistakes::Mistakes;
use super::pattern::Parts;
use super::unit::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH, SECOND, Unit};

/// A cron text that is fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CronText {
    /// Times on the wall, and their canonical text.
    Parts(Parts, String),
    /// A time that passes between two, in milliseconds.
    Every(u64),
}

const SHAPES: &str = "5 parts (minute, hour, day of month, month, day of week), 6 with seconds before them, \
    @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, or @every and a duration";
const DURATION_ALLOWED: &str = "1s to 366d, such as 90s or 1h30m";

const SHORT: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Reads a cron text; `None` when there are mistakes.
pub(super) fn parse(text: &str, most_bytes: usize, mistakes: &mut Mistakes) -> Option<CronText> {
    if text.len() > most_bytes {
        mistakes.add("cron", format!("{} bytes", text.len()), format!("at most {most_bytes} bytes"));
        return None;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["@every", duration] => match duration_ms(duration) {
            Some(ms) => Some(CronText::Every(ms)),
            None => {
                mistakes.text("cron", duration, "is not such a duration", DURATION_ALLOWED);
                None
            }
        },
        [short] if short.starts_with('@') => match SHORT.iter().find(|(name, _)| name.eq_ignore_ascii_case(short)) {
            Some((_, long)) => parse(long, most_bytes, mistakes),
            None => {
                mistakes.text("cron", short, "is not known", SHAPES);
                None
            }
        },
        [minute, hour, of_month, month, of_week] => read(["0", minute, hour, of_month, month, of_week], mistakes),
        [second, minute, hour, of_month, month, of_week] => {
            read([second, minute, hour, of_month, month, of_week], mistakes)
        }
        words => {
            mistakes.add("cron", format!("there are {} parts", words.len()), SHAPES);
            None
        }
    }
}

fn read(texts: [&str; 6], mistakes: &mut Mistakes) -> Option<CronText> {
    let units = [SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK];
    let read: Vec<Option<Field>> = units.iter().zip(texts).map(|(unit, text)| field(unit, text, mistakes)).collect();
    let fields: Vec<Field> = read.into_iter().collect::<Option<_>>()?;
    let [second, minute, hour, day_of_month, month, day_of_week] = fields.as_slice() else { return None };
    let parts = Parts {
        second: second.numbers,
        minute: minute.numbers,
        hour: hour.numbers,
        day_of_month: day_of_month.numbers,
        month: month.numbers,
        day_of_week: day_of_week.numbers,
        either_day: !day_of_month.is_star && !day_of_week.is_star,
    };
    let shown = if second.canonical == "0" { fields.get(1..)? } else { fields.as_slice() };
    let canonical: Vec<&str> = shown.iter().map(|field| field.canonical.as_str()).collect();
    Some(CronText::Parts(parts, canonical.join(" ")))
}

fn field(unit: &Unit, text: &str, mistakes: &mut Mistakes) -> Option<Field> {
    match unit.read(text) {
        Ok(field) => Some(field),
        Err(wrong) => {
            for wrong in wrong {
                let field = format!("cron.{}", unit.field);
                mistakes.text(&field, wrong.text, wrong.problem, unit.allowed());
            }
            None
        }
    }
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A duration of whole seconds: numbers with units, the large units first.
fn duration_ms(text: &str) -> Option<u64> {
    let (mut rest, mut seconds, mut units) = (text, 0_u64, UNITS.iter());
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?);
        let mut letters = after.chars();
        let unit = letters.next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(*length)?)?;
        rest = letters.as_str();
    }
    (1..=366 * 86_400).contains(&seconds).then_some(seconds * 1_000)
}

/// The one text of a duration.
pub(super) fn every_text(ms: u64) -> String {
    let mut seconds = ms / 1_000;
    let mut text = "@every ".to_owned();
    for (name, length) in UNITS {
        if seconds >= length {
            text.push_str(&format!("{}{name}", seconds / length));
            seconds %= length;
        }
    }
    text
}
