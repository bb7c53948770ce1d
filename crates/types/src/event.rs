//! Everything the contracts say.

use alloy::primitives::{Address, B256, LogData, U256};
use serde::{Deserialize, Serialize};

use crate::{Slot, Terms};

/// A block by which a follower knows where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockRef {
    pub number: u64,
    pub hash: B256,
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
}

/// An event of one of the contracts. Amounts are asset wei, times unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    MarketCreated {
        market: U256,
        creator: Address,
        capacity: u32,
        /// What the first slot of a chain continues.
        origin: U256,
    },
    /// Slots may be opened under these terms from `from` on.
    TermsSet {
        market: U256,
        terms_hash: B256,
        from: u64,
        terms: Terms,
    },
    Funded {
        market: U256,
        from: Address,
        amount: U256,
    },
    Defunded {
        market: U256,
        to: Address,
        amount: U256,
    },
    SlotOpened {
        slot: Slot,
        terms_hash: B256,
        statement_inputs: Vec<U256>,
    },
    SlotAssigned {
        slot: Slot,
    },
    SlotProven {
        market: U256,
        id: u64,
        payee: Address,
        reward: U256,
        premium: U256,
        missed_by: Option<Address>,
    },
    /// The market's account of a missed slot: how the bond was split.
    BondSlashed {
        market: U256,
        id: u64,
        prover: Address,
        to_rescuer: U256,
        to_requester: U256,
        burned: U256,
    },
    SlotExpired {
        market: U256,
        id: u64,
        forfeited: U256,
    },
    SlotCancelled {
        market: U256,
        id: u64,
    },
    /// A slot ended with its premise, or because its requester paid its holder `fee`.
    SlotDropped {
        market: U256,
        id: u64,
        fee: U256,
    },
    /// A proof was paid while what its slot builds on is open.
    SlotPending {
        market: U256,
        id: u64,
        payee: Address,
        right: bool,
        claim: U256,
    },
    /// A pending slot's premise was settled.
    SlotResolved {
        market: U256,
        id: u64,
        premium: U256,
    },
    /// A slot was proven right, and everything it builds on.
    SlotEstablished {
        market: U256,
        id: u64,
        claim: U256,
    },
    /// Slot `id` fell, with all that builds on it; the next builds on `head`.
    ChainCut {
        market: U256,
        id: u64,
        head: u64,
        claim: U256,
    },
    CallbackFailed {
        market: U256,
        id: u64,
    },
    HookFailed {
        market: U256,
        id: u64,
    },
    TransferOffered {
        market: U256,
        id: u64,
        prover: Address,
        digest: B256,
        /// Who may take it; anyone if not given.
        to: Option<Address>,
        /// What the taker pays; below zero, what the holder does.
        #[serde(with = "decimal")]
        price: i128,
        valid_until: u64,
    },
    TransferRevoked {
        prover: Address,
        digest: B256,
    },
    /// A slot's new holder is `slot.prover`.
    SlotTransferred {
        slot: Slot,
        from: Address,
        #[serde(with = "decimal")]
        price: i128,
    },
    Withdrawn {
        account: Address,
        to: Address,
        amount: U256,
    },
    BurnedSwept {
        amount: U256,
    },

    ProverRegistered {
        prover: Address,
        id: u32,
        uri: String,
    },
    UriSet {
        prover: Address,
        uri: String,
    },
    /// A prover asks a key to act for it.
    SubmitterNominated {
        prover: Address,
        submitter: Address,
    },
    SubmitterSet {
        prover: Address,
        submitter: Address,
        allowed: bool,
    },
    Staked {
        prover: Address,
        amount: U256,
    },
    UnstakeRequested {
        prover: Address,
        amount: U256,
        ready_at: u64,
    },
    Unstaked {
        prover: Address,
        to: Address,
        amount: U256,
    },
    AllocationSet {
        prover: Address,
        market: U256,
        units: u64,
        /// Units that may be bonded at once.
        exposure: u64,
        /// Versions of the market's terms that it accepts, from the first to the last.
        from_version: u32,
        to_version: u32,
    },
    /// A leaf's weight, in units, from `epoch` on.
    WeightSet {
        market: U256,
        id: u32,
        weight: u64,
        epoch: u64,
    },
    ProverPaused {
        prover: Address,
    },
    ProverResumed {
        prover: Address,
    },
    /// Out of one market's draws, after misses there.
    ProverSuspended {
        prover: Address,
        market: U256,
    },
    ProverReinstated {
        prover: Address,
        market: U256,
    },
    /// The registry's account of a missed slot: what left the prover's stake.
    StakeSlashed {
        prover: Address,
        market: U256,
        amount: U256,
    },

    EpochSeeded {
        epoch: u64,
        seed: U256,
    },
    /// Its slots are open to all.
    EpochSeedless {
        epoch: u64,
    },
    ProversPassedOver {
        market: U256,
        slot: u64,
        count: u64,
    },

    CircuitRegistered {
        circuit: B256,
        verifier: Address,
        key_hash: B256,
        descriptor_hash: B256,
        development: bool,
        uri: String,
    },

    /// A mechanism's word about a slot, undecoded.
    MechanismLog {
        market: U256,
        slot: u64,
        log: LogData,
    },

    /// What a contract said that a market's workload may read, undecoded.
    WorkloadLog {
        log: LogData,
    },
}

/// Signed amounts as decimal strings: JSON's numbers have no room for them.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// An event and where it was emitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedEvent {
    #[serde(flatten)]
    pub event: Event,
    /// The contract that emitted it.
    pub address: Address,
    pub block: BlockRef,
    pub tx_hash: B256,
    pub log_index: u64,
}

impl Event {
    /// The event's name in the contracts' ABI, as `snake_case`; the tag of its JSON form.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MarketCreated { .. } => "market_created",
            Self::TermsSet { .. } => "terms_set",
            Self::Funded { .. } => "funded",
            Self::Defunded { .. } => "defunded",
            Self::SlotOpened { .. } => "slot_opened",
            Self::SlotAssigned { .. } => "slot_assigned",
            Self::SlotProven { .. } => "slot_proven",
            Self::BondSlashed { .. } => "bond_slashed",
            Self::SlotExpired { .. } => "slot_expired",
            Self::SlotCancelled { .. } => "slot_cancelled",
            Self::SlotDropped { .. } => "slot_dropped",
            Self::SlotPending { .. } => "slot_pending",
            Self::SlotResolved { .. } => "slot_resolved",
            Self::SlotEstablished { .. } => "slot_established",
            Self::ChainCut { .. } => "chain_cut",
            Self::CallbackFailed { .. } => "callback_failed",
            Self::HookFailed { .. } => "hook_failed",
            Self::TransferOffered { .. } => "transfer_offered",
            Self::TransferRevoked { .. } => "transfer_revoked",
            Self::SlotTransferred { .. } => "slot_transferred",
            Self::MechanismLog { .. } => "mechanism_log",
            Self::Withdrawn { .. } => "withdrawn",
            Self::BurnedSwept { .. } => "burned_swept",
            Self::ProverRegistered { .. } => "prover_registered",
            Self::UriSet { .. } => "uri_set",
            Self::SubmitterNominated { .. } => "submitter_nominated",
            Self::SubmitterSet { .. } => "submitter_set",
            Self::Staked { .. } => "staked",
            Self::UnstakeRequested { .. } => "unstake_requested",
            Self::Unstaked { .. } => "unstaked",
            Self::AllocationSet { .. } => "allocation_set",
            Self::WeightSet { .. } => "weight_set",
            Self::ProverPaused { .. } => "prover_paused",
            Self::ProverSuspended { .. } => "prover_suspended",
            Self::ProverResumed { .. } => "prover_resumed",
            Self::ProverReinstated { .. } => "prover_reinstated",
            Self::StakeSlashed { .. } => "stake_slashed",
            Self::EpochSeeded { .. } => "epoch_seeded",
            Self::EpochSeedless { .. } => "epoch_seedless",
            Self::ProversPassedOver { .. } => "provers_passed_over",
            Self::CircuitRegistered { .. } => "circuit_registered",
            Self::WorkloadLog { .. } => "workload_log",
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;

    use super::*;

    #[test]
    fn an_events_name_is_its_json_tag() {
        let events = [
            Event::SlotCancelled { market: U256::from(1), id: 2 },
            Event::BurnedSwept { amount: U256::from(3) },
            Event::StakeSlashed { prover: Address::ZERO, market: U256::from(1), amount: U256::from(2) },
            Event::SlotTransferred { slot: Slot::default(), from: Address::ZERO, price: -(1 << 94) },
            Event::TransferOffered {
                market: U256::from(1),
                id: 2,
                prover: Address::ZERO,
                digest: B256::ZERO,
                to: None,
                price: 1 << 94,
                valid_until: 3,
            },
            Event::MechanismLog {
                market: U256::from(1),
                slot: 2,
                log: LogData::new_unchecked(vec![B256::repeat_byte(1)], Bytes::from(vec![2])),
            },
        ];
        for event in events {
            let json = serde_json::to_value(&event).expect("an event has a JSON form");
            assert_eq!(json["event"], event.name());
            assert_eq!(serde_json::from_value::<Event>(json).expect("its own JSON form"), event);
        }
    }
}
