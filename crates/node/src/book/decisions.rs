//! What the facts and the work at hand mean for a slot: decisions, actions, and whether there is room for more.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, Bytes, U256};
use provery_mechanisms::{Decision, MarketView, Mechanism, MechanismAction, Puzzle, Reason, SlotView};

use provery_types::{CircuitTerms, Slot, SlotKey, Terms};

use super::{Book, Policy, bids::OpenBid, queue::Queue, turns::Turn};
use crate::{slots::SlotStage, store::WorkRecord};

/// What a node that is about to end has still to lose or to earn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Slots that this prover holds and has not proven yet.
    pub held: usize,
    /// Proofs on their way.
    pub deliveries: usize,
    /// Bids and tickets that are out.
    pub bids: usize,
}

impl Unfinished {
    /// All of these; at 0 the node can end without a loss.
    pub fn count(&self) -> usize {
        self.held + self.deliveries + self.bids
    }
}

impl Book {
    /// The decision about one slot; nothing if its mechanism is not one this client knows.
    pub(super) fn decision_in(&self, key: SlotKey, policy: &Policy, queue: &Queue) -> Option<Decision> {
        let (mechanism, view) = self.view(key, policy, queue)?;
        let decision = mechanism.decide(&view);
        let others = matches!(decision.reason(), Reason::Rescue | Reason::OpenToAll | Reason::OthersFirst);
        if !policy.rescue && others {
            return Some(Decision::Ignore { reason: Reason::PaysTooLittle });
        }
        Some(decision)
    }

    /// The transactions that mechanisms and the secondary market call for, now. None by which a slot might become this prover's
    /// under terms that it did not accept, that it could not bond, or that it could not prove.
    pub fn actions(&mut self, policy: &Policy) -> Vec<(SlotKey, MechanismAction)> {
        let grounds = self.grounds(policy);
        let open_bids = self.open_bids(policy);
        let queue = self.queue(policy);
        let mut rooms = BTreeMap::new();
        let mut actions = Vec::new();
        let open = self.work.iter().filter(|(_, record)| !record.work.stage.ended());
        let open: Vec<SlotKey> = open.map(|(key, _)| *key).collect();
        for key in open {
            let Some((mechanism, view)) = self.view(key, policy, &queue) else { continue };
            // What it bid for is seen through.
            let mine = view.slot.prover == self.me;
            let bound = mine || open_bids.contains_key(&key);
            if !bound && !self.facts.commitment(key.market, self.me).accepts(view.terms.version) {
                continue;
            }
            let ground = grounds.get(&key).copied().unwrap_or_default();
            let traded = || self.transfer_action(key, &view, policy, ground);
            let Some(action) = mechanism.action(&view).or_else(traded) else { continue };
            let bond = view.terms.bond.to::<U256>();
            // A bid that is not seen through loses its bond for certain; the slot's is only at stake.
            let saves = open_bids.get(&key).is_some_and(|bid| bid.saves(bond));
            if !mine && !saves && self.may_bind(key).is_err() {
                continue;
            }
            if !bound {
                let room =
                    rooms.entry(key.market).or_insert_with(|| self.room(key.market, &open_bids, policy));
                let Some(rest) = room.and_then(|room| room.checked_sub(bond)) else { continue };
                *room = Some(rest);
            }
            actions.push((key, action));
        }
        actions
    }

    /// What there is to compute for the right to a market's next slot, and the mechanism's contract that wants it. `seed` has the
    /// seeds of rounds, by slot.
    pub fn puzzles(
        &mut self,
        policy: &Policy,
        seed: impl Fn(SlotKey) -> Option<B256>,
    ) -> Vec<(Address, Puzzle)> {
        let open_bids = self.open_bids(policy);
        let ready = self.markets_at_hand();
        let puzzle = |market: U256| {
            let (mechanism, view) = self.market_view(market, &open_bids, policy)?;
            let seed = seed(SlotKey { market, id: view.next_slot });
            Some((view.terms.mechanism, mechanism.puzzle(&MarketView { seed, ..view })?))
        };
        ready.iter().copied().filter_map(puzzle).collect()
    }

    /// The rounds in which there is a puzzle once their seeds are known, by the slots that they are for, and the mechanism's
    /// contract.
    pub fn rounds(&mut self, policy: &Policy) -> Vec<(Address, SlotKey)> {
        let open_bids = self.open_bids(policy);
        let ready = self.markets_at_hand();
        let round = |market: U256| {
            let (mechanism, view) = self.market_view(market, &open_bids, policy)?;
            let key = SlotKey { market, id: view.next_slot };
            mechanism.has_round(&view).then_some((view.terms.mechanism, key))
        };
        ready.iter().copied().filter_map(round).collect()
    }

    /// What mechanisms keep of this prover between slots: the market, whom to ask for it, and with what call.
    pub fn standing(&mut self, policy: &Policy) -> Vec<(U256, Address, Bytes)> {
        let open_bids = self.open_bids(policy);
        let ready = self.markets_at_hand();
        let asked = |market: U256| {
            let (mechanism, view) = self.market_view(market, &open_bids, policy)?;
            Some((market, view.terms.mechanism, mechanism.standing()?.request(&view)))
        };
        ready.iter().copied().filter_map(asked).collect()
    }

    /// The transaction that what stands in a market calls for, `answer` being what its mechanism's contract said. None in a market of which
    /// not all is at hand.
    pub fn stands(&mut self, market: U256, answer: &[u8], policy: &Policy) -> Option<MechanismAction> {
        let open_bids = self.open_bids(policy);
        if !self.markets_at_hand().contains(&market) {
            return None;
        }
        let (mechanism, view) = self.market_view(market, &open_bids, policy)?;
        mechanism.standing()?.action(&view, answer)
    }

    /// A market as its mechanism is shown it, without its round's seed; nothing if this prover does not serve it, did not accept
    /// its terms, or could not bond another slot of it: a right that it cannot use costs a bond. Ask only for one of those of which
    /// all is at hand.
    fn market_view(
        &self,
        market: U256,
        open_bids: &BTreeMap<SlotKey, OpenBid>,
        policy: &Policy,
    ) -> Option<(&'static dyn Mechanism, MarketView<'_>)> {
        let terms = self.facts.market_terms(market)?;
        let mechanism = self.mechanism(terms.mechanism)?;
        let accepts = self.facts.commitment(market, self.me).accepts(terms.version);
        let room = self.room(market, open_bids, policy)?;
        if !self.serves(market) || !accepts || room < terms.bond.to::<U256>() {
            return None;
        }
        let next_slot = self.facts.next_slot(market);
        let view = MarketView {
            market,
            terms,
            next_slot,
            me: self.me,
            key: policy.key,
            taking: policy.taking,
            seed: None,
            log: self.facts.log(SlotKey { market, id: next_slot }, terms.mechanism),
            now: policy.now,
            estimated_proving_seconds: proving_seconds(policy, terms),
            minimum_reward: policy.minimum_reward,
            workers: policy.workers,
            held: self.held(),
            room,
        };
        Some((mechanism, view))
    }

    /// An open slot as its mechanism is shown it.
    fn view(
        &self,
        key: SlotKey,
        policy: &Policy,
        queue: &Queue,
    ) -> Option<(&'static dyn Mechanism, SlotView<'_>)> {
        let (slot, terms) = self.open_slot(key)?;
        let mechanism = self.mechanism(terms.mechanism)?;
        // Nobody has a turn while it is held or undecided.
        let open_to_all = policy.now >= slot.exclusiveUntil.to::<u64>() && slot.prover != self.me;
        let rescue_rank = if open_to_all { self.rank(Turn::Rescue, slot) } else { 0 };
        let view = SlotView {
            slot,
            terms,
            me: self.me,
            now: policy.now,
            estimated_proving_seconds: proving_seconds(policy, terms),
            rescue_rank,
            bond_at_stake: !self.fell(key),
            minimum_reward: policy.minimum_reward,
            queue_seconds: self.queue_seconds(key, policy, queue),
            taking: policy.taking,
            key: policy.key,
            chain_id: self.deployment.chain_id,
            secret: policy.secret,
            log: self.facts.log(key, terms.mechanism),
        };
        Some((mechanism, view))
    }

    /// This prover's place among those who take turns at a slot.
    pub(super) fn rank(&self, turn: Turn, slot: &Slot) -> u64 {
        self.turns.borrow_mut().rank(turn, slot, self.me, self.facts.draws(slot.market))
    }

    /// Whether a slot that was assigned to this prover now could not be proven within its window, after all that it holds.
    /// What binds nobody makes way for what does, so it does not count. Once that was so (`already`), it is over when half the window
    /// would do.
    pub fn overload(&self, policy: &Policy, already: bool) -> bool {
        let held = self.held();
        if held == 0 {
            return false;
        }
        let needed = ((held + 1) * policy.estimated_proving_seconds).div_ceil(policy.workers.max(1));
        let mine = self
            .facts
            .leaves(self.me)
            .into_iter()
            .filter(|(market, leaf)| leaf.allocation > 0 && self.serves(*market));
        let windows = mine.filter_map(|(market, leaf)| {
            let terms = self.facts.market_terms(market)?;
            // No draw picks a prover that is suspended there, or did not accept the terms.
            if leaf.suspended || !self.facts.commitment(market, self.me).accepts(terms.version) {
                return None;
            }
            self.mechanism(terms.mechanism)?.assigns().then_some(u64::from(terms.exclusiveWindow))
        });
        let room = |window: u64| if already { window / 2 } else { window };
        windows.into_iter().any(|window| needed >= room(window))
    }

    /// Slots that this prover holds and has yet to prove.
    fn held(&self) -> u64 {
        let held = |record: &&WorkRecord| {
            record.slot.prover == self.me
                && matches!(record.work.stage, SlotStage::Queued | SlotStage::Proving)
        };
        self.work.values().filter(held).count() as u64
    }

    /// A proof that is being made, binds nobody, and makes way for a slot of this prover's that waits and would be late otherwise.
    pub fn makes_way(&self, policy: &Policy) -> Option<SlotKey> {
        let mut waiting = self.work.iter().filter(|(key, record)| {
            let mine = record.slot.prover == self.me && record.work.stage == SlotStage::Queued;
            mine && !self.fell(**key)
        });
        let two = policy.now.saturating_add(2 * policy.estimated_proving_seconds);
        waiting.find(|(_, record)| two >= record.slot.exclusiveUntil.to::<u64>())?;
        let mut proving = self.work.iter().filter(|(_, record)| record.work.stage == SlotStage::Proving);
        proving.find(|(_, record)| record.slot.prover != self.me).map(|(key, _)| *key)
    }

    /// What is not over of what was begun. A ticket whose slot is yet to open is waited for only if slots of its market open at
    /// intervals shorter than `patience` (seconds): else nothing comes of the wait.
    pub fn unfinished(&self, policy: &Policy, patience: u64) -> Unfinished {
        let mut unfinished = Unfinished::default();
        let mut counted = BTreeSet::new();
        for (key, record) in &self.work {
            let mine = record.slot.prover == self.me;
            match record.work.stage {
                SlotStage::Proved { .. } | SlotStage::Submitting => unfinished.deliveries += 1,
                SlotStage::Failed | SlotStage::Ignored => continue,
                stage if mine && !stage.ended() => unfinished.held += 1,
                _ => continue,
            }
            counted.insert(*key);
        }
        let open_bids = self.open_bids(policy).into_keys();
        unfinished.bids = open_bids
            .filter(|key| !counted.contains(key) && self.is_decided_within(*key, policy.now, patience))
            .count();
        unfinished
    }

    /// Whether what is bid for a slot is decided in `patience` seconds, as far as can be known.
    fn is_decided_within(&self, key: SlotKey, now: u64, patience: u64) -> bool {
        let opened = |key| self.facts.slot(key).map(|fact| fact.slot.openedAt.to::<u64>());
        let last = SlotKey { id: key.id.saturating_sub(1), ..key };
        opened(key).is_some() || opened(last).is_some_and(|at| now < at.saturating_add(patience))
    }
}

/// Seconds that a proof is expected to take, with what is lost of a window where it must not be shown near its end.
fn proving_seconds(policy: &Policy, terms: &Terms) -> u64 {
    let circuit = CircuitTerms::read(terms);
    let margin = if circuit.payee_bound() { 0 } else { circuit.margin() };
    policy.estimated_proving_seconds.saturating_add(margin)
}
