//! Any text as a URL of JDBC: a database, or problems that show no value of a parameter.
#![no_main]

libfuzzer_sys::fuzz_target!(|url: &str| windlass_plugin_jdbc::fuzz_url(url));
