//! What the host keeps of one guest: its WASI state and how much memory it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::call::Call;

/// The state of a store; the only type of it, since WASI is compiled anew for each.
pub(crate) struct Guest {
    /// Serves components as well as plain modules.
    pub(super) wasi: WasiP1Ctx,
    pub(super) memory: Memory,
    pub(super) call: Call,
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.call.hooks, table: self.wasi.ctx().table, ctx: &mut self.call.http }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

/// Bytes of memory that all guests have together.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicU64,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Arc<Budget> {
        Arc::new(Budget { left: AtomicU64::new(bytes) })
    }

    fn take(&self, bytes: u64) -> bool {
        let take = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.left.fetch_add(bytes, Ordering::AcqRel);
    }
}

/// How much memory a guest may have, and has. What it had goes back to the budget when it is dropped.
#[derive(Debug)]
pub(super) struct Memory {
    budget: Arc<Budget>,
    most: u64,
    taken: u64,
    /// It has asked for more than it may have.
    pub(super) refused: bool,
    /// It would have got that, had others left enough.
    pub(super) crowded_out: bool,
}

/// Elements of one table: entries of a function table, 16 bytes each at most.
const TABLE_ELEMENTS: usize = 1 << 20;

impl Memory {
    pub(super) fn new(budget: Arc<Budget>, most: u64) -> Memory {
        Memory { budget, most, taken: 0, refused: false, crowded_out: false }
    }

    fn take(&mut self, bytes: u64) -> bool {
        let may_have = self.taken.checked_add(bytes).is_some_and(|all| all <= self.most);
        let fits = may_have && self.budget.take(bytes);
        if fits {
            self.taken += bytes;
        } else {
            self.refused = true;
            self.crowded_out = may_have;
        }
        fits
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.budget.give_back(self.taken);
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.take(desired.saturating_sub(current) as u64))
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_share_a_budget_and_give_it_back() {
        let budget = Budget::new(100);
        let mut one = Memory::new(budget.clone(), 80);
        let mut other = Memory::new(budget.clone(), 80);
        assert!(one.memory_growing(0, 80, None).unwrap() && !one.refused);
        assert!(
            !one.memory_growing(80, 81, None).unwrap() && one.refused && !one.crowded_out,
            "more than one may have"
        );
        assert!(
            !other.memory_growing(0, 21, None).unwrap() && other.refused && other.crowded_out,
            "more than there is"
        );
        assert!(other.memory_growing(0, 20, None).unwrap());
        drop(one);
        assert!(other.memory_growing(20, 80, None).unwrap());
        drop(other);
        assert!(budget.take(100) && !budget.take(1));
    }
}
