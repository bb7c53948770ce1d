//! The prover's pause as a machine: a table of what to do, given what is so. Pure.
//!
//! The state is the chain's and the outbox's alone. Who paused is told by the transaction: what this node signs is on disk before
//! it is sent ([`crate::store::PendingTable`]), and whatever else pauses or resumes the prover is its operator's word
//! ([`crate::facts::ProverStatus`]). So no order of receipts, events, reorgs and restarts leaves a mark that outlives what it was
//! about.

use alloy::primitives::Address;
use provery_rpc::Call;

/// Kinds of the calls that turn the pause, as [`provery_rpc::Call::kind`] has them.
pub const PAUSE: &str = "pause";
/// What takes a pause back.
pub const RESUME: &str = "resume";

/// What a node puts behind the calldata of a pause of its own, where no contract reads it: the node with this key that comes
/// after it, a standby or one whose data directory is gone, sees that no operator meant it.
const MARK: &[u8] = b"provery node";

/// A pause that is a node's own.
pub fn marked(call: Call) -> Call {
    Call { data: [&call.data[..], MARK].concat().into(), ..call }
}

/// Whether a pause that the chain has was sent by a node that signs with `key`, on its own behalf.
pub fn is_of_node(from: Address, input: &[u8], key: Address) -> bool {
    from == key && input.len() == 4 + MARK.len() && input.ends_with(MARK)
}

/// What is known of the pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The registry has the prover.
    pub registered: bool,
    /// On the chain, as far as it was read.
    pub paused: bool,
    /// What the last of this node's own calls makes of it that is not in what was read: under way, or in a block that comes.
    pub coming: Option<bool>,
    /// The operator's last word was a pause.
    pub held: bool,
}

/// Whether this node wants its prover in the draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// In them, unless its operator paused it.
    In,
    /// Out of them.
    Out,
    /// It does not care any more, such as while it stops and another goes on.
    AsItIs,
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A pause.
    Pause,
    /// A resumption.
    Resume,
    /// Nothing.
    Rest,
}

/// | wish | operator's last word | will be | then |
/// |---|---|---|---|
/// | any | | not registered | rest |
/// | as it is | | | rest |
/// | out | | in | pause |
/// | in | a pause | in: a resumption of ours overtook it | pause |
/// | in | no pause | out | resume |
/// | | | as it should be | rest |
pub fn step(turn: &Turn, wish: Wish) -> Step {
    let out = match wish {
        _ if !turn.registered => return Step::Rest,
        Wish::AsItIs => return Step::Rest,
        Wish::Out => true,
        Wish::In => turn.held,
    };
    match (turn.coming.unwrap_or(turn.paused), out) {
        (false, true) => Step::Pause,
        (true, false) => Step::Resume,
        _ => Step::Rest,
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bytes, U256};
    use proptest::prelude::*;
    use provery_types::{Event, LoggedEvent};

    use super::*;
    use crate::{
        facts::Facts,
        service::account::margin::Margin,
        testing::{ME, OTHER, block, deployment},
    };

    #[test]
    fn only_the_nodes_own_pause_is_taken_back() {
        let turn = |paused, coming, held| Turn { registered: true, paused, coming, held };
        for (at, wish, next) in [
            (turn(false, None, false), Wish::Out, Step::Pause),
            (turn(true, None, false), Wish::Out, Step::Rest),
            (turn(true, None, false), Wish::In, Step::Resume),
            (turn(true, None, true), Wish::In, Step::Rest),
            (turn(false, None, true), Wish::In, Step::Pause),
            (turn(false, None, false), Wish::In, Step::Rest),
            // What is under way counts as done.
            (turn(false, Some(true), false), Wish::Out, Step::Rest),
            (turn(false, Some(true), false), Wish::In, Step::Resume),
            (turn(true, Some(false), false), Wish::In, Step::Rest),
            (turn(true, Some(false), false), Wish::Out, Step::Pause),
            (turn(true, None, false), Wish::AsItIs, Step::Rest),
            (turn(false, None, true), Wish::AsItIs, Step::Rest),
        ] {
            assert_eq!(step(&at, wish), next, "{at:?} {wish:?}");
        }
        assert_eq!(step(&Turn::default(), Wish::Out), Step::Rest, "nobody to pause");
    }

    #[test]
    fn a_pause_tells_whether_a_node_with_the_same_key_sent_it() {
        let data = Bytes::from([1, 2, 3, 4]);
        let call = Call { to: None, data: data.clone(), value: U256::ZERO, kind: PAUSE, gas: None };
        let own = marked(call).data;
        assert!(own.starts_with(&data) && is_of_node(ME, &own, ME));
        assert!(!is_of_node(ME, &data, ME), "a command's");
        assert!(!is_of_node(OTHER, &own, ME), "another node's, which may still have its reason");
    }

    /// What may happen, in any order.
    #[derive(Clone, Copy, Debug)]
    enum Move {
        CauseBegins,
        CauseEnds,
        FeesRise,
        FeesFall,
        /// What a proof costs is looked at.
        LookAtFees,
        /// The node looks and sends.
        Act,
        /// It dies after what it decided was written down, or before, and begins again.
        ActAndDie {
            written: bool,
        },
        Restart,
        /// The oldest of what waits gets into a block.
        Mine,
        /// The outbox sees the receipt of what was mined: before or after the block's events are read.
        Receipt,
        /// The next block is read.
        Read,
        /// The last block is taken back, and what was in it waits again.
        Reorg,
        OperatorPauses,
        OperatorResumes,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            1 => Just(Move::CauseBegins),
            1 => Just(Move::CauseEnds),
            1 => Just(Move::FeesRise),
            1 => Just(Move::FeesFall),
            4 => Just(Move::LookAtFees),
            3 => Just(Move::Act),
            1 => any::<bool>().prop_map(|written| Move::ActAndDie { written }),
            1 => Just(Move::Restart),
            3 => Just(Move::Mine),
            2 => Just(Move::Receipt),
            3 => Just(Move::Read),
            1 => Just(Move::Reorg),
            1 => Just(Move::OperatorPauses),
            1 => Just(Move::OperatorResumes),
        ];
        prop::collection::vec(one, 0..80)
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Tx {
        hash: B256,
        pause: bool,
        /// Signed by the node. An operator's word is mined at once, or waits again after a reorg.
        own: bool,
    }

    /// A chain, an outbox and a node, as far as the pause goes.
    #[derive(Default)]
    struct World {
        cause: bool,
        high_fees: bool,
        /// One transaction or none a block.
        blocks: Vec<Option<Tx>>,
        waiting: Vec<Tx>,
        // On the node's disk.
        signed: Vec<Tx>,
        read: Vec<LoggedEvent>,
        position: usize,
        // In its memory.
        margin: Margin,
        // In its memory, and on disk with the pending transactions.
        receipts: Vec<(B256, usize)>,
        hashes: u64,
    }

    impl World {
        fn facts(&self) -> Facts {
            let mut facts = Facts::new(&deployment());
            facts.own_turns(self.signed.iter().map(|tx| tx.hash));
            facts.apply(&self.event(
                0,
                Event::ProverRegistered { prover: ME, id: 1, uri: String::new() },
                B256::ZERO,
            ));
            self.read.iter().for_each(|logged| {
                facts.apply(logged);
            });
            facts
        }

        fn event(&self, number: usize, event: Event, tx_hash: B256) -> LoggedEvent {
            LoggedEvent { event, address: ME, block: block(number as u64), tx_hash, log_index: 0 }
        }

        fn turn(&self) -> Turn {
            let facts = self.facts();
            let status = facts.prover_status(ME);
            let last = self.signed.last().copied();
            let coming = last.filter(|tx| {
                let seen = self.receipts.iter().find(|(hash, _)| *hash == tx.hash);
                seen.is_none_or(|(_, at)| *at >= self.position)
            });
            Turn {
                registered: status.registered,
                paused: status.paused,
                coming: coming.map(|tx| tx.pause),
                held: facts.held_out(ME),
            }
        }

        fn tx(&mut self, pause: bool, own: bool) -> Tx {
            self.hashes += 1;
            Tx { hash: B256::left_padding_from(&self.hashes.to_be_bytes()), pause, own }
        }

        fn act(&mut self, written: bool) {
            let wish = if self.cause || self.margin.dear() { Wish::Out } else { Wish::In };
            let pause = match step(&self.turn(), wish) {
                Step::Rest => return,
                Step::Pause => true,
                Step::Resume => false,
            };
            if written {
                let tx = self.tx(pause, true);
                self.signed.push(tx);
                self.waiting.push(tx);
            }
        }

        /// The order of nonces is kept among the node's own.
        fn mine(&mut self, tx: Option<Tx>) {
            self.waiting.retain(|it| Some(*it) != tx);
            self.blocks.push(tx);
        }

        fn make(&mut self, it: Move) {
            match it {
                Move::CauseBegins => self.cause = true,
                Move::CauseEnds => self.cause = false,
                Move::FeesRise => self.high_fees = true,
                Move::FeesFall => self.high_fees = false,
                Move::LookAtFees => {
                    let cost = if self.high_fees { 120 } else { 60 };
                    self.margin.know(U256::from(cost), U256::from(100));
                }
                Move::Act => self.act(true),
                Move::ActAndDie { written } => {
                    self.act(written);
                    self.margin = Margin::default();
                }
                // All else of its state is on disk or on the chain.
                Move::Restart => self.margin = Margin::default(),
                Move::Mine => self.mine(self.waiting.first().copied()),
                Move::Receipt => {
                    let unseen =
                        self.blocks.iter().enumerate().filter_map(|(at, tx)| Some((tx.as_ref()?, at)));
                    let known = |hash| self.receipts.iter().any(|(it, _)| *it == hash);
                    let next = unseen
                        .filter(|(tx, _)| tx.own && !known(tx.hash))
                        .map(|(tx, at)| (tx.hash, at))
                        .next();
                    self.receipts.extend(next);
                }
                Move::Read => {
                    let Some(tx) = self.blocks.get(self.position).copied() else { return };
                    self.position += 1;
                    let event = |tx: Tx| match tx.pause {
                        true => Event::ProverPaused { prover: ME },
                        false => Event::ProverResumed { prover: ME },
                    };
                    self.read.extend(tx.map(|tx| self.event(self.position, event(tx), tx.hash)));
                }
                Move::Reorg => {
                    let Some(tx) = self.blocks.pop() else { return };
                    let at = self.blocks.len();
                    self.receipts.retain(|(_, block)| *block < at);
                    self.position = self.position.min(at);
                    self.read.retain(|logged| logged.block.number <= at as u64);
                    if let Some(tx) = tx {
                        self.waiting.insert(0, tx);
                    }
                }
                Move::OperatorPauses | Move::OperatorResumes => {
                    let tx = self.tx(matches!(it, Move::OperatorPauses), false);
                    self.mine(Some(tx));
                }
            }
        }

        /// Looked at often enough, fees are what they are.
        fn fees(&mut self, high: bool) {
            self.high_fees = high;
            (0..20).for_each(|_| self.make(Move::LookAtFees));
        }

        /// Nothing more happens but that what waits is mined, blocks are read and the node acts. Its calls meanwhile.
        fn settle(&mut self) -> usize {
            let before = self.signed.len();
            for _ in 0..200 {
                // A node acts on what is recent.
                while self.position < self.blocks.len() {
                    self.make(Move::Read);
                }
                for it in [Move::Act, Move::Receipt, Move::Mine] {
                    self.make(it);
                }
            }
            self.signed.len() - before
        }

        fn paused(&self) -> bool {
            self.blocks.iter().rev().flatten().next().is_some_and(|tx| tx.pause)
        }

        fn operators_word(&self) -> bool {
            self.blocks.iter().rev().flatten().find(|tx| !tx.own).is_some_and(|tx| tx.pause)
        }
    }

    proptest! {
        #[test]
        fn a_pause_ends_with_its_cause_and_an_operators_with_the_operators_word(moves in moves()) {
            let mut world = World::default();
            moves.into_iter().for_each(|it| world.make(it));
            world.cause = false;
            world.fees(false);
            // Each word of the operator's that a reorg put off may turn it once more.
            let words = world.waiting.iter().filter(|tx| !tx.own).count();
            let calls = world.settle();
            prop_assert_eq!(world.paused(), world.operators_word());
            prop_assert!(calls <= 3 + words, "{} calls to settle, {} words waited", calls, words);
            world.cause = true;
            world.settle();
            prop_assert!(world.paused());
            world.cause = false;
            prop_assert!(world.settle() <= 1);
            prop_assert_eq!(world.paused(), world.operators_word());
            world.fees(true);
            world.settle();
            prop_assert!(world.paused(), "a proof costs more than a slot pays");
            world.fees(false);
            prop_assert!(world.settle() <= 1);
            prop_assert_eq!(world.paused(), world.operators_word());
        }
    }
}
