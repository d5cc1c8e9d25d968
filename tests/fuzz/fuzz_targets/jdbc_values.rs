//! Any bytes as a value of each type of a database: JSON on one line, or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|value: &[u8]| windlass_plugin_jdbc::fuzz_values(value));
