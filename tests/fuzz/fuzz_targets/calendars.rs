//! Any text as a cron text in any zone: refused with what is allowed, or a calendar that agrees with itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u16, u64, &str)| {
    let (zone, after_ms, text) = input;
    windlass::fuzzing::calendar(text, usize::from(zone), after_ms);
});
