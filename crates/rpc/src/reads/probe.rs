//! What an endpoint answers of what a node will ask it: before anything depends on it.

use alloy::{
    primitives::Address,
    providers::Provider,
    rpc::types::{Filter, Log},
    transports::RpcError,
};
use provery_types::BlockRef;

use crate::{ChainError, Rpc, reason, receipts::Receipts};

/// Blocks of which logs are asked for at once, from the most that a follower asks for down.
const WIDTHS: [u64; 7] = [1_000_000, 100_000, 10_000, 2_000, 100, 10, 1];

/// What one endpoint has of a deployment's first block, and how it answers of the newest.
#[derive(Debug)]
pub struct Probe {
    /// Of the first block: whether it is there.
    pub header: Result<(), ChainError>,
    /// Of the first block, by its height. None if its receipts have logs of these contracts and this answer has not.
    pub logs: Result<Option<usize>, ChainError>,
    /// Of the first block; false if it has transactions, and there are none.
    pub receipts: Result<bool, ChainError>,
    /// Of the newest block, by its hash; else what was said.
    pub logs_by_hash: Result<(), String>,
    /// Of how many of the newest blocks it tells the logs at once, or of all the blocks there are; else what was said.
    pub range: Result<u64, String>,
    /// How many blocks the chain has.
    pub blocks: u64,
}

impl Rpc {
    /// Ask the best endpoint, and no other, of the block in which a deployment begins, and of the newest.
    pub async fn probe(&self, first: u64, head: &BlockRef, contracts: &[Address]) -> Probe {
        let filter = Filter::new().address(contracts.to_vec());
        let begun = match self.block(first).await {
            Ok(Some(block)) => Ok(block),
            Ok(None) => Err(ChainError::BlockNotFound(first)),
            Err(error) => Err(error),
        };
        let logs = self.provider().get_logs(&filter.clone().from_block(first).to_block(first)).await;
        let logs = logs.map_err(|error| self.error("eth_getLogs", error));
        let receipts = match &begun {
            Ok(block) => self.receipts_of(block).await,
            // It was said why.
            Err(_) => Ok(None),
        };
        let (logs, receipts) = judged(contracts, logs, receipts);
        let by_hash = self.provider().get_logs(&filter.clone().at_block_hash(head.hash)).await;
        Probe {
            header: begun.map(|_| ()),
            logs,
            receipts,
            logs_by_hash: by_hash.map(|_| ()).map_err(|error| reason(&error)),
            range: self.widest(head.number, &filter).await,
            blocks: head.number.saturating_add(1),
        }
    }

    /// A block's receipts, and whether they are of all its transactions.
    async fn receipts_of(&self, block: &BlockRef) -> Result<Option<(Receipts, bool)>, ChainError> {
        let Some(view) = self.trusted().into_iter().next() else { return Ok(None) };
        let Some(receipts) = view.receipts(block.hash).await? else { return Ok(None) };
        let all = view.transactions(block.hash).await?;
        let is_whole = all.is_some_and(|all| all == receipts.transactions);
        Ok(Some((receipts, is_whole)))
    }

    async fn widest(&self, head: u64, filter: &Filter) -> Result<u64, String> {
        let all = head.saturating_add(1);
        let mut said = String::new();
        let mut asked = 0;
        for width in WIDTHS.map(|width| width.min(all)) {
            if width == asked {
                continue; // There are no more blocks.
            }
            asked = width;
            let range = filter.clone().from_block(all - width).to_block(head);
            match self.provider().get_logs(&range).await {
                Ok(_) => return Ok(width),
                // What does not answer in time may, for less.
                Err(error) if matches!(error, RpcError::ErrorResp(_) | RpcError::Transport(_)) => {
                    said = reason(&error);
                }
                Err(error) => return Err(reason(&error)),
            }
        }
        Err(said)
    }
}

type Logs = Result<Option<usize>, ChainError>;

fn judged(
    contracts: &[Address],
    logs: Result<Vec<Log>, ChainError>,
    receipts: Result<Option<(Receipts, bool)>, ChainError>,
) -> (Logs, Result<bool, ChainError>) {
    let ours = match &receipts {
        Ok(Some((receipts, _))) => {
            receipts.logs.iter().filter(|log| contracts.contains(&log.address())).count()
        }
        _ => 0,
    };
    let told = logs.map(|logs| Some(logs.len()).filter(|told| *told >= ours));
    (told, receipts.map(|receipts| receipts.is_some_and(|(_, is_whole)| is_whole)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alloy::primitives::B256;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Fake, Say, connect, hash, sound};

    const US: Address = Address::repeat_byte(1);

    /// A block with a transaction in it, whose log is ours.
    fn answer(method: &str, params: &Value) -> Say {
        let tx = hash(77);
        match method {
            "eth_getBlockReceipts" => {
                let log = json!({
                    "address": US, "topics": [], "data": "0x", "blockHash": params[0], "blockNumber": "0x7",
                    "transactionHash": tx, "transactionIndex": "0x0", "logIndex": "0x0", "removed": false,
                });
                Say::Result(json!([{ "transactionHash": tx, "logs": [log] }]))
            }
            "eth_getBlockByHash" => Say::Result(json!({ "transactions": [tx] })),
            "eth_getLogs" if params[0]["blockHash"].is_string() => Say::Result(json!([])),
            _ => sound(method, params),
        }
    }

    async fn probe(script: impl Fn(&str, &Value) -> Say + Send + Sync + 'static) -> Probe {
        let fake = Fake::new(move |method, params, _| script(method, params)).await;
        let rpc = connect(&[&fake], Duration::from_secs(60)).await;
        let head = BlockRef { number: 1_000, hash: B256::repeat_byte(9), ..BlockRef::default() };
        rpc.probe(7, &head, &[US]).await
    }

    #[tokio::test]
    async fn an_endpoint_that_has_all_is_seen_to_have_it() {
        let probe = probe(answer).await;
        assert!(probe.header.is_ok() && probe.logs_by_hash.is_ok(), "{probe:?}");
        assert!(matches!((&probe.logs, &probe.receipts), (Ok(Some(1)), Ok(true))), "{probe:?}");
        assert_eq!(probe.range, Ok(1_001), "all there are");
    }

    #[tokio::test]
    async fn what_is_pruned_is_seen_with_or_without_an_error() {
        let says = |method: &'static str| {
            move |asked: &str, params: &Value| match asked == method {
                true => Say::refuse(4444, "Pruned history unavailable"),
                false => answer(asked, params),
            }
        };
        let no_header = probe(says("eth_getBlockByNumber")).await;
        assert!(matches!(no_header.header, Err(ChainError::Pruned { .. })), "{no_header:?}");
        let no_logs = probe(says("eth_getLogs")).await;
        assert!(matches!(no_logs.logs, Err(ChainError::Pruned { .. })), "{no_logs:?}");
        assert!(no_logs.header.is_ok() && no_logs.range.is_err() && no_logs.logs_by_hash.is_err());

        let silent = probe(|method, params| match method {
            "eth_getLogs" => Say::Result(json!([])),
            _ => answer(method, params),
        })
        .await;
        assert!(matches!(silent.logs, Ok(None)), "the receipts have a log: {silent:?}");
        let no_receipts = probe(|method, params| match method {
            "eth_getBlockReceipts" => Say::Result(json!([])),
            _ => answer(method, params),
        })
        .await;
        assert!(matches!(no_receipts.receipts, Ok(false)), "there is a transaction: {no_receipts:?}");
        let nothing = probe(|method, params| match method {
            "eth_getBlockByNumber" => Say::Result(Value::Null),
            _ => answer(method, params),
        })
        .await;
        assert!(matches!(nothing.header, Err(ChainError::BlockNotFound(7))), "{nothing:?}");
    }

    #[tokio::test]
    async fn how_wide_a_range_may_be_is_found_in_a_few_requests() {
        let probe = probe(|method, params| match answer(method, params) {
            Say::Result(Value::Array(logs)) if logs.len() > 500 => {
                Say::refuse(-32000, "up to a 500 block range")
            }
            answer => answer,
        })
        .await;
        assert_eq!(probe.range, Ok(100));
    }
}
