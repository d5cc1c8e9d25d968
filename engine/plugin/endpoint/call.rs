//! What belongs to one call of a plugin, not to the endpoint.

use std::sync::Arc;
use std::time::Duration;

use super::rights::Rights;
use super::secret::SecretText;

/// What belongs to one call of a plugin. [`Call::default`] may use nothing.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// What the manifest of the plugin asks for. The endpoint's configuration must grant it as well.
    pub rights: Arc<Rights>,
    /// Whether the answer may be silent for as long as it likes, as when a log is followed.
    pub may_be_silent: bool,
    /// Waits no longer than this for the head of the answer; never longer than the endpoint does.
    pub response: Option<Duration>,
    /// Waits no longer than this for more of the answer; never longer than the endpoint does.
    pub between_bytes: Option<Duration>,
    /// The AWS key of the job, for endpoints that take their key from there.
    pub aws: Option<AwsCredentials>,
}

/// An AWS key.
#[derive(Clone, Debug)]
pub struct AwsCredentials {
    /// Its name.
    pub access_key_id: SecretText,
    /// The key.
    pub secret_access_key: SecretText,
    /// Comes with a key that is lent for some time.
    pub session_token: Option<SecretText>,
}
