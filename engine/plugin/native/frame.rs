//! What the engine and a process with a plugin say to each other.

use serde::{Deserialize, Serialize};

use super::call::{Question, Reply};
use super::host::Level;
use super::library::LoadError;
use crate::files::LogStream;
use crate::plugin::contract::{Answer, Handle};

/// What a frame may have beside what the contract allows in one: names of fields and lengths of things.
const SLACK_BYTES: usize = 64 << 10;
/// MessagePack takes more bytes than the things it holds, of many small ones several times as many as are counted for them.
const MOST_GROWTH: usize = 4;

/// From the engine to a process with a plugin.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Order {
    /// The first one.
    Open {
        settings: String,
        engine_id: String,
        answer_bytes: usize,
    },
    Ask(Question),
    /// The answer to `Report::Checkpoint`.
    Kept(Answer<()>),
    /// The answer to `Report::Write`.
    Written {
        wants_more: bool,
    },
}

/// From a process with a plugin to the engine.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The answer to `Order::Open`.
    Opened(Result<(), LoadError>),
    Log(Level, String),
    Checkpoint(Handle),
    Write {
        stream: LogStream,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        cursor: String,
    },
    /// The answer to `Order::Ask`.
    Answered(Answer<Reply>),
}

/// The most bytes of a frame when an answer may have this many.
pub(super) fn most_bytes(answer_bytes: usize) -> usize {
    answer_bytes.saturating_mul(MOST_GROWTH).saturating_add(SLACK_BYTES)
}

/// What the fuzz target may do with frames: whatever can be read is written and read again as the same.
#[cfg(fuzzing)]
pub(crate) fn fuzz_frames(bytes: &[u8]) {
    use crate::plugin::child::frame::{decode, encode};

    fn one<T: serde::de::DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
        const MOST: usize = 1 << 16;
        let Ok(Some((message, size))) = decode::<T>(bytes, MOST) else { return };
        assert!(size <= bytes.len());
        if let Ok(frame) = encode(&message, MOST) {
            assert_eq!(decode::<T>(&frame, MOST).ok().flatten(), Some((message, frame.len())));
        }
    }
    one::<Report>(bytes);
    one::<Order>(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::child::frame::{FrameError, decode, encode};
    use crate::plugin::contract::{
        Attempt, ErrorKind, Observation, Page, Phase, PluginError, Retry, Run, RunOutcome, RunStatus,
    };

    const MOST: usize = 1 << 16;

    fn error() -> impl Strategy<Value = PluginError> {
        let retry = prop_oneof![Just(Retry::Never), Just(Retry::Backoff), any::<u64>().prop_map(Retry::After)];
        let details = prop::collection::vec((".{0,9}", ".{0,9}"), 0..3);
        (retry, ".{0,99}", prop::option::of(".{0,9}"), details).prop_map(|(retry, message, code, details)| {
            PluginError { kind: ErrorKind::NotFound, retry, message, code, details }
        })
    }

    fn handle() -> impl Strategy<Value = Handle> {
        (any::<u32>(), prop::collection::vec(any::<u8>(), 0..99)).prop_map(|(schema, data)| Handle { schema, data })
    }

    fn observation() -> impl Strategy<Value = Observation> {
        let outcome = prop_oneof![
            Just(RunOutcome::Succeeded),
            any::<i32>().prop_map(RunOutcome::Exited),
            error().prop_map(RunOutcome::Failed)
        ];
        let phase = prop_oneof![
            prop::option::of(".{0,9}").prop_map(Phase::Pending),
            Just(Phase::Running),
            outcome.prop_map(Phase::Ended)
        ];
        let status = (phase, prop::option::of(handle()), prop::option::of(any::<u64>()));
        prop_oneof![
            status.prop_map(|(phase, handle, ask_after_ms)| Observation::Known(RunStatus {
                phase,
                handle,
                ask_after_ms
            })),
            Just(Observation::Gone),
            error().prop_map(Observation::Unknown)
        ]
    }

    fn report() -> impl Strategy<Value = Report> {
        let run = (".{0,36}", any::<u32>(), prop::option::of(handle()))
            .prop_map(|(job, number, handle)| Run { attempt: Attempt { job, number }, handle });
        let owned = (prop::collection::vec(run, 0..5), prop::option::of(".{0,9}"))
            .prop_map(|(entries, next)| Reply::Owned(Page { entries, next }));
        let reply = prop_oneof![
            Just(()).prop_map(|()| Reply::Done),
            owned,
            prop::collection::vec(observation(), 0..9).prop_map(Reply::Observations)
        ];
        prop_oneof![
            Just(()).prop_map(|()| Report::Opened(Ok(()))),
            any::<u32>().prop_map(|version| Report::Opened(Err(LoadError::OtherVersion(version)))),
            ".{0,99}".prop_map(|message| Report::Log(Level::Warn, message)),
            handle().prop_map(Report::Checkpoint),
            (prop::collection::vec(any::<u8>(), 0..999), ".{0,9}").prop_map(|(bytes, cursor)| Report::Write {
                stream: LogStream::Stderr,
                bytes,
                cursor
            }),
            reply.prop_map(|reply| Report::Answered(Ok(reply))),
            error().prop_map(|error| Report::Answered(Err(error))),
        ]
    }

    proptest! {
        #[test]
        fn a_message_comes_back_whole_and_not_before(report in report(), after in prop::collection::vec(any::<u8>(), 0..9)) {
            let frame = encode(&report, MOST).unwrap();
            for cut in [0, 1, 3, 4, 5, frame.len() - 1] {
                let begun: Option<(Report, usize)> = decode(&frame[..cut.min(frame.len() - 1)], MOST).unwrap();
                prop_assert!(begun.is_none());
            }
            let mut stream = frame.clone();
            stream.extend(after);
            prop_assert_eq!(decode(&stream, MOST).unwrap(), Some((report, frame.len())));
        }

        #[test]
        fn noise_is_refused_or_waited_out_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(Some((_, len))) = decode::<Report>(&bytes, MOST) {
                prop_assert!(len <= bytes.len());
            }
            let mut framed = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
            framed.extend(&bytes);
            let _ = decode::<Report>(&framed, MOST);
        }

        #[test]
        fn a_flipped_byte_is_never_a_panic(report in report(), at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut frame = encode(&report, MOST).unwrap();
            let at = at.index(frame.len());
            frame[at] ^= 1_u8 << bit;
            let _ = decode::<Report>(&frame, MOST);
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_by_its_length_alone() {
        let refused = FrameError::TooLong { len: 101, most: 100 };
        assert_eq!(decode::<Report>(&101_u32.to_le_bytes(), 100), Err(refused));
        assert_eq!(decode::<Report>(&100_u32.to_le_bytes(), 100), Ok(None));
        let long = Report::Log(Level::Info, "x".repeat(200));
        assert!(matches!(encode(&long, 100), Err(FrameError::TooLong { most: 100, .. })));
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        // An array of four thousand million observations in five bytes.
        let mut body = rmp_serde::to_vec(&Report::Answered(Ok(Reply::Observations(Vec::new())))).unwrap();
        assert_eq!(body.pop(), Some(0x90));
        body.extend([0xdd, 0xff, 0xff, 0xff, 0xff]);
        let mut frame = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        frame.extend(body);
        assert_eq!(decode::<Report>(&frame, MOST), Err(FrameError::Unreadable));
    }
}
