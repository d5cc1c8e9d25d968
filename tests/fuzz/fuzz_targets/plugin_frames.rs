//! Any bytes as what goes over the socket to and from a process with a plugin.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windlass::fuzzing::plugin_frames(bytes));
