//! Logs of one container and of several.

use std::time::Duration;

use windlass_plugin::Channel;
use windlass_plugin::testing::Log;

use super::*;

fn frame(stream: u8, second: u32, text: &str) -> Vec<u8> {
    let text = format!("2026-11-22T08:24:{second:02}.000000000Z {text}");
    [&[stream, 0, 0, 0][..], &u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

fn prints(container: Option<&str>, frames: Vec<u8>) {
    let path = format!("/containers/{}/logs", name::container(&base(), container));
    testing::endpoint("docker").on("GET", &path, move |_| Reply::bytes(200, frames.clone()));
}

fn read(known: &Known, cursor: Option<&str>) -> (Log, bool) {
    let mut log = Log::default();
    let run = testing::run(Some(known.clone()));
    let is_all = log.take(|to| Docker::logs(&run, cursor, Duration::ZERO, to)).unwrap();
    (log, is_all)
}

#[test]
fn the_streams_are_kept_apart_and_go_on_at_the_cursor() {
    inspects(None, ended(0, ""));
    let all = [frame(1, 1, "one\n"), frame(1, 1, "two\n"), frame(2, 2, "three\n"), frame(1, 1, "four\n")].concat();
    prints(None, all);
    let (log, is_all) = read(&known(&[]), None);
    assert!(is_all);
    let pieces: Vec<(Channel, &str)> =
        log.pieces.iter().map(|it| (it.channel, std::str::from_utf8(&it.bytes).unwrap())).collect();
    let expected = [(Channel::Stdout, "one\ntwo\n"), (Channel::Stderr, "three\n"), (Channel::Stdout, "four\n")];
    assert_eq!(pieces, expected);
    for (index, piece) in log.pieces.iter().enumerate() {
        let (rest, _) = read(&known(&[]), Some(&piece.cursor));
        assert_eq!(rest.pieces, log.pieces[index + 1..], "after {}", piece.cursor);
    }
    assert!(testing::asked().last().unwrap().query("since").unwrap().starts_with("1795335841"));
}

#[test]
fn a_log_that_breaks_off_keeps_what_came_and_is_an_error() {
    inspects(None, ended(0, ""));
    let whole = frame(1, 1, "one\n");
    prints(None, [&whole[..], &frame(1, 2, "two\n")[..9]].concat());
    let mut log = Log::default();
    let run = testing::run(Some(known(&[])));
    let error = log.take(|to| Docker::logs(&run, None, Duration::ZERO, to)).unwrap_err();
    assert!(error.message.contains("broke off") && log.to_string() == "one\n", "{error}");
}

#[test]
fn lines_of_several_containers_say_whose_they_are_and_ends_that_are_not_good_are_noted() {
    inspects(Some("a"), ended(0, ""));
    inspects(Some("b"), ended(3, ""));
    prints(Some("a"), [frame(1, 1, "x\n"), frame(1, 2, "begun "), frame(1, 3, "ended\n")].concat());
    prints(Some("b"), frame(2, 1, "oops\n"));
    let (log, is_all) = read(&known(&["b", "a"]), None);
    assert!(is_all);
    assert_eq!(log.to_string(), "a | x\na | begun ended\nb | oops\nthe container b ended with the code 3\n");
    assert_eq!(log.pieces.last().unwrap().channel, Channel::System);
    let (rest, is_all) = read(&known(&["a", "b"]), Some(&log.pieces.last().unwrap().cursor));
    assert!(is_all && rest.pieces.is_empty(), "{rest:?}");
}

#[test]
fn a_reader_that_wants_no_more_gets_no_more() {
    inspects(None, ended(0, ""));
    prints(None, [frame(1, 1, "one\n"), frame(2, 2, "two\n")].concat());
    let mut log = Log { wants: Some(1), ..Log::default() };
    let run = testing::run(Some(known(&[])));
    assert!(!log.take(|to| Docker::logs(&run, None, Duration::ZERO, to)).unwrap());
    assert_eq!(log.to_string(), "one\n");
}

#[test]
fn there_is_no_more_of_what_is_gone_and_nothing_yet_of_what_waits() {
    testing::endpoint("docker").on("GET", "/containers/*/json", |_| Reply::status(404));
    assert!(read(&known(&[]), None).1);
    inspects(None, json!({ "State": { "Status": "created" }, "Config": {} }));
    assert!(!read(&known(&[]), None).1);
}

#[test]
fn of_a_long_log_the_last_lines_are_asked_for_until_they_begin_early_enough() {
    inspects(None, ended(0, ""));
    // At the second 2 by one line of stdout, after five million bytes.
    let cursor = "1795335842000000000.1,0.0,5000000";
    let tails = |known: &Known| {
        let (log, is_all) = read(known, Some(cursor));
        assert!(is_all);
        let asked = testing::asked().into_iter().filter(|it| it.path.ends_with("/logs"));
        (log.to_string(), asked.map(|it| it.query("tail").map(str::to_owned)).collect::<Vec<_>>())
    };
    prints(None, [frame(1, 2, "two\n"), frame(1, 3, "three\n")].concat());
    assert_eq!(tails(&known(&[])), ("three\n".to_owned(), vec![Some("10000".to_owned())]));
    testing::reset();
    inspects(None, ended(0, ""));
    let path = format!("/containers/{}/logs", base());
    testing::endpoint("docker").on("GET", &path, |asked| match asked.query("tail") {
        Some("10000") => Reply::bytes(200, frame(1, 4, "four\n")),
        Some(_) => Reply::bytes(200, []),
        None => Reply::bytes(200, [frame(1, 2, "two\n"), frame(1, 3, "three\n"), frame(1, 4, "four\n")].concat()),
    });
    let all = vec![Some("10000".to_owned()), Some("200000".to_owned()), None];
    assert_eq!(tails(&known(&[])), ("three\nfour\n".to_owned(), all));
}
