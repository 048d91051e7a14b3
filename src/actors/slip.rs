//! The slip that goes with an item whose publisher asked for a receipt.
//!
//! ```text
//! Publisher ─▶ Channel ─▶ Encoded, shared by hubs and sessions; the last of them drops it: complete
//! ```
//!
//! Items without one cost a look at a pointer. Source: `docs/control-api.md#receipts`.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use crate::{
    grip::publish::Item,
    stats::receipt::{Receipt, Sheet},
};

/// How long an answer waits for sessions that have to ask or wait themselves.
pub const RECEIPT_PATIENCE: Duration = Duration::from_secs(1);

/// Travels with one item; where it is dropped, nothing more becomes of the item.
#[derive(Debug)]
pub struct Slip {
    sheet: Arc<Sheet>,
    _open: oneshot::Sender<()>,
}

impl Slip {
    /// Returns where to note what is done.
    pub fn sheet(&self) -> &Sheet {
        &self.sheet
    }
}

/// A receipt to come.
pub struct AwaitedReceipt {
    sheet: Arc<Sheet>,
    closed: oneshot::Receiver<()>,
    channel: String,
    id: Option<String>,
}

/// Makes a slip for each item.
pub fn slips(items: &[Item]) -> (Vec<Slip>, Vec<AwaitedReceipt>) {
    let slip = |item: &Item| {
        let sheet = Arc::<Sheet>::default();
        let (open, closed) = oneshot::channel();
        let awaited = AwaitedReceipt {
            sheet: sheet.clone(),
            closed,
            channel: item.channel.as_str().to_owned(),
            id: item.id.as_ref().map(ToString::to_string),
        };
        (Slip { sheet, _open: open }, awaited)
    };
    items.iter().map(slip).unzip()
}

/// Waits until nothing more becomes of any item, or the patience is over; returns what is known then.
pub async fn receipts(awaited: Vec<AwaitedReceipt>) -> Vec<Receipt> {
    let deadline = actix::clock::Instant::now() + RECEIPT_PATIENCE;
    let mut receipts = Vec::with_capacity(awaited.len());
    for awaited in awaited {
        let AwaitedReceipt {
            sheet,
            mut closed,
            channel,
            id,
        } = awaited;
        let waited = tokio::time::timeout_at(deadline, &mut closed).await;
        receipts.push(sheet.read(channel, id, waited.is_ok()));
    }
    receipts
}
