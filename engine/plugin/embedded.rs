//! The plugins that are part of this program. `build.rs` builds them and writes down where they are.

/// A plugin that is part of this program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Its name.
    pub name: &'static str,
    /// Its component.
    pub component: &'static [u8],
    /// Its manifest.
    pub manifest: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use super::EMBEDDED;
    use crate::plugin::{parse_manifest, read_component};

    #[test]
    fn each_is_what_its_manifest_says() {
        let names: Vec<&str> = EMBEDDED.iter().map(|it| it.name).collect();
        assert!(names.contains(&"mock") && names.contains(&"shell"), "{names:?}");
        for embedded in EMBEDDED {
            let manifest = parse_manifest(embedded.manifest.as_bytes()).unwrap();
            let component = read_component(embedded.component).unwrap();
            assert_eq!(manifest.name, embedded.name);
            assert_eq!(component.kinds(), [manifest.kind], "{}", embedded.name);
            let carried = component.manifest.as_deref();
            assert_eq!(carried, Some(embedded.manifest.as_bytes()), "{} carries its manifest", embedded.name);
        }
    }
}
