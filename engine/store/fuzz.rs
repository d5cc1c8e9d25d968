//! What the fuzz targets may do with records.

use super::records::{
    SealedField, Seals, decode_chain, decode_document, decode_done, decode_event, decode_id, decode_job, decode_live,
    decode_placement, decode_schedule, encode_done, encode_event, encode_live, encode_schedule, encode_spec, live_rev,
};
use super::{
    Store, decode_config, decode_pipeline, decode_schedule_spec, encode_config, encode_pipeline, encode_schedule_spec,
    index::placement,
};
use crate::job::{Private, RunOptions, Status};
use crate::secret::{Key, Keyring};

/// Any bytes as each kind of record: decoded or refused; what is decoded survives being written again.
pub(crate) fn fuzz_records(bytes: &[u8]) {
    let _ = (decode_id(7, bytes), decode_chain(7, bytes), decode_placement(bytes), live_rev(bytes));
    if let Ok(stored) = decode_job(7, bytes, Status::default()) {
        let again = encode_spec(
            &stored.job,
            Seals { private: stored.private.as_ref(), parameters: stored.parameters.as_ref(), told: stored.told },
            stored.large_input,
        );
        let again = again.and_then(|bytes| decode_job(7, &bytes, Status::default()));
        assert_eq!(again.map(|again| again.job).ok(), Some(stored.job));
    }
    if let Ok(status) = decode_done(bytes) {
        let again = encode_done(&status).and_then(|bytes| decode_done(&bytes));
        assert_eq!(again.ok(), Some(status));
    }
    if let (Ok(status), Ok(stored)) = (decode_live(bytes), decode_job(7, bytes, Status::default())) {
        let job = crate::job::Job { status, ..stored.job };
        let again = encode_live(&job, &placement(&job)).and_then(|bytes| decode_live(&bytes));
        assert_eq!(again.ok(), Some(job.status));
    }
    if let Ok(config) = decode_config(bytes) {
        assert_eq!(encode_config(&config).and_then(|bytes| decode_config(&bytes)).ok(), Some(config));
    }
    if let Ok(pipeline) = decode_pipeline(bytes) {
        assert_eq!(encode_pipeline(&pipeline).and_then(|bytes| decode_pipeline(&bytes)).ok(), Some(pipeline));
    }
    if let Ok(schedule) = decode_schedule_spec(bytes) {
        let again = encode_schedule_spec(schedule.seq, &schedule.spec, schedule.owner);
        assert_eq!(again.and_then(|bytes| decode_schedule_spec(&bytes)).ok(), Some(schedule));
    }
    if let Ok(status) = decode_schedule(bytes) {
        assert_eq!(encode_schedule(&status).and_then(|bytes| decode_schedule(&bytes)).ok(), Some(status));
    }
    let _ = decode_document(bytes);
    if let Ok((at, fact)) = decode_event(bytes) {
        let again = encode_event(at, &fact).and_then(|bytes| decode_event(&bytes));
        assert_eq!(again.ok(), Some((at, fact)));
    }
}

/// Seals options and opens them again.
pub(crate) fn fuzz_options(options: &RunOptions) {
    let Ok(keyring) = Keyring::from_key(Key::from_bytes([7; 32])) else { return };
    let sealed = Store::seal_in_spec(&keyring, SealedField::Private, 7, Some(&Private::from(options.clone())));
    let opened = sealed.and_then(|sealed| Store::open_sealed(&keyring, 7, sealed.as_ref()));
    assert_eq!(opened.ok().map(|private| private.options).as_ref(), Some(options));
}
