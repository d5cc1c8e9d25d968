//! What is private of a job, and what fetches and deliveries have in common: second tries, keys, and what of their messages is
//! shown.

use super::Runtime;
use crate::error::{Error, MOST_MESSAGE_BYTES, bounded};
use crate::executors::{BoxFuture, TransferError};
use crate::files::Masker;
use crate::job::options::{ITEM, NOMINAL_TIME};
use crate::job::{Private, RunOptions, Told};
use crate::store::Stored;

/// What is private of a job: its options, with the nominal time where a schedule fired it, and what its fetchers and sinks
/// are told.
pub(super) fn open_private(runtime: &Runtime, stored: &Stored) -> Result<Private, Error> {
    let mut private = runtime.store.open_private(stored.job.seq(), stored.private.as_ref())?;
    runtime.put_late_together(&stored.job, &mut private.options)?;
    if let Some(fired) = &stored.job.spec.fired {
        private.options.set(NOMINAL_TIME, fired.nominal.to_string());
    }
    if let Some(item) = &stored.job.spec.item {
        private.options.set(ITEM, item.name.as_str());
    }
    Ok(private)
}

/// Tries a call again while it fails in a way that may pass, as often as the configuration says.
///
/// # Errors
/// The last one.
pub(super) async fn tried<'a, T>(
    runtime: &Runtime,
    call: impl Fn() -> BoxFuture<'a, Result<T, TransferError>>,
) -> Result<T, TransferError> {
    let limits = runtime.config.transfers;
    let mut pause = limits.first_pause_ms;
    for _ in 1..limits.tries {
        match call().await {
            Err(error) if !error.permanent => {
                let wait = error.after_ms.unwrap_or(0).max(pause);
                // Whoever wants to be left alone for longer is asked by the next attempt.
                if wait > limits.last_pause_ms {
                    return Err(error);
                }
                runtime.clock.sleep(wait).await;
            }
            settled => return settled,
        }
        pause = pause.saturating_mul(2).min(limits.last_pause_ms);
    }
    call().await
}

/// The keys that the engine signs with for a fetch or a delivery.
pub(super) fn keys_of(private: &Private, told: &Told) -> RunOptions {
    private.options.clone().overlaid(told.keys.clone())
}

/// What hides the secrets of a job in the messages of fetchers and sinks.
pub(super) struct Masked(Vec<String>);

impl Masked {
    pub(super) fn of(private: &Private) -> Masked {
        let options = private.options.secrets().map(str::to_owned);
        let told = private.transfers.iter().flat_map(Told::secrets);
        Masked(options.chain(told).collect())
    }

    pub(super) fn show(&self, message: &str) -> String {
        let mut masker = Masker::new(&self.0);
        let mut shown = masker.push(message.as_bytes());
        shown.extend(masker.flush());
        bounded(String::from_utf8_lossy(&shown).into_owned(), MOST_MESSAGE_BYTES)
    }
}
