//! Where items come from in the journeys of items.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use windlass::Problem;
use windlass::executors::{BoxFuture, FetchItem, FetchOrder, FetchPage, Fetched, Fetcher, TransferError};

/// Lists and fetches numbers.
pub(super) struct Numbers {
    pub(super) count: u32,
    /// As many pages fail first, each time.
    pub(super) faults: AtomicU32,
}

impl Fetcher for Numbers {
    fn validate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async { Ok(()) })
    }

    fn items<'a>(
        &'a self,
        _: &'a FetchOrder,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<FetchPage, TransferError>> {
        Box::pin(async move {
            let from: u32 = cursor.unwrap_or("0").parse().unwrap();
            if from > 0 && self.faults.load(Ordering::SeqCst) > 0 {
                self.faults.fetch_sub(1, Ordering::SeqCst);
                return Err(TransferError::passing("not now"));
            }
            let to = (from + 10).min(self.count);
            let item = |number: u32| FetchItem {
                name: number.to_string(),
                size: None,
                version: None,
                reference: number.to_le_bytes().to_vec(),
            };
            Ok(FetchPage { items: (from..to).map(item).collect(), next: (to < self.count).then(|| to.to_string()) })
        })
    }

    fn fetch<'a>(
        &'a self,
        order: &'a FetchOrder,
        item: &'a FetchItem,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<Fetched, TransferError>> {
        Box::pin(async move {
            let number = u32::from_le_bytes(item.reference.as_slice().try_into().unwrap());
            if number % 10 == 9 {
                return Err(TransferError::permanent("nines are not to be had"));
            }
            std::fs::write(work.join(&order.destination).join("text"), number.to_string()).unwrap();
            Ok(Fetched { path: "text".into(), bytes: number.to_string().len() as u64, version: None })
        })
    }
}

/// Brings rows.
#[derive(Default)]
pub(super) struct Table {
    pub(super) brought: AtomicU32,
}

impl Fetcher for Table {
    fn validate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async { Ok(()) })
    }

    fn items<'a>(&'a self, _: &'a FetchOrder, _: Option<&'a str>) -> BoxFuture<'a, Result<FetchPage, TransferError>> {
        let item = FetchItem { name: "rows".into(), size: None, version: None, reference: Vec::new() };
        Box::pin(async { Ok(FetchPage { items: vec![item], next: None }) })
    }

    fn fetch<'a>(
        &'a self,
        order: &'a FetchOrder,
        _: &'a FetchItem,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<Fetched, TransferError>> {
        Box::pin(async move {
            self.brought.fetch_add(1, Ordering::SeqCst);
            let rows: String = match order.options.as_str() {
                "{}" => (1..=2_500).map(|row| format!("{{\"text\": \"row {row}\", \"n\": {row}.10}}\n")).collect(),
                _ => "{\"text\": \"x\"}\n{\"/etc/passwd\": 1}\n".to_owned(),
            };
            std::fs::write(work.join(&order.destination).join("rows.jsonl"), &rows).unwrap();
            Ok(Fetched { path: "rows.jsonl".into(), bytes: rows.len() as u64, version: None })
        })
    }
}
