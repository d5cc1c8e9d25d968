//! Any bytes as the manifest of a plugin and as what an operator grants: read, or refused with what is wrong.
#![no_main]

use windlass::plugin::{parse_config, parse_manifest};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match parse_manifest(bytes) {
        Ok(manifest) => {
            assert!(!manifest.name.is_empty() && manifest.name.len() <= 63);
            assert!(manifest.endpoints.iter().all(|it| !it.methods.is_empty() && !it.paths.is_empty()));
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
    match parse_config(bytes) {
        // Whoever prints it shows no credential, and does not break down.
        Ok(grants) => assert!(!format!("{grants:?}").is_empty()),
        Err(problems) => assert!(!problems.is_empty()),
    }
});
