//! Any bytes as a request of a plugin: what is let through goes where the operator says and nowhere else.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::plugin_request(bytes));
