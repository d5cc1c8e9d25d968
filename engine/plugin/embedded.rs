//! The plugins that are part of this program.

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

/// All of them.
pub const EMBEDDED: &[Embedded] = &[];
