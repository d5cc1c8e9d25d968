//! The `windlass` binary.

fn main() {
    windlass::supervise_if_asked();
}
