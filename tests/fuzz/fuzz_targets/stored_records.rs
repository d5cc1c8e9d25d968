//! Any bytes as records of the store: decoded or refused, never a panic; what is decoded encodes to what
//! decodes to the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::records(bytes));
