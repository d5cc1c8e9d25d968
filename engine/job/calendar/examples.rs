//! Calendars by example: what is asked for in words, and every mistake.

use super::{Calendar, CalendarSpec, DateParts, RULES, Rule};
use crate::job::{ScheduleLimits, Timestamp};

fn parse(spec: &CalendarSpec) -> Calendar {
    Calendar::parse(spec, &ScheduleLimits::default()).unwrap()
}

fn cron(text: &str, zone: &str) -> Calendar {
    parse(&CalendarSpec::cron(text).in_zone(zone))
}

fn problems(spec: &CalendarSpec) -> Vec<String> {
    let found = Calendar::parse(spec, &ScheduleLimits::default()).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

/// A time of RFC 3339 in UTC.
fn at(text: &str) -> Timestamp {
    parse(&CalendarSpec::new(Rule::Times(vec![text.to_owned()]))).next_from(Timestamp::default()).unwrap()
}

/// Fires between two times, to the minute.
fn fires(calendar: &Calendar, from: &str, until: &str) -> Vec<String> {
    calendar.fires(at(from), at(until)).map(|fire| fire.to_string().replace(":00.000Z", "Z")).collect()
}

fn first(calendar: &Calendar) -> String {
    calendar.next_from(Timestamp::default()).unwrap().to_string()
}

#[test]
fn wednesdays_at_nine_begin_after_the_start() {
    let day_of_week = Some("wednesday".to_owned());
    let rule = Rule::Parts(DateParts { day_of_week, hour: Some(21), ..DateParts::default() });
    let calendar = parse(&CalendarSpec::new(rule).from("2021-08-24T11:42:00"));
    assert_eq!(first(&calendar), "2021-08-25T21:00:00.000Z");
    assert_eq!(
        calendar.preview(at("2021-08-25T21:00:00Z"), 1)[0].to_string(),
        "2021-09-01T21:00:00.000Z",
        "each week once"
    );
    assert_eq!(calendar.to_string(), "day_of_week wednesday, hour 21 in UTC from 2021-08-24T11:42:00");
}

#[test]
fn a_year_of_mornings_in_paris() {
    let spec = CalendarSpec::cron("5 10 * * *").in_zone("Europe/Paris").from("2022-01-01").until("2022-12-31");
    let calendar = parse(&spec);
    let fires = fires(&calendar, "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    assert_eq!(fires.len(), 364);
    assert_eq!(fires[0], "2022-01-01T09:05Z");
    assert_eq!(fires[180], "2022-06-30T08:05Z");
    assert_eq!(fires[363], "2022-12-30T09:05Z");
    assert_eq!(calendar.next_after(calendar.end().unwrap()), None);
    let text = "5 10 * * * in Europe/Paris from 2022-01-01T00:00:00 until 2022-12-31T00:00:00";
    assert_eq!(calendar.to_string(), text);
}

#[test]
fn half_past_two_happens_once_on_the_days_of_changes() {
    let calendar = cron("30 2 * * *", "Europe/Paris");
    let spring = fires(&calendar, "2022-03-26T00:00:00Z", "2022-03-29T00:00:00Z");
    assert_eq!(spring, ["2022-03-26T01:30Z", "2022-03-27T01:00Z", "2022-03-28T00:30Z"]);
    let autumn = fires(&calendar, "2022-10-29T00:00:00Z", "2022-11-01T00:00:00Z");
    assert_eq!(autumn, ["2022-10-29T00:30Z", "2022-10-30T00:30Z", "2022-10-31T01:30Z"]);
}

#[test]
fn every_quarter_of_an_hour_goes_on_through_changes() {
    for text in ["*/15 * * * *", "@hourly", "30 * * * *"] {
        let calendar = cron(text, "Europe/Paris");
        for day in ["2022-03-27", "2022-10-30"] {
            let day = at(&format!("{day}T00:00:00Z"));
            let fires: Vec<Timestamp> = calendar.fires(day, day.plus_millis(6 * 3_600_000)).collect();
            let distances = fires.iter().zip(fires.iter().skip(1)).map(|(a, b)| b.millis_since(*a));
            let distances: std::collections::BTreeSet<u64> = distances.collect();
            assert_eq!(distances.len(), 1, "{text} on {day}: {fires:?}");
        }
    }
}

#[test]
fn named_hours_wait_in_autumn_and_meet_in_spring() {
    let calendar = cron("*/30 1-3 * * *", "Europe/Paris");
    let spring = fires(&calendar, "2022-03-27T00:00:00Z", "2022-03-27T06:00:00Z");
    assert_eq!(spring, ["2022-03-27T00:00Z", "2022-03-27T00:30Z", "2022-03-27T01:00Z", "2022-03-27T01:30Z"]);
    let autumn = fires(&calendar, "2022-10-30T00:00:00Z", "2022-10-30T06:00:00Z");
    assert_eq!(autumn, ["2022-10-30T00:00Z", "2022-10-30T00:30Z", "2022-10-30T02:00Z", "2022-10-30T02:30Z"]);
}

#[test]
fn a_day_that_was_left_out_is_made_up_for_at_its_end() {
    let named = cron("0 9 30 12 *", "Pacific/Apia");
    assert_eq!(fires(&named, "2011-12-01T00:00:00Z", "2012-01-31T00:00:00Z"), ["2011-12-30T10:00Z"]);
    let every_hour = cron("0 * 30 12 *", "Pacific/Apia");
    assert!(fires(&every_hour, "2011-12-01T00:00:00Z", "2012-01-31T00:00:00Z").is_empty());
}

#[test]
fn either_day_matches_when_both_are_named() {
    let calendar = cron("0 0 13 * 5", "UTC");
    let days = fires(&calendar, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    assert_eq!(days.len(), 4, "four Fridays, one of them the 13th: {days:?}");
    let calendar = cron("0 0 1,15 * 0", "UTC");
    assert_eq!(fires(&calendar, "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z").len(), 2 + 4);
    let both = cron("0 0 */2 * 5", "UTC");
    let days = fires(&both, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    assert_eq!(days, ["2026-11-13T00:00Z", "2026-11-27T00:00Z"]);
    let parts = DateParts { day_of_month: Some(13), day_of_week: Some("FRI".into()), ..DateParts::default() };
    let fridays = parse(&CalendarSpec::new(Rule::Parts(parts)));
    assert_eq!(fires(&fridays, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z").len(), 3);
}

#[test]
fn finer_parts_are_at_their_first_and_coarser_ones_free() {
    let parts = |parts: DateParts| parse(&CalendarSpec::new(Rule::Parts(parts)));
    let none = DateParts::default;
    let from = at("2026-11-21T21:37:00Z");
    let next = |calendar: Calendar| calendar.next_after(from).unwrap().to_string().replace(":00.000Z", "");
    assert_eq!(next(parts(DateParts { minute: Some(5), ..none() })), "2026-11-21T22:05");
    assert_eq!(next(parts(DateParts { hour: Some(4), ..none() })), "2026-11-22T04:00");
    assert_eq!(next(parts(DateParts { day_of_month: Some(31), ..none() })), "2026-12-31T00:00");
    assert_eq!(next(parts(DateParts { month: Some(2), ..none() })), "2027-02-01T00:00");
    assert_eq!(next(parts(DateParts { month: Some(2), hour: Some(7), ..none() })), "2027-02-01T07:00");
    assert_eq!(next(parts(DateParts { month: Some(2), day_of_month: Some(29), ..none() })), "2028-02-29T00:00");
}

#[test]
fn one_off_times_come_in_order_each_once() {
    let times = ["2026-11-21T10:00:00+01:00", "2022-03-27 02:30", "2026-11-21T09:00:00Z", "2022-01-01"];
    let spec = CalendarSpec::new(Rule::Times(times.map(str::to_owned).to_vec())).in_zone("Europe/Paris");
    let calendar = parse(&spec);
    let fires = fires(&calendar, "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    assert_eq!(fires, ["2021-12-31T23:00Z", "2022-03-27T01:00Z", "2026-11-21T09:00Z"]);
    assert_eq!(parse(calendar.spec()), calendar);
    assert_eq!(calendar.least_interval_ms(), Some(at("2022-03-27T01:00:00Z").millis_since(at("2021-12-31T23:00:00Z"))));
}

#[test]
fn intervals_are_counted_from_the_start() {
    let calendar = parse(&CalendarSpec::cron("@every 1h30m").from("2026-11-21T10:00:00.500Z"));
    let fires: Vec<String> = calendar.preview(Timestamp::default(), 2).iter().map(ToString::to_string).collect();
    assert_eq!(fires, ["2026-11-21T10:00:00.500Z", "2026-11-21T11:30:00.500Z"]);
    assert_eq!(calendar.spec().rule, Rule::Cron("@every 1h30m".into()));
    assert_eq!(cron("@every 90s", "UTC").spec().rule, Rule::Cron("@every 1m30s".into()));
    assert_eq!(
        cron("@every 90s", "Europe/Paris").next_after(at("1970-01-01T00:01:30Z")),
        Some(at("1970-01-01T00:03:00Z"))
    );
}

#[test]
fn the_start_counts_and_the_end_does_not() {
    let calendar = parse(&CalendarSpec::cron("0 0 * * *").from("2026-01-01T00:00:00Z").until("2026-01-03T00:00:00Z"));
    let found = fires(&calendar, "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    assert_eq!(found, ["2026-01-01T00:00Z", "2026-01-02T00:00Z"]);
    assert_eq!(calendar.next_after(Timestamp::MAX), None);
    assert_eq!(cron("* * * * * *", "Asia/Tokyo").next_after(Timestamp::MAX), None);
    assert_eq!(cron("@every 1s", "UTC").next_after(Timestamp::MAX), None);
}

#[test]
fn the_first_and_the_last_moment_of_all() {
    let from_the_first = parse(&CalendarSpec::cron("* * * * * *").from("1970-01-01T00:00:00Z"));
    assert_eq!(from_the_first.next_from(Timestamp::default()), Some(Timestamp::default()));
    for zone in ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"] {
        let calendar = cron("0 * * * *", zone);
        let last = calendar.preview(at("2100-12-30T00:00:00Z"), 1_000).pop().unwrap();
        let beyond = last.plus_millis(3_600_000);
        assert!(calendar.next_after(last).is_none() && calendar.next_after(beyond).is_none(), "{zone}: {last}");
        let offset_ms = match zone {
            "UTC" => 0,
            "Etc/GMT+12" => -12,
            _ => 14,
        } * 3_600_000_i64;
        assert_eq!(last.as_millis() as i64 + offset_ms, at("2100-12-31T23:00:00Z").as_millis() as i64);
    }
}

#[test]
fn one_spelling_for_what_means_the_same() {
    let same = [
        ("@daily", "0 0 * * *"),
        ("  00\t0 ? JAN-mar,12 Sunday ", "0 0 * 1-3,12 0"),
        ("0 5 10 * * 7", "5 10 * * 0"),
        ("1/20 */1 1-1 * fri-sun", "1-59/20 * 1 * 5-7"),
        ("30 0 0 1-31/5 * 1", "30 0 0 1-31/5 * 1"),
        ("@WEEKLY", "0 0 * * 0"),
    ];
    for (text, canonical) in same {
        assert_eq!(cron(text, "UTC").spec().rule, Rule::Cron(canonical.into()), "{text}");
    }
}

#[test]
fn least_intervals_are_exact() {
    let seconds = [
        ("* * * * *", 60),
        ("* * * * * *", 1),
        ("0,59 * * * *", 60),
        ("0,50 * * * *", 600),
        ("0 0,23 * * *", 3_600),
        ("0 0,23 1 * *", 23 * 3_600),
        ("0 0,23 1,31 * *", 3_600),
        ("50 59 23 1,31 12,1 *", 86_400),
        ("5,55 0 0 * * *", 50),
        ("@yearly", 365 * 86_400),
        ("0 0 29 2 *", 1_461 * 86_400),
        ("@every 1d", 86_400),
    ];
    for (text, expected) in seconds {
        assert_eq!(cron(text, "UTC").least_interval_ms(), Some(expected * 1_000), "{text}");
    }
    let once = CalendarSpec::new(Rule::Times(vec!["2026-01-01".into()]));
    assert_eq!(parse(&once).least_interval_ms(), None);
}

#[test]
fn every_mistake_is_told_at_once() {
    let spec =
        CalendarSpec::cron("60 */90 0,32,mai 5-3 montag").in_zone("europe/paris").from("2022-02-30").until("soon");
    let found = problems(&spec).join("\n");
    for start in [
        "cron.minute: \"60\" is out of range; allowed: *, 0 to 59, ranges",
        "cron.hour: \"*/90\" has a step that leaves nothing but the first",
        "cron.day_of_month: \"0\" is out of range; allowed: * or ?, 1 to 31, ranges",
        "cron.day_of_month: \"32\" is out of range",
        "cron.day_of_month: \"mai\" is not understood",
        "cron.month: \"5-3\" is a range that ends before it begins; allowed: *, 1 to 12 or jan to dec, ranges",
        "cron.day_of_week: \"montag\" is not understood; allowed: * or ?, 0 to 7 or sun to sat",
        "zone: \"europe/paris\" is not a time zone; allowed: Europe/Paris, in these capitals",
        "start: \"2022-02-30\" is not a time; allowed: a time from 1970 to 2100",
        "end: \"soon\" is not a time",
    ] {
        assert!(found.contains(start), "{start} is missing in\n{found}");
    }
    assert_eq!(found.lines().count(), 10, "{found}");
    let parts = DateParts {
        month: Some(13),
        day_of_month: Some(0),
        day_of_week: Some("mittwoch".into()),
        hour: Some(24),
        minute: Some(-1),
    };
    let found = problems(&CalendarSpec::new(Rule::Parts(parts))).join("\n");
    for field in ["month", "day_of_month", "day_of_week", "hour", "minute"] {
        assert!(found.contains(&format!("parts.{field}: ")), "{field} is missing in {found}");
    }
    assert!(found.contains("hour: 24 is out of range; allowed: 0 to 23"), "{found}");
}

#[test]
fn texts_that_are_no_calendar() {
    for text in
        ["", "* * * *", "* * * * * * *", "@reboot", "@every", "@every 0s", "@every 1x", "@every 5", "@every 1m1h"]
    {
        assert!(!problems(&CalendarSpec::cron(text)).is_empty(), "{text}");
    }
    for part in ["*/0", "1-", "-1", "1--2", "1,,2", "/5", "*/", "5-1", "1/2/3", "*5", "?", "1.5", "L", "1e1", "٣", "+1"]
    {
        let found = problems(&CalendarSpec::cron(format!("{part} * * * *")));
        assert!(found.len() == 1 && found[0].starts_with("cron.minute: "), "{part}: {found:?}");
    }
    let long = "1,".repeat(600);
    assert_eq!(problems(&CalendarSpec::cron(long)), ["cron: 1200 bytes; allowed: at most 1000 bytes"]);
}

#[test]
fn what_never_fires_is_refused() {
    for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 feb ?"] {
        assert_eq!(problems(&CalendarSpec::cron(text)), ["cron: it never fires; allowed: a day that some month has"]);
    }
    let one_matches = CalendarSpec::cron("0 0 30 2 1");
    assert!(problems(&one_matches).is_empty(), "Mondays in February");
    let between = CalendarSpec::cron("@yearly").from("2022-01-02").until("2022-12-31");
    assert!(problems(&between)[0].starts_with("end: it never fires between start and end"));
    let backwards = CalendarSpec::cron("@daily").from("2022-01-02").until("2022-01-02");
    assert_eq!(problems(&backwards), ["end: it is not later than the start; allowed: a time after the start"]);
    let parts = DateParts { month: Some(2), day_of_month: Some(30), ..DateParts::default() };
    assert!(problems(&CalendarSpec::new(Rule::Parts(parts)))[0].starts_with("parts: it never fires"));
    assert!(problems(&CalendarSpec::new(Rule::Parts(DateParts::default())))[0].starts_with("parts: there is none"));
    let times = CalendarSpec::new(Rule::Times(vec!["2022-01-01".into()]));
    assert!(problems(&times.clone().from("2022-01-02"))[0].starts_with("times: it never fires"));
    assert!(problems(&CalendarSpec::new(Rule::Times(vec![])))[0].starts_with("times: there are 0"));
}

#[test]
fn times_are_read_in_all_their_spellings_and_no_others() {
    let zone = |text: &str| CalendarSpec::cron("* * * * *").in_zone("Europe/Paris").from(text);
    let spellings = [
        ("2022-07-01", "2022-06-30T22:00:00.000Z"),
        ("2022-07-01T00:00", "2022-06-30T22:00:00.000Z"),
        ("2022-07-01 00:00:00.25", "2022-06-30T22:00:00.250Z"),
        ("2022-07-01T00:00:00Z", "2022-07-01T00:00:00.000Z"),
        ("2022-07-01T00:00:00-05:30", "2022-07-01T05:30:00.000Z"),
        ("2022-03-27T02:10:00", "2022-03-27T01:00:00.000Z"),
        ("2022-10-30T02:10:00", "2022-10-30T00:10:00.000Z"),
    ];
    for (text, expected) in spellings {
        assert_eq!(parse(&zone(text)).start().unwrap().to_string(), expected, "{text}");
        let canonical = parse(&zone(text)).spec().clone();
        assert_eq!(parse(&canonical).spec(), &canonical, "{text}");
    }
    for text in [
        "",
        "2022",
        "22-07-01",
        "2022-7-1",
        "2022-07-01T",
        "2022-07-01T24:00",
        "2022-07-01T10",
        "1969-12-31",
        "2101-01-01",
        "2022-07-01T10:00:60",
        "2022-07-01T10:00:00 Europe/Paris",
        "2022-07-01T1:00",
        "+2022-07-01",
        "2022-13-01",
        "tomorrow",
    ] {
        assert_eq!(problems(&zone(text)).len(), 1, "{text}");
    }
}

#[test]
fn a_spec_survives_files_and_records() {
    let times = Rule::Times(vec!["2026-01-01T00:00:00Z".into()]);
    let parts = Rule::Parts(DateParts { hour: Some(3), ..DateParts::default() });
    for rule in [Rule::Cron("5 10 * * *".into()), parts, times] {
        let spec = CalendarSpec::new(rule).in_zone("Europe/Paris").from("2022-01-01");
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<CalendarSpec>(&json).unwrap(), spec);
    }
    let short = r#"{"rule":{"parts":{"day_of_week":"wednesday","hour":21}},"start":"2021-08-24T11:42:00"}"#;
    assert_eq!(parse(&serde_json::from_str(short).unwrap()).spec().zone, "UTC");
    assert!(serde_json::from_str::<CalendarSpec>(r#"{"rule":{"cron":"@daily"},"zome":"UTC"}"#).is_err());
}

#[test]
fn the_rules_name_every_example() {
    for told in
        ["30 2 * * *", "*/15 * * * *", "0 0 13 * 5", "0 0 */2 * 5", "@every", "2100", "not exist", "shown twice"]
    {
        assert!(RULES.contains(told), "{told}");
    }
}
