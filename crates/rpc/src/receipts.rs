//! A block's receipts, and whether they are those that its header commits to.
//!
//! The root is that of the Merkle-Patricia trie of the receipts' encodings (Yellow Paper 4.3.2; EIP-2718 for types; the two
//! fields at the end of an OP deposit's since Canyon, from the OP stack's specification of deposits).

use alloy::{
    consensus::proofs::ordered_trie_root_with_encoder,
    primitives::{B256, Bloom, Bytes, U8, U64},
    rlp::{BufMut, Encodable, Header as Rlp},
    rpc::types::Log,
};
use serde::Deserialize;

/// The type of an OP deposit's receipt.
const DEPOSIT: u8 = 0x7e;

/// What is needed of a receipt's JSON, whatever else a chain puts there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawReceipt {
    transaction_hash: B256,
    logs: Vec<Log>,
    #[serde(default, rename = "type")]
    kind: Option<U8>,
    #[serde(default)]
    status: Option<U64>,
    /// Before Byzantium, instead of a status.
    #[serde(default)]
    root: Option<Bytes>,
    #[serde(default)]
    cumulative_gas_used: Option<U64>,
    #[serde(default)]
    deposit_nonce: Option<U64>,
    #[serde(default)]
    deposit_receipt_version: Option<U64>,
}

impl RawReceipt {
    /// What is hashed of it; nothing if something is missing.
    fn encoding(&self) -> Option<Vec<u8>> {
        let mut fields = Vec::new();
        match (&self.status, &self.root) {
            (Some(status), _) => status.to::<u64>().encode(&mut fields),
            (None, Some(root)) => root.encode(&mut fields),
            (None, None) => return None,
        }
        self.cumulative_gas_used?.to::<u64>().encode(&mut fields);
        let mut bloom = Bloom::ZERO;
        self.logs.iter().for_each(|log| bloom.accrue_log(&log.inner));
        bloom.encode(&mut fields);
        let logs: Vec<_> = self.logs.iter().map(|log| &log.inner).collect();
        logs.encode(&mut fields);
        let kind = self.kind.unwrap_or_default().to::<u8>();
        if let (DEPOSIT, Some(version)) = (kind, self.deposit_receipt_version) {
            self.deposit_nonce.unwrap_or_default().to::<u64>().encode(&mut fields);
            version.to::<u64>().encode(&mut fields);
        }
        let mut all = if kind == 0 { Vec::new() } else { vec![kind] };
        Rlp { list: true, payload_length: fields.len() }.encode(&mut all);
        all.extend(fields);
        Some(all)
    }
}

/// A block's receipts, as far as an endpoint has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receipts {
    /// Whose they are, in order.
    pub(crate) transactions: Vec<B256>,
    pub(crate) logs: Vec<Log>,
    /// Of each what is hashed; nothing if one lacks something.
    encodings: Option<Vec<Vec<u8>>>,
}

impl Receipts {
    pub(crate) fn new(found: Vec<RawReceipt>) -> Self {
        Self {
            transactions: found.iter().map(|receipt| receipt.transaction_hash).collect(),
            encodings: found.iter().map(RawReceipt::encoding).collect(),
            logs: found.into_iter().flat_map(|receipt| receipt.logs).collect(),
        }
    }

    /// What a header that has just these commits to.
    pub(crate) fn root(&self) -> Option<B256> {
        let encodings = self.encodings.as_ref()?;
        Some(ordered_trie_root_with_encoder(encodings, |encoding, all| all.put_slice(encoding)))
    }

    /// The logs, each at the place that their order gives it: what is hashed does not say it.
    pub(crate) fn placed(self) -> Vec<Log> {
        (0..).zip(self.logs).map(|(at, log)| Log { log_index: Some(at), ..log }).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        consensus::{
            Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom, proofs::calculate_receipt_root,
        },
        primitives::{Address, Log as Inner, hex},
    };
    use serde_json::json;

    use super::*;

    fn read(json: &serde_json::Value) -> Vec<RawReceipt> {
        serde_json::from_value(json.clone()).expect("receipts")
    }

    fn log(of: u8) -> Inner {
        Inner::new_unchecked(Address::repeat_byte(of), vec![B256::repeat_byte(of)], Bytes::from(vec![of; 70]))
    }

    #[test]
    fn the_root_is_the_one_that_nodes_compute() {
        let (mut envelopes, mut said) = (Vec::new(), Vec::new());
        // More than one nibble of keys, and no index below 128 that stands for itself alone.
        for at in 0..200_u64 {
            let logs: Vec<Inner> = (0..at % 3).map(|of| log(of as u8 + 1)).collect();
            let (kind, status, gas) = (at % 5, at % 7 != 0, (at + 1) * 21_000);
            let receipt = Receipt { status: Eip658Value::Eip658(status), cumulative_gas_used: gas, logs };
            let logs: Vec<Log> =
                receipt.logs.iter().map(|inner| Log { inner: inner.clone(), ..Log::default() }).collect();
            said.push(json!({
                "transactionHash": B256::ZERO, "type": format!("{kind:#x}"), "status": format!("{:#x}", u8::from(status)),
                "cumulativeGasUsed": format!("{gas:#x}"), "logs": logs,
            }));
            let receipt = ReceiptWithBloom::from(receipt);
            envelopes.push(match kind {
                0 => ReceiptEnvelope::Legacy(receipt),
                1 => ReceiptEnvelope::Eip2930(receipt),
                2 => ReceiptEnvelope::Eip1559(receipt),
                3 => ReceiptEnvelope::Eip4844(receipt),
                _ => ReceiptEnvelope::Eip7702(receipt),
            });
        }
        let mut said = json!(said);
        assert_eq!(Receipts::new(read(&said)).root(), Some(calculate_receipt_root(&envelopes)));
        // Of a block with one plain transfer, as an anvil hashed it.
        let transfer = json!([{ "transactionHash": B256::ZERO, "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": [] }]);
        let root = hex!("f78dfb743fbd92ade140711c8bbc542b5e307f0ab7984eff35d751969fe57efa");
        assert_eq!(Receipts::new(read(&transfer)).root(), Some(B256::from(root)));
        // What lacks something proves nothing.
        said[7].as_object_mut().expect("an object").remove("cumulativeGasUsed");
        assert_eq!(Receipts::new(read(&said)).root(), None);
    }

    #[test]
    fn a_deposit_is_hashed_with_its_nonce_since_canyon() {
        let mut json = json!([{
            "transactionHash": B256::ZERO, "type": "0x7e", "status": "0x1", "cumulativeGasUsed": "0xb741", "logs": [],
            "depositNonce": "0x3d3bbf", "depositReceiptVersion": "0x1",
        }]);
        // As op-geth encodes it.
        let canyon = format!("7ef9010d0182b741b90100{}c0833d3bbf01", "00".repeat(256));
        assert_eq!(read(&json)[0].encoding().map(hex::encode), Some(canyon));
        json[0].as_object_mut().expect("an object").remove("depositReceiptVersion");
        let before = format!("7ef901080182b741b90100{}c0", "00".repeat(256));
        assert_eq!(read(&json)[0].encoding().map(hex::encode), Some(before));
    }
}
