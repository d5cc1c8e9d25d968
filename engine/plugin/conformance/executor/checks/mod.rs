//! The checks, in the order in which they are made.

mod collect;
mod cuts;
mod definitions;
mod ends;
mod limits;
mod lives;
mod logs;
mod observe;
mod owned;
mod submit;

use super::super::every;
use super::super::scene::{Item, items};
use super::stage::Stage;

/// All of them.
pub(super) fn checks<'s>() -> Vec<Item<Stage<'s>>> {
    items![
    Nothing "describe-is-pure" "it says the same of itself whenever it is asked, and asks nobody" every::descriptor::is_pure;
    Nothing "describe-agrees" "what it says agrees with its manifest and with the contract" every::descriptor::agrees;
    Nothing "validate-accepts" "the options of the cases are found good" every::options::are_accepted;
    Nothing "validate-refuses" "what are no options is refused with problems" every::options::are_refused;
    Nothing "check" "the platform can be reached" every::reach::reachable;
    Platform "definitions" "what it lists can be run" definitions::are_valid;
    Platform "quick-ends" "the quick run ends well, and stays so" ends::stays;
    Platform "submit-twice" "two submissions are one run" submit::twice;
    Platform "submit-again" "a run that is over is not started again" submit::again;
    Platform "submit-cut" "a submission that is cut off anywhere and made again is one run" cuts::submit;
    Platform "submit-abandoned" "a submission that is cut off anywhere and given up leaves nothing" cuts::abandon;
    Platform "stop" "a run that is stopped ends as stopped" ends::stop;
    Platform "stop-twice" "a second stop is fine" ends::stop_twice;
    Platform "stop-late" "a stop after the end is fine and changes nothing" ends::stop_late;
    Platform "stop-cut" "a stop that is cut off anywhere and made again stops" cuts::stop;
    Platform "remove-twice" "a second removal is fine" ends::remove_twice;
    Platform "remove-cut" "a removal that is cut off anywhere and made again removes" cuts::remove;
    Platform "unknown-run" "a run that never was is gone, and can be stopped and removed" observe::never_was;
    Platform "observe-order" "many runs are answered in their order" observe::order;
    Platform "observe-waits" "an answer comes within the time that it may wait" observe::waits;
    Platform "logs-resume" "a log goes on at every cursor without a gap or a repeat" logs::resume;
    Platform "logs-follow" "a log that is followed is the log that is read afterwards" logs::follow;
    Platform "logs-unwanted" "a reader that wants no more gets no more" logs::unwanted;
    Platform "collect" "what the run leaves is brought, and brought again" collect::brings;
    Platform "restart" "the next life of the engine needs the handle only" lives::by_handle;
    Platform "restart-without-handle" "the next life of the engine finds a run by its name" lives::by_name;
    Platform "denied" "without its endpoints it says so" limits::denied;
    Platform "memory-limit" "with too little memory a call fails, and the next one does not" every::limits::memory;
    Platform "time-limit" "with too little time a call fails, and the next one does not" limits::time;
    Platform "nothing-left" "nothing of the suite is left on the platform" owned::nothing_left;
    ]
}
