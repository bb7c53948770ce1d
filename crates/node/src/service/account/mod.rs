//! What events do not tell of the prover and the key, read now and then: record, credit, balance and fees; and what the balance is
//! good for.

pub(super) mod funds;
pub(crate) mod margin;

use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use futures::{FutureExt as _, future::BoxFuture};
use provery_mechanisms::upkeep::ProverStatus;
use provery_rpc::{Chain, ChainError, Rpc};
use serde_json::json;
use tracing::warn;

use super::handles::Handles;
use crate::{pause, report::wei};
use funds::{Funds, Needs, PAUSE_GAS, Prices};
use margin::Margin;

/// How often it is read.
const READ_EVERY: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Account {
    pub funds: Funds,
    /// Whether slots pay for the gas of their proofs.
    pub margin: Margin,
    seen: Option<Seen>,
    next_reading: Instant,
    is_reading: bool,
}

/// What a reading sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub prover_status: ProverStatus,
    /// The key that sends is the prover's, or a submitter's of its.
    pub is_submitter: bool,
    /// Asset wei.
    pub credit: U256,
    /// Asset wei, bonds included.
    pub stake: U256,
    /// Asset wei in bonds, in the deployment's markets.
    pub bonded: U256,
    /// Wei of the chain's currency that the key has.
    pub balance: U256,
    pub prices: Prices,
}

/// What came of a reading.
pub(super) struct Reading(Result<Seen, ChainError>);

impl Account {
    /// `low_below`: proofs below which a warning is due.
    pub(super) fn new(low_below: u64) -> Self {
        Self {
            funds: Funds::new(low_below),
            margin: Margin::default(),
            seen: None,
            next_reading: Instant::now(),
            is_reading: false,
        }
    }

    /// A reading, if one is due. `best_pay`: wei that the best slot pays.
    pub(super) fn read(
        &mut self,
        handles: &Handles,
        best_pay: impl FnOnce() -> U256,
    ) -> Option<BoxFuture<'static, Reading>> {
        if self.is_reading || Instant::now() < self.next_reading {
            return None;
        }
        self.is_reading = true;
        self.next_reading = Instant::now() + READ_EVERY;
        let (chain, prover, key) = (handles.chain.clone(), handles.me(), handles.sender.address());
        let needs = self.funds.needs(best_pay());
        Some(async move { Reading(read(&chain, prover, key, needs).await) }.boxed())
    }

    /// A reading is back.
    pub(super) fn know(&mut self, reading: Reading, handles: &Handles, best_pay: impl FnOnce() -> U256) {
        self.is_reading = false;
        let seen = match reading.0 {
            Ok(seen) => seen,
            Err(error) => {
                warn!(error = %error, "the prover's record could not be read; it is read again later");
                return;
            }
        };
        self.seen = Some(seen);
        let low = self.funds.know(seen.balance, seen.prices);
        self.margin.know(self.funds.proof_cost(), best_pay());
        if low {
            let proofs_left = self.funds.proofs_left();
            let fields = json!({
                "code": "low_balance", "balance": wei(seen.balance), "proofs_left": proofs_left
            });
            handles.reporter.node("warning", fields);
        }
    }

    /// What the last reading saw, unless it is known to have changed.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.seen
    }

    /// What was seen is no longer so.
    pub(super) fn changed(&mut self) {
        self.seen = None;
    }

    /// A reading that was under way is not waited for.
    pub(super) fn abandon(&mut self) {
        self.is_reading = false;
    }
}

async fn prices(rpc: &Rpc, needs: &Needs, pause: &[u8]) -> Result<Prices, ChainError> {
    Ok(Prices {
        max_fee: rpc.max_fee().await?,
        proof_surcharge: rpc.surcharge(&needs.calldata, needs.proof_gas).await?,
        pause_surcharge: rpc.surcharge(pause, PAUSE_GAS).await?,
    })
}

/// All endpoints are asked for what one says if the prover would leave the draws for it: the key's balance, and fees.
async fn read(chain: &Chain, prover: Address, key: Address, needs: Needs) -> Result<Seen, ChainError> {
    let record = chain.prover(prover).await?;
    let prover_status = ProverStatus { registered: record.id != 0, paused: record.paused };
    let mut bonded = U256::ZERO;
    for rollup in &chain.deployment().rollups {
        bonded = bonded.saturating_add(chain.bonded(rollup.market, prover).await?);
    }
    let pause = pause::marked(chain.calls().pause()).data;
    let prices = prices(chain.rpc(), &needs, &pause).await?;
    let balance = chain.rpc().surest_balance(key, needs.enough(&prices)).await?;
    let prices = match needs.doubts(balance, &prices) {
        true => {
            let mut all = vec![prices];
            for one in chain.rpc().apart() {
                all.extend(self::prices(&one, &needs, &pause).await.ok());
            }
            needs.cheapest(all).unwrap_or(prices)
        }
        false => prices,
    };
    Ok(Seen {
        prover_status,
        is_submitter: key == prover || chain.prover_of_submitter(key).await? == Some(prover),
        credit: chain.credits(prover).await?,
        stake: U256::from(record.stake),
        bonded,
        balance,
        prices,
    })
}
