//! What the fetcher and the sink for S3 have in common: buckets and keys, requests that are tried again, what a store
//! refuses in words, and lists.
//!
//! The store is the endpoint `s3`; the engine signs. What is known of a store is what its answers say: nothing here depends
//! on whose it is.

mod bucket;
mod list;
mod moment;
mod patience;
mod refusal;
mod xml;

pub use bucket::{About, Bucket, MOST_KEY_BYTES, Settings, bucket_problem, prefix_problem};
pub use list::{Listed, Listing};
pub use patience::{Patience, ask, reach};
pub use refusal::{refusal, within};
pub use xml::Element;
