//! What nodes have sent, and geth's rule for replacements, which anvil does not enforce.

use std::{collections::BTreeMap, sync::Mutex};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::eip2718::Decodable2718 as _,
    primitives::{Address, B256, Bytes},
};
use serde_json::{Value, json};

/// What a node signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub sender: Address,
    pub nonce: u64,
    pub hash: B256,
    pub max_fee: u128,
    pub tip: u128,
    pub raw: Bytes,
}

impl Sent {
    /// From the parameter of `eth_sendRawTransaction`.
    pub(super) fn decode(raw: &str) -> Option<Self> {
        let raw: Bytes = raw.parse().ok()?;
        let envelope = TxEnvelope::decode_2718(&mut raw.as_ref()).ok()?;
        Some(Self {
            sender: envelope.signature().recover_address_from_prehash(&envelope.signature_hash()).ok()?,
            nonce: envelope.nonce(),
            hash: *envelope.tx_hash(),
            max_fee: envelope.max_fee_per_gas(),
            tip: envelope.max_priority_fee_per_gas().unwrap_or(envelope.max_fee_per_gas()),
            raw,
        })
    }

    /// A real node takes it in the place of `other` only if both fees are at least a tenth higher.
    fn may_replace(&self, other: &Self) -> bool {
        let raised = |new: u128, old: u128| new.saturating_mul(10) >= old.saturating_mul(11);
        raised(self.max_fee, other.max_fee) && raised(self.tip, other.tip)
    }
}

/// Transactions that the chain took, by sender and nonce. They stay until their nonce is mined for good: a real pool keeps
/// what is too cheap for the moment, and takes back what a reorganisation dropped; anvil does neither.
#[derive(Debug, Default)]
pub(super) struct Pool {
    taken: Mutex<BTreeMap<(Address, u64), Vec<Sent>>>,
}

impl Pool {
    /// What a real node would answer instead of taking it.
    pub(super) fn refusal(&self, sent: &Sent) -> Option<Value> {
        let taken = self.taken.lock().ok()?;
        let rivals = taken.get(&(sent.sender, sent.nonce))?;
        let known = rivals.iter().any(|rival| rival.hash == sent.hash);
        let newest = rivals.last()?;
        (!known && !sent.may_replace(newest)).then(|| error("replacement transaction underpriced"))
    }

    /// The chain took it.
    pub(super) fn took(&self, sent: Sent) {
        if let Ok(mut taken) = self.taken.lock() {
            let rivals = taken.entry((sent.sender, sent.nonce)).or_default();
            if !rivals.iter().any(|rival| rival.hash == sent.hash) {
                rivals.push(sent);
            }
        }
    }

    /// Whether another transaction of the same sender and nonce was taken before.
    pub(super) fn is_replacement(&self, sent: &Sent) -> bool {
        self.taken.lock().is_ok_and(|taken| {
            taken
                .get(&(sent.sender, sent.nonce))
                .is_some_and(|rivals| rivals.iter().any(|rival| rival.hash != sent.hash))
        })
    }

    /// What was taken for a nonce, oldest first.
    pub(super) fn of_nonce(&self, sender: Address, nonce: u64) -> Vec<Sent> {
        self.taken.lock().ok().and_then(|taken| taken.get(&(sender, nonce)).cloned()).unwrap_or_default()
    }

    /// How many transactions replaced another.
    pub(super) fn replaced(&self) -> usize {
        self.taken.lock().map(|taken| taken.values().map(|rivals| rivals.len() - 1).sum()).unwrap_or(0)
    }
}

/// A JSON-RPC error as geth words it.
pub(super) fn error(message: &str) -> Value {
    json!({ "code": -32000, "message": message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(hash: u8, max_fee: u128, tip: u128) -> Sent {
        Sent {
            sender: Address::ZERO,
            nonce: 1,
            hash: B256::repeat_byte(hash),
            max_fee,
            tip,
            raw: Bytes::new(),
        }
    }

    #[test]
    fn a_replacement_needs_a_tenth_more_of_both_fees() {
        let pool = Pool::default();
        assert!(pool.refusal(&sent(1, 100, 10)).is_none());
        pool.took(sent(1, 100, 10));
        assert!(pool.refusal(&sent(1, 100, 10)).is_none(), "the same again is no replacement");
        assert!(pool.refusal(&sent(2, 200, 10)).is_some());
        assert!(pool.refusal(&sent(2, 109, 20)).is_some());
        assert!(pool.refusal(&sent(2, 110, 11)).is_none());
        pool.took(sent(2, 110, 11));
        assert!(pool.refusal(&sent(3, 115, 20)).is_some(), "the newest counts");
        assert_eq!(pool.replaced(), 1);
    }
}
