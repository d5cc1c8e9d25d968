//! The suite for fetchers.

mod cases;
mod fetches;
mod lists;
mod stage;
mod tree;

use super::every;
use super::scene::{Item, items};
use stage::Stage;

pub use cases::FetcherCases;
pub(super) use cases::read_texts;

/// All checks, in the order in which they are made.
fn checks<'s>() -> Vec<Item<Stage<'s>>> {
    items![
        Nothing "describe-is-pure" "it says the same of itself whenever it is asked, and asks nobody" every::descriptor::is_pure;
        Nothing "describe-agrees" "what it says agrees with its manifest and with the contract" every::descriptor::agrees;
        Nothing "validate-accepts" "the options of the cases are found good" every::options::are_accepted;
        Nothing "validate-refuses" "what are no options is refused with problems" every::options::are_refused;
        Nothing "check" "the source can be reached" every::reach::reachable;
        Platform "items" "every item has a name of its own, and those of the cases are there" lists::are_named;
        Platform "items-again" "a second list is the same list" lists::again;
        Platform "items-resume" "a list goes on at every cursor without a gap or a repeat" lists::resume;
        Platform "fetch" "an item is brought whole, to where it belongs and nowhere else" fetches::brings;
        Platform "fetch-again" "an item that is brought again is the same file" fetches::again;
        Platform "fetch-half" "what another try has left is replaced, or gone on with" fetches::half;
        Platform "fetch-cut" "a fetch that is cut off anywhere and made again brings the item" fetches::cut;
        Platform "fetch-unknown" "an item that is not there is an error and leaves no file" fetches::unknown;
        Platform "restart" "what was listed before the engine went down is brought by its next life" fetches::next_life;
        Platform "denied" "without its endpoints it says so" lists::denied;
        Platform "memory-limit" "with too little memory a call fails, and the next one does not" every::limits::memory;
        Platform "time-limit" "with too little time a call fails, and the next one does not" lists::time;
    ]
}
