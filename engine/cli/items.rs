//! `windlass items`.

use serde::Serialize;

use super::failure::{FAILED, Failure};
use super::jobs::why;
use super::output::{print, print_json};
use super::output_wire::{ItemWire, OutputReply, OutputRequest};
use super::store_dir::{Place, open_to_manage};
use super::table::{duration, printable, table};

/// Characters of an output that the table shows.
const SHOWN: usize = 80;

/// Whose items are listed.
#[derive(clap::Args)]
pub(super) struct ItemsArgs {
    /// The job
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Serialize)]
struct ItemsWire {
    items: Vec<ItemWire>,
}

/// `windlass items`.
pub(super) async fn items(place: &Place, args: ItemsArgs, json: bool) -> Result<u8, Failure> {
    let mut target = open_to_manage(place).await?;
    let (mut items, mut cursor): (Vec<ItemWire>, Option<String>) = (Vec::new(), None);
    loop {
        let asked = OutputRequest::Items { job: args.id.clone(), cursor: cursor.take() };
        match target.output(asked).await {
            Ok(OutputReply::Items { items: page, next }) => {
                items.extend(page);
                cursor = next;
            }
            other => {
                target.close().await;
                let unexpected = || Failure::new(FAILED, "the engine answers something else");
                return Err(other.err().unwrap_or_else(unexpected));
            }
        }
        if cursor.is_none() {
            break;
        }
    }
    target.close().await;
    if json {
        print_json(&ItemsWire { items })?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = items.iter().map(row).collect();
    print(&table(&["ITEM", "STATE", "TOOK", "RESULT"], &rows))?;
    Ok(0)
}

fn row(item: &ItemWire) -> Vec<String> {
    let result = match &item.output {
        Some(output) => output.to_string().chars().take(SHOWN).collect(),
        None if item.output_bytes > 0 => format!("({} bytes)", item.output_bytes),
        None => why(&item.job),
    };
    let took = item.job.duration_ms.map(duration).unwrap_or_default();
    vec![printable(&item.name), item.job.state.clone(), took, printable(&result)]
}
