//! The rollup's states after its blocks, from the chain's events. Pure.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use eyre::Result;
use provery_circuits::{BlockContext, State, word};
use provery_types::{Event, LoggedEvent, RollupRecord};
use provery_workloads::transfer_rollup::{events::Said, params_of};

use crate::error::{Code, fail};

/// A block that may be built on.
#[derive(Clone)]
pub(super) struct Known {
    /// The state it claims to lead to.
    pub state: State,
    /// Whether it does. What is built on a wrong claim is dropped with it.
    pub sound: bool,
}

/// The states after blocks, by number; 0 is genesis.
pub(super) struct Tracker {
    rollup: Address,
    market: U256,
    pub context: BlockContext,
    pub known: BTreeMap<u64, Known>,
}

impl Tracker {
    pub(super) fn new(record: &RollupRecord, domain: U256, events: &[LoggedEvent]) -> Result<Self> {
        let params = params_of(record)?;
        let domain = word::reduce(&domain.to_be_bytes::<32>());
        let mut tracker = Self {
            rollup: record.address,
            market: record.market,
            context: BlockContext { params, domain },
            known: BTreeMap::new(),
        };
        for logged in events {
            tracker.apply(logged)?;
        }
        Ok(tracker)
    }

    pub(super) fn apply(&mut self, logged: &LoggedEvent) -> Result<()> {
        if logged.address == self.rollup
            && let Some(said) = Said::of(logged)
        {
            return match said {
                Said::Genesis { accounts, .. } => {
                    let state = State::from_genesis(&accounts).map_err(|error| {
                        fail(Code::Internal, format!("the rollup's genesis cannot be read: {error}"))
                    })?;
                    self.known.insert(0, Known { state, sound: true });
                    Ok(())
                }
                Said::Posted { number, parent, old_root, new_root, data } => {
                    self.posted(number, parent, old_root, new_root, &data)
                }
            };
        }
        match &logged.event {
            // Nothing builds on what is before a final block,
            Event::SlotEstablished { market, id, .. } if *market == self.market => {
                self.known.retain(|known, _| known >= id);
            }
            // or on what fell: of the blocks that stand those from this number on.
            Event::ChainCut { market, id, .. } if *market == self.market => {
                self.known.retain(|known, _| known < id);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn posted(
        &mut self,
        number: u64,
        parent: u64,
        old_root: U256,
        new_root: U256,
        data: &[u8],
    ) -> Result<()> {
        let Some(before) = self.known.get(&parent).cloned() else { return Ok(()) };
        let state = after(&before.state, data, &self.context)?;
        let sound = before.sound && root(&before.state) == old_root && root(&state) == new_root;
        self.known.insert(number, Known { state, sound });
        Ok(())
    }
}

pub(super) fn root(state: &State) -> U256 {
    U256::from_be_bytes(state.root_word())
}

pub(super) fn after(state: &State, data: &[u8], context: &BlockContext) -> Result<State> {
    let mut state = state.clone();
    state.apply_block(data, context).map_err(|error| {
        fail(Code::Internal, format!("a block cannot be applied to the rollup's state: {error}"))
    })?;
    Ok(state)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bytes};
    use provery_circuits::Traffic;
    use provery_types::BlockRef;

    use super::*;

    const ROLLUP: Address = Address::repeat_byte(5);

    fn logged(event: Event) -> LoggedEvent {
        let (block, tx_hash) = (BlockRef::default(), B256::ZERO);
        LoggedEvent { event, address: ROLLUP, block, tx_hash, log_index: 0 }
    }

    #[test]
    fn final_blocks_and_fallen_ones_are_forgotten() {
        let record = RollupRecord {
            name: "r".into(),
            address: ROLLUP,
            code_hash: B256::ZERO,
            block: 0,
            market: U256::from(1),
            workload: "transfer_rollup".into(),
            circuit: "transfer-block-d16-n1".into(),
            circuit_id: B256::ZERO,
            key_hash: B256::ZERO,
            sources: Vec::new(),
            parameters: Default::default(),
        };
        let traffic = Traffic::new(1, 4);
        let accounts = Bytes::from(traffic.genesis_bytes());
        let genesis = State::from_genesis(&accounts).expect("reads");
        let said = |said: Said| logged(Event::WorkloadLog { log: said.encode() });
        let mut events = vec![said(Said::Genesis { root: root(&genesis), accounts })];
        for number in 1..=4 {
            // Empty blocks change nothing.
            let (old_root, new_root) = (root(&genesis), root(&genesis));
            events.push(said(Said::Posted {
                number,
                parent: number - 1,
                old_root,
                new_root,
                data: Bytes::new(),
            }));
        }
        let market = U256::from(1);
        events.push(logged(Event::SlotEstablished { market, id: 1, claim: root(&genesis) }));
        events.push(logged(Event::SlotEstablished { market: U256::from(2), id: 3, claim: root(&genesis) }));
        events.push(logged(Event::ChainCut { market, id: 3, head: 2, claim: root(&genesis) }));
        let tracker = Tracker::new(&record, U256::ZERO, &events).expect("applies");
        assert_eq!(tracker.known.keys().copied().collect::<Vec<_>>(), [1, 2]);
        assert!(tracker.known.values().all(|known| known.sound));
    }
}
