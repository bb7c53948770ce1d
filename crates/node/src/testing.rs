//! A chain made up for tests: a deployment with one rollup, and the events that its contracts would emit.

use alloy::primitives::{
    Address, B256, LogData, U256,
    aliases::{U40, U96},
};
use provery_circuits::State;
use provery_types::{
    BlockRef, ContractRecord, Deployment, Event, LoggedEvent, Slot, Terms, statement_hash, terms_hash,
};
use provery_workloads::testing::{self, Rollup, root};

pub(crate) const ME: Address = Address::repeat_byte(0x11);
pub(crate) const OTHER: Address = Address::repeat_byte(0x22);
pub(crate) const ROLLUP: Address = Address::repeat_byte(0x33);
pub(crate) const MARKET: U256 = U256::ONE;
/// Transfers in a block.
const BLOCK_SIZE: usize = 2;

const LOTTERY: Address = Address::repeat_byte(0x44);
pub(crate) const AUCTION: Address = Address::repeat_byte(0x45);
pub(crate) const MINING: Address = Address::repeat_byte(0x46);
pub(crate) const ASKS: Address = Address::repeat_byte(0x47);
const CHAIN: u64 = 31337;

pub(crate) fn deployment() -> Deployment {
    let record = |address| ContractRecord { address, code_hash: B256::ZERO, block: 1, mechanism: false };
    let names = [
        "ProofMarket",
        "ProverRegistry",
        "CircuitRegistry",
        "StakeLottery",
        "SealedBidAuction",
        "Mining",
        "StandingAsks",
        "SlotTransfers",
    ];
    let addresses = [
        Address::repeat_byte(0x51),
        Address::repeat_byte(0x52),
        Address::repeat_byte(0x53),
        LOTTERY,
        AUCTION,
        MINING,
        ASKS,
        Address::repeat_byte(0x56),
    ];
    Deployment {
        chain_id: CHAIN,
        development: true,
        block: 1,
        compiler: "0.8.30".to_owned(),
        asset: Address::repeat_byte(0x54),
        asset_unit: None,
        contracts: names.iter().map(|name| name.to_string()).zip(addresses.map(record)).collect(),
        rollups: vec![testing::record(ROLLUP, MARKET, BLOCK_SIZE)],
    }
}

pub(crate) fn terms() -> Terms {
    Terms {
        requester: ROLLUP,
        mechanism: LOTTERY,
        mechanismParams: B256::ZERO,
        circuit: B256::repeat_byte(9),
        verifier: Address::repeat_byte(0x55),
        price: U96::from(1_000),
        bond: U96::from(2_000),
        fastWindow: 20,
        exclusiveWindow: 100,
        expiryWindow: 400,
        floorBps: 6_000,
        rescuerBps: 5_000,
        requesterBps: 2_000,
        forfeitBps: 1_000,
        outputs: 1,
        callbackGas: 0,
        version: 1,
        leastRescue: U96::from(300),
        // The first input continues what the second claims; the first output says whether that is right.
        chain: 1 << 24 | 1 << 8,
        circuitTerms: U256::ZERO,
    }
}

pub(crate) fn block(number: u64) -> BlockRef {
    BlockRef {
        number,
        hash: B256::from(U256::from(number)),
        parent_hash: B256::from(U256::from(number.saturating_sub(1))),
        timestamp: 1_000 + number,
    }
}

/// What a rollup's contract says of a block that it posts, whatever sense it makes.
pub(crate) fn posted(number: u64, parent: u64, old_root: U256, new_root: U256, data: &[u8]) -> Event {
    Event::WorkloadLog { log: testing::posted(number, parent, old_root, new_root, data.to_vec()) }
}

/// What a rollup's contract says of its beginning, whatever sense it makes.
pub(crate) fn genesis(root: U256) -> Event {
    Event::WorkloadLog { log: testing::genesis(root, Vec::new()) }
}

/// What it says and nobody can read.
pub(crate) fn cut_short() -> Event {
    Event::WorkloadLog { log: testing::cut_short() }
}

/// Whether a rollup tells of its beginning.
pub(crate) fn is_genesis(logged: &LoggedEvent) -> bool {
    matches!(&logged.event, Event::WorkloadLog { log } if testing::is_genesis(log))
}

/// A prover accepts version 1 of the terms, and exposes all that it allocates.
pub(crate) fn allocated(prover: Address, units: u64) -> Event {
    Event::AllocationSet { prover, market: MARKET, units, exposure: units, from_version: 1, to_version: 1 }
}

/// Emits a rollup's history, block by block.
pub(crate) struct World {
    /// Of the market.
    pub terms: Terms,
    rollup: Rollup,
    /// The state after the last block posted.
    pub state: State,
    last: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let rollup = Rollup::new(CHAIN, ROLLUP, BLOCK_SIZE, 4);
        let state = rollup.beginning();
        Self { terms: terms(), rollup, state, last: 0 }
    }

    /// A slot's mechanism says something about it, in chain block `number`.
    pub(crate) fn says(&self, number: u64, slot: u64, log: LogData) -> LoggedEvent {
        let event = Event::MechanismLog { market: MARKET, slot, log };
        LoggedEvent { address: self.terms.mechanism, ..Self::at(number, 9, event) }
    }

    /// An event in chain block `number`.
    pub(crate) fn at(number: u64, index: u64, event: Event) -> LoggedEvent {
        let address = match event {
            Event::WorkloadLog { .. } => ROLLUP,
            _ => Address::repeat_byte(0x51),
        };
        LoggedEvent {
            event,
            address,
            block: block(number),
            tx_hash: B256::repeat_byte(number as u8),
            log_index: index,
        }
    }

    /// Genesis, terms, and two provers with stake, in block 1.
    pub(crate) fn beginning(&self) -> Vec<LoggedEvent> {
        let mut events = vec![
            Event::WorkloadLog { log: self.rollup.genesis() },
            Event::TermsSet {
                market: MARKET,
                terms_hash: terms_hash(&self.terms),
                from: 0,
                terms: self.terms.clone(),
            },
        ];
        for (id, prover) in [(1, ME), (2, OTHER)] {
            events.push(Event::ProverRegistered { prover, id, uri: String::new() });
            events.push(allocated(prover, 5));
            events.push(Event::WeightSet { market: MARKET, id, weight: 5, epoch: 2 });
        }
        (0..).zip(events).map(|(index, event)| Self::at(1, index, event)).collect()
    }

    /// A rollup block and its slot, held by `prover`, in chain block `number`. `claim` replaces the claimed root; the next
    /// block goes on from the right one all the same.
    pub(crate) fn post(&mut self, number: u64, prover: Address, claim: Option<U256>) -> Vec<LoggedEvent> {
        let from = self.state.clone();
        self.post_on(number, prover, &from, None, claim)
    }

    /// Likewise, on a state of one's own choosing, whatever root the block is said to start from.
    pub(crate) fn post_on(
        &mut self,
        number: u64,
        prover: Address,
        from: &State,
        old_root: Option<U256>,
        claim: Option<U256>,
    ) -> Vec<LoggedEvent> {
        let block = self.rollup.next(from);
        let old_root = old_root.unwrap_or_else(|| root(from));
        let new_root = claim.unwrap_or_else(|| root(&block.after));
        let inputs = block.inputs(old_root, new_root);
        self.state = block.after;
        let parent = self.last;
        self.last += 1;
        let at = self::block(number).timestamp;
        let slot = Slot {
            market: MARKET,
            id: self.last,
            statement: statement_hash(&inputs),
            prover,
            price: U96::from(1_000),
            openedAt: U40::from(at),
            startedAt: U40::from(at),
            exclusiveUntil: U40::from(at + 100),
            capacity: 16,
            // The lowest bits are the premise.
            link: U256::from(parent),
        };
        let log = testing::posted(self.last, parent, old_root, new_root, block.data);
        let posted = Event::WorkloadLog { log };
        let opened =
            Event::SlotOpened { slot, terms_hash: terms_hash(&self.terms), statement_inputs: inputs };
        vec![Self::at(number, 0, opened), Self::at(number, 1, posted)]
    }

    /// A slot proven right by `payee`, and established, in chain block `number`.
    pub(crate) fn prove(
        &self,
        number: u64,
        id: u64,
        payee: Address,
        missed_by: Option<Address>,
    ) -> Vec<LoggedEvent> {
        let (reward, premium) = (U256::from(600), U256::from(if missed_by.is_some() { 1_000 } else { 0 }));
        let proven = Event::SlotProven { market: MARKET, id, payee, reward, premium, missed_by };
        vec![Self::established(number, 0, id), Self::at(number, 1, proven)]
    }

    /// A slot proven by `payee` while its premise is open, in chain block `number`.
    pub(crate) fn prove_early(&self, number: u64, id: u64, payee: Address) -> Vec<LoggedEvent> {
        let (reward, premium) = (U256::from(600), U256::ZERO);
        let pending = Event::SlotPending { market: MARKET, id, payee, right: true, claim: U256::from(id) };
        let proven = Event::SlotProven { market: MARKET, id, payee, reward, premium, missed_by: None };
        vec![Self::at(number, 0, pending), Self::at(number, 1, proven)]
    }

    /// A slot is proven right, with all that it builds on.
    pub(crate) fn established(number: u64, index: u64, id: u64) -> LoggedEvent {
        Self::at(number, index, Event::SlotEstablished { market: MARKET, id, claim: U256::ZERO })
    }

    /// A slot falls, and all that builds on it.
    pub(crate) fn cut(number: u64, index: u64, id: u64) -> LoggedEvent {
        let head = id.saturating_sub(1);
        Self::at(number, index, Event::ChainCut { market: MARKET, id, head, claim: U256::ZERO })
    }

    /// A slot expires, and falls, in chain block `number`.
    pub(crate) fn expire(&self, number: u64, id: u64) -> Vec<LoggedEvent> {
        let expired = Event::SlotExpired { market: MARKET, id, forfeited: U256::ONE };
        vec![Self::cut(number, 0, id), Self::at(number, 1, expired)]
    }
}
