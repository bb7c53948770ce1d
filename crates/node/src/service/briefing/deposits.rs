//! What the key has deposited with mechanisms.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::{Address, U256};
use provery_rpc::Chain;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How often deposits are read.
const READ_EVERY: Duration = Duration::from_secs(60);
/// Before a read that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Asset wei by the mechanism's contract.
pub(in crate::service) type Deposits = BTreeMap<Address, U256>;

/// Read the deposits of `key` now and then, until `token` is cancelled.
pub(in crate::service) async fn watch_deposits(
    chain: Chain,
    key: Address,
    to: watch::Sender<Deposits>,
    token: CancellationToken,
) {
    let kinds = provery_mechanisms::registry().iter().filter(|kind| kind.wants_deposit());
    let escrows: Vec<Address> = kinds.map(|kind| chain.deployment().address(kind.name())).collect();
    let reading = async {
        loop {
            let mut wait = READ_EVERY;
            for escrow in escrows.iter().copied().filter(|escrow| !escrow.is_zero()) {
                match chain.deposited(escrow, key).await {
                    Ok(deposit) => to.send_modify(|deposits| {
                        deposits.insert(escrow, deposit);
                    }),
                    Err(error) => {
                        debug!(%escrow, error = %error, "a deposit cannot be read; it is read again");
                        wait = AGAIN;
                    }
                }
            }
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        () = token.cancelled() => {}
        () = reading => {}
    }
}
