//! Handles: what a plugin stores with the engine to find something again.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::types;
use crate::error::{Error, Result};

/// The most bytes that a stored handle may have.
pub const MOST_HANDLE_BYTES: usize = 8_192;

/// What a plugin needs to find something again, stored as JSON. No secret belongs in it.
///
/// When its shape changes in a way that old handles do not fit, raise `SCHEMA` and say in `migrate` what became of the old
/// ones: runs outlive the plugin that started them.
pub trait Handle: Serialize + DeserializeOwned {
    /// The version of its shape.
    const SCHEMA: u32 = 1;

    /// Reads a handle of another version.
    fn migrate(schema: u32, data: &[u8]) -> Result<Self> {
        let _ = data;
        Err(Error::unsupported(format!("the handle is of version {schema}, this plugin knows {}", Self::SCHEMA)))
    }
}

/// For platforms where the name of the attempt says it all.
impl Handle for () {}
/// The platform's own id.
impl Handle for String {}

pub(crate) fn encode<H: Handle>(handle: &H) -> Result<types::Handle> {
    let data = serde_json::to_vec(handle)?;
    if data.len() > MOST_HANDLE_BYTES {
        let size = data.len();
        return Err(Error::internal(format!("the handle has {size} bytes; {MOST_HANDLE_BYTES} are allowed")));
    }
    Ok(types::Handle { schema: H::SCHEMA, data })
}

pub(crate) fn decode<H: Handle>(handle: &types::Handle) -> Result<H> {
    if handle.schema != H::SCHEMA {
        return H::migrate(handle.schema, &handle.data);
    }
    serde_json::from_slice(&handle.data).map_err(|error| Error::internal(format!("the handle cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::error::ErrorKind;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Container {
        id: String,
        node: Option<u32>,
    }

    impl Handle for Container {
        const SCHEMA: u32 = 2;

        fn migrate(schema: u32, data: &[u8]) -> Result<Container> {
            match schema {
                1 => Ok(Container { id: String::from_utf8_lossy(data).into_owned(), node: None }),
                _ => Err(Error::unsupported("unknown")),
            }
        }
    }

    #[test]
    fn a_handle_comes_back_and_old_ones_are_migrated() {
        let container = Container { id: "c1".to_owned(), node: Some(3) };
        let stored = encode(&container).unwrap();
        assert_eq!(stored.schema, 2);
        assert_eq!(decode::<Container>(&stored).unwrap(), container);
        let old = types::Handle { schema: 1, data: b"c0".to_vec() };
        assert_eq!(decode::<Container>(&old).unwrap(), Container { id: "c0".to_owned(), node: None });
        let strange = types::Handle { schema: 3, data: Vec::new() };
        assert_eq!(decode::<Container>(&strange).unwrap_err().kind, ErrorKind::Unsupported);
        let spoilt = types::Handle { schema: 2, data: b"{".to_vec() };
        assert_eq!(decode::<Container>(&spoilt).unwrap_err().kind, ErrorKind::Internal);
    }

    #[test]
    fn a_handle_has_a_limit() {
        let most = "x".repeat(MOST_HANDLE_BYTES - 2);
        assert_eq!(encode(&most).unwrap().data.len(), MOST_HANDLE_BYTES);
        assert_eq!(encode(&format!("{most}x")).unwrap_err().kind, ErrorKind::Internal);
    }
}
