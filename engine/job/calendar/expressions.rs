//! Cron texts for the oracle, each with what it means said once more in Rust, apart from the engine's reading.

/// What a clock on the wall shows, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wall {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    /// 0 is Sunday.
    pub(super) weekday: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
}

/// A cron text.
pub(super) struct Expression {
    pub(super) text: &'static str,
    /// Whether it means this time on the wall.
    pub(super) means: fn(&Wall) -> bool,
    /// Whether it names no hour.
    pub(super) every_hour: bool,
}

const fn at_hours(text: &'static str, means: fn(&Wall) -> bool) -> Expression {
    Expression { text, means, every_hour: false }
}

const fn every_hour(text: &'static str, means: fn(&Wall) -> bool) -> Expression {
    Expression { text, means, every_hour: true }
}

fn is(it: &Wall, hour: i64, minute: i64) -> bool {
    it.hour == hour && it.minute == minute
}

pub(super) const EXPRESSIONS: &[Expression] = &[
    every_hour("0-9 * * * *", |it| it.minute < 10),
    every_hour("*/5 * * * *", |it| it.minute % 5 == 0),
    every_hour("*/15 0-23 * * *", |it| it.minute % 15 == 0),
    every_hour("7,37 * * * *", |it| it.minute == 7 || it.minute == 37),
    every_hour("@hourly", |it| it.minute == 0),
    every_hour("30 * * * *", |it| it.minute == 30),
    every_hour("59 */1 * * *", |it| it.minute == 59),
    every_hour("10-50/20 * * * SUN", |it| [10, 30, 50].contains(&it.minute) && it.weekday == 0),
    every_hour("0 * 31 dec *", |it| it.minute == 0 && it.day == 31 && it.month == 12),
    every_hour("45 * 1 * 1", |it| it.minute == 45 && (it.day == 1 || it.weekday == 1)),
    at_hours("30 2 * * *", |it| is(it, 2, 30)),
    at_hours("0 2 * * *", |it| is(it, 2, 0)),
    at_hours("59 1 * * *", |it| is(it, 1, 59)),
    at_hours("0 3 * * *", |it| is(it, 3, 0)),
    at_hours("1 3 * * *", |it| is(it, 3, 1)),
    at_hours("30 1 * * *", |it| is(it, 1, 30)),
    at_hours("15 0 * * *", |it| is(it, 0, 15)),
    at_hours("@daily", |it| is(it, 0, 0)),
    at_hours("@midnight", |it| is(it, 0, 0)),
    at_hours("30 23 * * *", |it| is(it, 23, 30)),
    at_hours("59 23 * * 6", |it| is(it, 23, 59) && it.weekday == 6),
    at_hours("0 */2 * * *", |it| it.minute == 0 && it.hour % 2 == 0),
    at_hours("*/15 */2 * * *", |it| it.minute % 15 == 0 && it.hour % 2 == 0),
    at_hours("10-20 2 * * *", |it| it.hour == 2 && (10..=20).contains(&it.minute)),
    at_hours("*/10 0-3 * * *", |it| it.minute % 10 == 0 && it.hour <= 3),
    at_hours("*/20 1,2,3 * * *", |it| it.minute % 20 == 0 && (1..=3).contains(&it.hour)),
    at_hours("30 2 * * sun", |it| is(it, 2, 30) && it.weekday == 0),
    at_hours("30 2 * * 7", |it| is(it, 2, 30) && it.weekday == 0),
    at_hours("30 2 * * 5-7", |it| is(it, 2, 30) && (it.weekday == 0 || it.weekday >= 5)),
    at_hours("15 2 25-31 3 *", |it| is(it, 2, 15) && it.day >= 25 && it.month == 3),
    at_hours("15 2 25-31 3,10 0", |it| {
        is(it, 2, 15) && (it.day >= 25 || it.weekday == 0) && (it.month == 3 || it.month == 10)
    }),
    at_hours("0 1 */2 * 0", |it| is(it, 1, 0) && it.day % 2 == 1 && it.weekday == 0),
    at_hours("0 1 8-14 * */3", |it| is(it, 1, 0) && (8..=14).contains(&it.day) && it.weekday % 3 == 0),
    at_hours("45 1 ? * MON-FRI", |it| is(it, 1, 45) && (1..=5).contains(&it.weekday)),
    at_hours("20 2 1 1 *", |it| is(it, 2, 20) && it.day == 1 && it.month == 1),
    at_hours("@monthly", |it| is(it, 0, 0) && it.day == 1),
    at_hours("@yearly", |it| is(it, 0, 0) && it.day == 1 && it.month == 1),
    at_hours("@annually", |it| is(it, 0, 0) && it.day == 1 && it.month == 1),
    at_hours("@weekly", |it| is(it, 0, 0) && it.weekday == 0),
    at_hours("0 12 29 2 *", |it| is(it, 12, 0) && it.day == 29 && it.month == 2),
    at_hours("0,30 1-2 * apr-jun,sep-nov *", |it| {
        it.minute % 30 == 0 && (it.hour == 1 || it.hour == 2) && [4, 5, 6, 9, 10, 11].contains(&it.month)
    }),
    at_hours("5/25 2-4/2 * * *", |it| [5, 30, 55].contains(&it.minute) && (it.hour == 2 || it.hour == 4)),
    at_hours("0 0 30 12 *", |it| is(it, 0, 0) && it.day == 30 && it.month == 12),
    at_hours("0 6,18 28-31 * *", |it| it.minute == 0 && (it.hour == 6 || it.hour == 18) && it.day >= 28),
    at_hours("0 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22 * * *", |it| it.minute == 0 && it.hour < 23),
    at_hours("0 2 * * 1-5", |it| is(it, 2, 0) && (1..=5).contains(&it.weekday)),
    at_hours("0 0 2 3 * *", |it| is(it, 2, 0) && it.day == 3),
    at_hours("0 30 0 * * 4", |it| is(it, 0, 30) && it.weekday == 4),
];
