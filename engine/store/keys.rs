//! Sealing: what is private of a job is sealed before they reach the writer, opened when an attempt is prepared, and
//! sealed anew when the key is rotated.

use redb::{Database, ReadableDatabase};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::group::{Op, Reply};
use super::open::KeySource;
use super::tables::{META, SPEC, meta};
use super::writer::Urgency;
use super::{Store, records, records::SealedField, storage};
use crate::error::Error;
use crate::job::{Private, RunOptions, Seq};
use crate::secret::{Entropy, KeyId, Keyring, Sealed, SecretError};

/// Records read and sealed anew at a time.
const RESEAL_BATCH: usize = 500;

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Records that were sealed anew.
    pub(crate) resealed: u64,
    /// The key that seals from now on.
    pub(crate) active: KeyId,
}

fn key_error(error: SecretError) -> Error {
    Error::Key(error.to_string())
}

/// What binds something sealed to its record: it opens nowhere else.
fn spec_aad(field: SealedField, seq: Seq) -> Vec<u8> {
    let field = match field {
        SealedField::Private => b"spec/private/".as_slice(),
        SealedField::Parameters => b"spec/parameters/".as_slice(),
    };
    [field, &seq.to_be_bytes()].concat()
}

const DIGEST_AAD: &[u8] = b"meta/digest_secret";

/// Whether something in the store is sealed already.
pub(super) fn needs_key(db: &Database) -> Result<bool, Error> {
    let read = db.begin_read().map_err(storage)?;
    Ok(read.open_table(META).map_err(storage)?.get(meta::DIGEST_SECRET).map_err(storage)?.is_some())
}

/// Opens the secret of the idempotency digests, making it in a new store. It proves that the key is right.
pub(super) fn digest_secret(db: &Database, keyring: &Keyring, entropy: &Entropy) -> Result<[u8; 32], Error> {
    let read = db.begin_read().map_err(storage)?;
    let row = read.open_table(META).map_err(storage)?.get(meta::DIGEST_SECRET).map_err(storage)?;
    let Some(row) = row.map(|row| row.value().to_vec()) else {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        save_digest_secret(db, &seal_digest_secret(keyring, &secret)?)?;
        return Ok(secret);
    };
    let sealed: Sealed = rmp_serde::from_slice(&row).map_err(|error| Error::Storage(error.to_string()))?;
    let plain = keyring.open(DIGEST_AAD, &sealed).map_err(key_error)?;
    plain.as_ref().try_into().map_err(|_| Error::Storage("the digest secret has a wrong length".into()))
}

fn seal_digest_secret(keyring: &Keyring, secret: &[u8; 32]) -> Result<Vec<u8>, Error> {
    let sealed = keyring.seal(DIGEST_AAD, secret).map_err(key_error)?;
    rmp_serde::to_vec(&sealed).map_err(|error| Error::Storage(error.to_string()))
}

fn save_digest_secret(db: &Database, row: &[u8]) -> Result<(), Error> {
    let mut txn = db.begin_write().map_err(storage)?;
    txn.set_quick_repair(true);
    txn.open_table(META).map_err(storage)?.insert(meta::DIGEST_SECRET, row).map_err(storage)?;
    txn.commit().map_err(storage)
}

/// Seals what belongs to `aad`, where there is something.
pub(super) fn seal_value(
    keyring: &Keyring,
    aad: &[u8],
    value: Option<&impl Serialize>,
) -> Result<Option<Sealed>, Error> {
    let Some(value) = value else { return Ok(None) };
    let plain = rmp_serde::to_vec(value).map_err(|error| Error::Storage(error.to_string()))?;
    keyring.seal(aad, &plain).map(Some).map_err(key_error)
}

/// Opens what [`seal_value`] has sealed; the default where there was nothing.
pub(super) fn open_value<T: DeserializeOwned + Default>(
    keyring: &Keyring,
    aad: &[u8],
    sealed: Option<&Sealed>,
) -> Result<T, Error> {
    let Some(sealed) = sealed else { return Ok(T::default()) };
    let plain = keyring.open(aad, sealed).map_err(key_error)?;
    rmp_serde::from_slice(plain.as_ref()).map_err(|error| Error::Storage(error.to_string()))
}

/// Seals with the active key what was sealed with another one.
pub(super) fn reseal_value(keyring: &Keyring, aad: &[u8], sealed: &Sealed) -> Result<Sealed, Error> {
    let plain = keyring.open(aad, sealed).map_err(key_error)?;
    keyring.seal(aad, plain.as_ref()).map_err(key_error)
}

impl Store {
    /// The ring as it is now. Whoever seals with it must hold the guard until the sealed record is on its way
    /// to the writer, so that a rotation finds it.
    pub(super) fn keyring(&self) -> std::sync::RwLockReadGuard<'_, Keyring> {
        self.keyring.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Seals something of a job that is about to be stored.
    pub(super) fn seal_in_spec(
        keyring: &Keyring,
        field: SealedField,
        seq: Seq,
        value: Option<&impl Serialize>,
    ) -> Result<Option<Sealed>, Error> {
        seal_value(keyring, &spec_aad(field, seq), value)
    }

    /// Opens what is private of a job.
    ///
    /// # Errors
    /// [`Error::Key`] when the key is not there any more.
    pub(crate) fn open_private(&self, seq: Seq, sealed: Option<&Sealed>) -> Result<Private, Error> {
        Store::open_sealed(&self.keyring(), seq, sealed)
    }

    /// Opens the parameters of the run of a pipeline.
    ///
    /// # Errors
    /// [`Error::Key`] when the key is not there any more.
    pub(crate) fn open_parameters(&self, first: Seq, sealed: Option<&Sealed>) -> Result<RunOptions, Error> {
        open_value(&self.keyring(), &spec_aad(SealedField::Parameters, first), sealed)
    }

    pub(super) fn open_sealed(keyring: &Keyring, seq: Seq, sealed: Option<&Sealed>) -> Result<Private, Error> {
        open_value(keyring, &spec_aad(SealedField::Private, seq), sealed)
    }

    /// Makes a new key where keys are in a file, and seals every record with the first key that is not
    /// sealed with it. Jobs come and go meanwhile. Keys that no record needs any more leave the file.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Storage`]. What was sealed anew stays so; calling again goes on.
    pub(crate) async fn rotate_key(&self) -> Result<Rotation, Error> {
        let active = {
            let mut keyring = self.keyring.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let KeySource::File(path) = &self.key_source {
                *keyring = Keyring::rotate_file(path).map_err(key_error)?;
            }
            keyring.active()
        };
        // Whatever was sealed with an older key was handed to the writer before the lock was taken.
        self.send(Op::Flush, Urgency::Waited).await?;
        let mut resealed = 0;
        let mut from = 0;
        loop {
            let (rows, next) = self.reseal_batch(from, active)?;
            resealed += rows.len() as u64;
            if !rows.is_empty() {
                self.send(Op::Reseal(rows), Urgency::Waited).await?;
            }
            match next {
                Some(seq) => from = seq,
                None => break,
            }
        }
        resealed += self.reseal_documents(active).await?;
        let row = seal_digest_secret(&self.keyring(), &self.digest_secret)?;
        self.send(Op::Meta(meta::DIGEST_SECRET, row), Urgency::Waited).await?;
        if let KeySource::File(path) = &self.key_source {
            // Only the file forgets: an attempt that read its record before still opens it with the old key.
            Keyring::forget(path, &[active]).map_err(key_error)?;
        }
        Ok(Rotation { resealed, active })
    }

    /// The next records that are sealed with another key, sealed with the active one, and where to go on.
    #[expect(clippy::type_complexity, reason = "rows for the writer and the place to go on, used once")]
    fn reseal_batch(&self, from: Seq, active: KeyId) -> Result<(Vec<(Seq, Vec<u8>)>, Option<Seq>), Error> {
        let read = self.writer.begin_read()?;
        let specs = read.open_table(SPEC).map_err(storage)?;
        let mut rows = Vec::new();
        for (looked_at, row) in specs.range(from..).map_err(storage)?.enumerate() {
            let (seq, bytes) = row.map_err(storage)?;
            let seq = seq.value();
            if rows.len() >= RESEAL_BATCH || looked_at >= 64 * RESEAL_BATCH {
                return Ok((rows, Some(seq)));
            }
            let anew = records::reseal_spec(bytes.value(), |field, sealed| {
                if sealed.key() == active {
                    return Ok(None);
                }
                reseal_value(&self.keyring(), &spec_aad(field, seq), sealed).map(Some)
            })?;
            rows.extend(anew.map(|anew| (seq, anew)));
        }
        Ok((rows, None))
    }

    /// Hands an operation to the writer and waits for its answer, for operations that cannot be stale.
    pub(super) async fn send(&self, op: Op, urgency: Urgency) -> Result<Reply, Error> {
        match self.writer.send(op, urgency).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(super::group::Refusal::Error(error))) => Err(error),
            Ok(Err(super::group::Refusal::Stale)) => Err(Error::Conflict("the job has changed meanwhile".into())),
            Err(_) => Err(Error::Closed),
        }
    }
}
