//! The parts of a cron text: what each may hold, and how one of them is read.

use super::pattern::Numbers;

/// One part of a date and a time.
#[derive(Debug)]
pub(super) struct Unit {
    /// The field that messages name.
    pub(super) field: &'static str,
    pub(super) least: u32,
    pub(super) most: u32,
    /// English names in order from the least.
    names: &'static [&'static str],
    /// `?` is another spelling of `*`.
    is_day: bool,
}

pub(super) const SECOND: Unit = Unit { field: "second", least: 0, most: 59, names: &[], is_day: false };
pub(super) const MINUTE: Unit = Unit { field: "minute", least: 0, most: 59, names: &[], is_day: false };
pub(super) const HOUR: Unit = Unit { field: "hour", least: 0, most: 23, names: &[], is_day: false };
pub(super) const DAY_OF_MONTH: Unit = Unit { field: "day_of_month", least: 1, most: 31, names: &[], is_day: true };
pub(super) const MONTH: Unit = Unit { field: "month", least: 1, most: 12, names: &MONTHS, is_day: false };
/// A week begins with Sunday, which is 7 as well.
pub(super) const DAY_OF_WEEK: Unit = Unit { field: "day_of_week", least: 0, most: 6, names: &DAYS, is_day: true };

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const SUNDAY_TOO: u32 = 7;

/// What a part of a text means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) numbers: Numbers,
    /// It begins with `*`. Vixie's rule for days looks at nothing else.
    pub(super) is_star: bool,
    /// In numbers, without what can be left out.
    pub(super) canonical: String,
}

/// A mistake: the words after the text that is wrong, and that text.
pub(super) struct Wrong<'a> {
    pub(super) text: &'a str,
    pub(super) problem: &'static str,
}

impl Unit {
    /// Every number it may have.
    pub(super) fn all(&self) -> Numbers {
        Numbers::range(self.least, self.most, 1)
    }

    /// What it may hold, for messages.
    pub(super) fn allowed(&self) -> String {
        let (least, most) = (self.least, self.most);
        let top = if self.wraps() { SUNDAY_TOO } else { most };
        let names = match self.names {
            [] => String::new(),
            [first, .., last] => {
                format!(" or {} to {}", first.get(..3).unwrap_or(first), last.get(..3).unwrap_or(last))
            }
            [only] => format!(" or {only}"),
        };
        let any = if self.is_day { "* or ?" } else { "*" };
        let steps = most - least;
        format!(
            "{any}, {least} to {top}{names}, ranges such as {least}-{most}, steps */1 to */{steps}, and lists of these"
        )
    }

    /// Whether one more than the last is the first again.
    fn wraps(&self) -> bool {
        self.most + 1 == SUNDAY_TOO
    }

    /// The number of an English name, in full or its first three letters.
    pub(super) fn named(&self, text: &str) -> Option<u32> {
        let text = text.to_ascii_lowercase();
        let at = self.names.iter().position(|name| *name == text || name.get(..3) == Some(text.as_str()))?;
        Some(self.least + u32::try_from(at).ok()?)
    }

    /// The full name of a number.
    pub(super) fn name_of(&self, number: u32) -> Option<&'static str> {
        self.names.get(usize::try_from(number.checked_sub(self.least)?).ok()?).copied()
    }

    /// One part of a cron text.
    ///
    /// # Errors
    /// Each mistake in it.
    pub(super) fn read<'a>(&self, text: &'a str) -> Result<Field, Vec<Wrong<'a>>> {
        let (mut numbers, mut canonical, mut wrong) = (Numbers::default(), Vec::new(), Vec::new());
        for item in text.split(',') {
            match self.item(item) {
                Ok((some, text)) => {
                    numbers = numbers.joined(some);
                    canonical.push(text);
                }
                Err(problem) => wrong.push(Wrong { text: item, problem }),
            }
        }
        let is_star = text.starts_with(['*', '?']);
        if wrong.is_empty() { Ok(Field { numbers, is_star, canonical: canonical.join(",") }) } else { Err(wrong) }
    }

    /// One item of a list: the numbers it means, and its shortest spelling.
    fn item(&self, text: &str) -> Result<(Numbers, String), &'static str> {
        let (base, step) = match text.split_once('/') {
            Some((base, step)) => (base, Some(self.step(step)?)),
            None => (text, None),
        };
        let every = step.unwrap_or(1);
        if base == "*" || self.is_day && base == "?" {
            let canonical = if every == 1 { "*".to_owned() } else { format!("*/{every}") };
            return Ok((Numbers::range(self.least, self.most, every), canonical));
        }
        let (first, last) = match base.split_once('-') {
            Some((first, last)) => (self.number(first)?, self.last(last)?),
            None => {
                let first = self.number(base)?;
                // A lone number with a step goes on to the end.
                (first, if step.is_some() { self.most.max(first) } else { first })
            }
        };
        if first > last {
            return Err("is a range that ends before it begins");
        }
        let canonical = match (first == last, every) {
            (true, _) => (first % self.modulus()).to_string(),
            (false, 1) => format!("{first}-{last}"),
            (false, every) => format!("{first}-{last}/{every}"),
        };
        let numbers = Numbers::range(first, last, every);
        Ok((numbers.iter().fold(Numbers::default(), |set, number| set.and(number % self.modulus())), canonical))
    }

    /// Sunday is 7 and 0.
    fn modulus(&self) -> u32 {
        if self.wraps() { SUNDAY_TOO } else { self.most + 1 }
    }

    fn step(&self, text: &str) -> Result<u32, &'static str> {
        let step = digits(text).ok_or("has a step that is not a number")?;
        match step {
            0 => Err("has the step 0"),
            step if step > self.most - self.least => Err("has a step that leaves nothing but the first"),
            step => Ok(step),
        }
    }

    /// The end of a range; a Sunday there is the end of the week.
    fn last(&self, text: &str) -> Result<u32, &'static str> {
        match self.number(text)? {
            0 if self.wraps() && self.named(text).is_some() => Ok(SUNDAY_TOO),
            number => Ok(number),
        }
    }

    fn number(&self, text: &str) -> Result<u32, &'static str> {
        if text.is_empty() {
            return Err("lacks a number");
        }
        let Some(number) = digits(text) else {
            return self.named(text).ok_or("is not understood");
        };
        let top = if self.wraps() { SUNDAY_TOO } else { self.most };
        if (self.least..=top).contains(&number) { Ok(number) } else { Err("is out of range") }
    }
}

/// A plain number. One that is too long is out of every range.
fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(u32::MAX))
}
