//! Any bytes as all that a database says: a result, or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|answers: &[u8]| windlass_plugin_jdbc::fuzz_answers(answers));
