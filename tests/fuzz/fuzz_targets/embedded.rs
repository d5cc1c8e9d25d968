//! Any bytes as base64 and as a data URI: content or an error, and what is encoded comes back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::embedded(bytes));
