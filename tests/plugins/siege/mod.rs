//! Plugins that mean ill, or are just badly made: whatever one does is an error of that call which names it, and jobs of
//! others do not notice.

mod archives;
mod calls;
mod claims;
mod credentials;
mod files;
mod floods;
mod listener;
mod loading;
mod network;
mod rig;
mod server;
