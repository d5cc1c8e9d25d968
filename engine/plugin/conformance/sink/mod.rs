//! The suite for sinks.

mod cases;
mod cuts;
mod limits;
mod stage;
mod stores;

use super::every;
use super::scene::{Item, items};
use stage::Stage;

pub use cases::SinkCases;

/// All checks, in the order in which they are made.
fn checks<'s>() -> Vec<Item<Stage<'s>>> {
    items![
        Nothing "describe-is-pure" "it says the same of itself whenever it is asked, and asks nobody" every::descriptor::is_pure;
        Nothing "describe-agrees" "what it says agrees with its manifest and with the contract" every::descriptor::agrees;
        Nothing "validate-accepts" "the options of the cases are found good" every::options::are_accepted;
        Nothing "validate-refuses" "what are no options is refused with problems" every::options::are_refused;
        Nothing "check" "the store can be reached" every::reach::reachable;
        Platform "store" "all that was put is stored, each file once" stores::stores;
        Platform "store-nothing" "a commit of nothing stores nothing" stores::nothing;
        Platform "begin-twice" "what is begun again is one store" stores::begin_twice;
        Platform "put-twice" "a file that is put twice is stored once" stores::put_twice;
        Platform "put-missing" "a file that is not there is an error, and the next one is not" stores::put_missing;
        Platform "commit-twice" "a second commit finds what the first has stored" stores::commit_twice;
        Platform "abort-twice" "a second abort is fine, and so is one of nothing" stores::abort_twice;
        Platform "abort-forgets" "nothing that was aborted is stored by the next commit" stores::abort_forgets;
        Platform "begin-cut" "a begin that is cut off anywhere and made again is one store" cuts::begin;
        Platform "put-cut" "a put that is cut off anywhere and made again stores the file once" cuts::put;
        Platform "commit-cut" "a commit that is cut off anywhere and made again stores everything" cuts::commit;
        Platform "abort-cut" "an abort that is cut off anywhere and made again leaves nothing" cuts::abort;
        Platform "restart" "the next life of the engine goes on with the handle" stores::next_life;
        Platform "denied" "without its endpoints it says so" limits::denied;
        Platform "memory-limit" "with too little memory a call fails, and the next one does not" every::limits::memory;
        Platform "time-limit" "with too little time a call fails, and the next one does not" limits::time;
    ]
}
