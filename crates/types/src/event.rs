//! Everything the contracts say.

use alloy::primitives::{Address, B256, LogData, U256};
use serde::{Deserialize, Serialize};

use crate::{Slot, Terms};

/// A block by which a follower knows where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockRef {
    /// Its height.
    pub number: u64,
    /// Its own hash.
    pub hash: B256,
    /// The hash of the block before it.
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
}

/// An event of one of the contracts. Amounts are asset wei, times unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A market was created. Its terms follow in `TermsSet`.
    MarketCreated {
        /// The new market's id.
        market: U256,
        /// The only account that may change its terms for slots to come, or take back unused funds.
        creator: Address,
        /// Slots that may be open at once.
        capacity: u32,
        /// What the first slot of a chain continues.
        origin: U256,
    },
    /// Slots may be opened under these terms from `from` on.
    TermsSet {
        /// The market's id, as in all events.
        market: U256,
        /// keccak256 of the encoded terms: what the chain stores of them.
        terms_hash: B256,
        /// Unix seconds.
        from: u64,
        /// The terms in full.
        terms: Terms,
    },
    /// A market's funds grew.
    Funded {
        /// The market that has them.
        market: U256,
        /// Who paid.
        from: Address,
        /// Asset wei.
        amount: U256,
    },
    /// A part of a market's unused funds became credit.
    Defunded {
        /// The market that had them.
        market: U256,
        /// Whose credit it is now.
        to: Address,
        /// Asset wei.
        amount: U256,
    },
    /// A slot was opened.
    SlotOpened {
        /// The slot as it was opened: held already if its prover is not zero.
        slot: Slot,
        /// The terms that it is bound to.
        terms_hash: B256,
        /// The fixed public inputs, in order.
        statement_inputs: Vec<U256>,
    },
    /// The mechanism gave a slot that was opened without a prover to `slot.prover`.
    SlotAssigned {
        /// The slot as it is from now on: its prover, price and clock are others than before.
        slot: Slot,
    },
    /// A proof was accepted and paid.
    SlotProven {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// Who was paid: a constrained public input of the proof.
        payee: Address,
        /// Asset wei from the slot's price.
        reward: U256,
        /// Asset wei from the bond of who missed it; 0 unless this was a rescue.
        premium: U256,
        /// Whose bond was slashed for it; `None` if nobody's was.
        missed_by: Option<Address>,
    },
    /// The market's account of a missed slot: how the bond was split.
    BondSlashed {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// Whose bond it was.
        prover: Address,
        /// Asset wei for who proved the slot.
        to_rescuer: U256,
        /// Asset wei for the market's funds.
        to_requester: U256,
        /// Asset wei that are nobody's any more.
        burned: U256,
    },
    /// Nobody proved a slot in time: its bond is free again.
    SlotExpired {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// Asset wei of its price that were burned; the rest is back in the market's funds.
        forfeited: U256,
    },
    /// The requester took back a slot that nobody held and that was not yet open to all.
    SlotCancelled {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
    },
    /// A slot ended with its premise, or because its requester paid its holder `fee`.
    SlotDropped {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// Asset wei of its price for its holder; the rest is back in the market's funds.
        fee: U256,
    },
    /// A proof was paid while what its slot builds on is open.
    SlotPending {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// Whose proof it was. If that is not the slot's holder, the slash of the holder's bond is held.
        payee: Address,
        /// Whether the proof says that the slot's claim is right.
        right: bool,
        /// What a slot that builds on this one continues.
        claim: U256,
    },
    /// A pending slot's premise was settled.
    SlotResolved {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// Asset wei of the slashed bond for the rescuer; 0 if nothing was held, or the premise fell.
        premium: U256,
    },
    /// A circuit's author was credited its part of a reward; the slot's event tells what is left of the reward.
    RoyaltyPaid {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// The circuit's author.
        author: Address,
        /// Asset wei.
        amount: U256,
    },
    /// A proof that does not bind its payee was committed to, for the first time.
    ProofCommitted {
        /// The commitment.
        commitment: B256,
        /// Who sent it.
        sender: Address,
    },
    /// A slot was proven right, and everything it builds on.
    SlotEstablished {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// What a slot that builds on this one continues.
        claim: U256,
    },
    /// Slot `id` fell, with all that builds on it; the next builds on `head`.
    ChainCut {
        /// The chain's market.
        market: U256,
        /// The first slot that fell.
        id: u64,
        /// The slot that the next one builds on; 0 for the chain's origin.
        head: u64,
        /// What `head` claims, and the next slot continues.
        claim: U256,
    },
    /// The requester's callback reverted or ran out of its gas; the settlement stands.
    CallbackFailed {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
    },
    /// The mechanism failed to take in how a slot ended; the settlement stands.
    HookFailed {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
    },
    /// The prover that holds a slot offers it.
    TransferOffered {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        id: u64,
        /// Who holds it.
        prover: Address,
        /// The offer's EIP-712 hash, by which it is revoked.
        digest: B256,
        /// Who may take it; anyone if not given.
        to: Option<Address>,
        /// What the taker pays; below zero, what the holder does.
        #[serde(with = "decimal")]
        price: i128,
        /// Unix seconds of the last block in which it may be taken.
        valid_until: u64,
    },
    /// An offer, made on-chain or signed, can no longer be taken.
    TransferRevoked {
        /// Whose offer it was.
        prover: Address,
        /// The offer's EIP-712 hash.
        digest: B256,
    },
    /// A slot's new holder is `slot.prover`.
    SlotTransferred {
        /// The slot as it is from now on.
        slot: Slot,
        /// Who held it until now, and whose bond is free again.
        from: Address,
        /// What the taker paid, in asset wei of credit; below zero, what it was paid.
        #[serde(with = "decimal")]
        price: i128,
    },
    /// Credit was withdrawn.
    Withdrawn {
        /// Whose credit it was.
        account: Address,
        /// Where it was sent.
        to: Address,
        /// Asset wei.
        amount: U256,
    },
    /// What was burned so far left the market for good.
    BurnedSwept {
        /// Asset wei.
        amount: U256,
    },

    /// A prover registered.
    ProverRegistered {
        /// Its address: its identity, and the payee of its proofs.
        prover: Address,
        /// Counts from 1 by registration: the place of its leaf in every weight tree.
        id: u32,
        /// Where its metadata are.
        uri: String,
    },
    /// A prover's metadata are elsewhere from now on.
    UriSet {
        /// Whose they are.
        prover: Address,
        /// Where they are.
        uri: String,
    },
    /// A prover asks a key to act for it.
    SubmitterNominated {
        /// Who asks.
        prover: Address,
        /// The key, which has to answer before it acts.
        submitter: Address,
    },
    /// A key acts for a prover from now on, or no longer.
    SubmitterSet {
        /// The prover.
        prover: Address,
        /// The key.
        submitter: Address,
        /// Whether it acts from now on.
        allowed: bool,
    },
    /// A prover's stake grew.
    Staked {
        /// Whose it is.
        prover: Address,
        /// Asset wei.
        amount: U256,
    },
    /// A prover asked stake back.
    UnstakeRequested {
        /// Whose it is.
        prover: Address,
        /// Asset wei, besides what it had asked back before.
        amount: U256,
        /// Unix seconds from which all that it asked back may be withdrawn.
        ready_at: u64,
    },
    /// Stake that was asked back was withdrawn.
    Unstaked {
        /// Whose it was.
        prover: Address,
        /// Where it was sent.
        to: Address,
        /// Asset wei.
        amount: U256,
    },
    /// What a prover puts behind a market is this from now on.
    AllocationSet {
        /// The prover.
        prover: Address,
        /// The market.
        market: U256,
        /// Units of the registry's stake unit: its weight once that took effect.
        units: u64,
        /// Units that may be bonded at once.
        exposure: u64,
        /// The first version of the market's terms that it accepts.
        from_version: u32,
        /// The last one.
        to_version: u32,
    },
    /// A leaf's weight, in units, from `epoch` on.
    WeightSet {
        /// The market whose tree it is in.
        market: U256,
        /// The prover's id.
        id: u32,
        /// Units of the registry's stake unit.
        weight: u64,
        /// The first epoch whose draws see it.
        epoch: u64,
    },
    /// A prover left the draws of every market.
    ProverPaused {
        /// The prover.
        prover: Address,
    },
    /// A prover may be drawn again after a pause.
    ProverResumed {
        /// The prover.
        prover: Address,
    },
    /// Out of one market's draws, after misses there.
    ProverSuspended {
        /// The prover.
        prover: Address,
        /// The market in which it missed too many slots in a row.
        market: U256,
    },
    /// A prover is back in the draws of a market, its misses there forgotten.
    ProverReinstated {
        /// The prover.
        prover: Address,
        /// The market.
        market: U256,
    },
    /// The registry's account of a missed slot: what left the prover's stake.
    StakeSlashed {
        /// Whose stake it was.
        prover: Address,
        /// The market whose slot it missed.
        market: U256,
        /// Asset wei: the slot's bond.
        amount: U256,
    },

    /// The seed of an epoch is known.
    EpochSeeded {
        /// Unix seconds divided by the epoch's length.
        epoch: u64,
        /// What the epoch's draws follow from: 216 bits.
        seed: U256,
    },
    /// An epoch has no seed, for its block is out of reach: its slots are open to all.
    EpochSeedless {
        /// Unix seconds divided by the epoch's length.
        epoch: u64,
    },
    /// Provers were drawn for a slot and passed over before one fitted, or none did.
    ProversPassedOver {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        slot: u64,
        /// How many draws that were.
        count: u64,
    },

    /// Something provable was registered.
    CircuitRegistered {
        /// Its id: a hash of what follows, but for the URI.
        circuit: B256,
        /// The contract that verifies its proofs.
        verifier: Address,
        /// Who registered it, whose the royalty is if there is one.
        author: Address,
        /// sha256 of the verifying key's file.
        key_hash: B256,
        /// sha256 of the descriptor, which says where every input comes from.
        descriptor_hash: B256,
        /// Its key's secrets are known: worthless outside a development chain.
        development: bool,
        /// Where the descriptor and the proving key can be fetched.
        uri: String,
    },

    /// A mechanism's word about a slot, undecoded.
    MechanismLog {
        /// The slot's market.
        market: U256,
        /// The slot's id within the market.
        slot: u64,
        /// Topics and data, for the mechanism's own code to read.
        log: LogData,
    },

    /// What a contract said that a market's workload may read, undecoded.
    WorkloadLog {
        /// Topics and data, for the workload's own code to read.
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
    /// What was said.
    #[serde(flatten)]
    pub event: Event,
    /// The contract that emitted it.
    pub address: Address,
    /// The block that it is in.
    pub block: BlockRef,
    /// The transaction that caused it.
    pub tx_hash: B256,
    /// Its place among the block's logs, from 0.
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
            Self::RoyaltyPaid { .. } => "royalty_paid",
            Self::ProofCommitted { .. } => "proof_committed",
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
