//! The sealed second-price auction: bid what the slot is worth, reveal, settle. Bidding the truth is never worse than another
//! bid, so there is nothing to be clever about.
//!
//! Price and salt of a bid are not stored: the salt is derived from the node's secret, and the price travels with the
//! commitment as a memo that only the secret opens. So a node that lost its disk can still reveal.

use alloy::{
    primitives::{Address, B256, Bytes, LogData, U256, aliases::U96, keccak256},
    sol_types::{SolCall, SolEvent, SolValue},
};
use provery_bindings::SealedBidAuction as Contract;
use provery_types::Terms;

use crate::{
    Chance, ChanceView, Choices, Fact, Line, Mechanism, OptionError, OptionSpec, Past, Quote, QuoteView,
    phase,
    refusal::{Class, DEPOSIT_TOO_SMALL, Kind, Refusal, Rule},
    view::{Decision, MechanismAction, Reason, SlotView},
};

/// See the module.
#[derive(Debug)]
pub struct SealedBidAuction;

/// Its entry in [`crate::registry`].
pub const MECHANISM: SealedBidAuction = SealedBidAuction;

/// What the terms' `mechanismParams` hold. Windows are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// From the opening on, in which bids are sealed.
    pub commit_window: u32,
    /// After that, in which bids are opened.
    pub reveal_window: u16,
    /// After that, in which the slot is given to who leads.
    pub settle_window: u16,
    /// Asset wei, at most 80 bits.
    pub bid_bond: u128,
}

impl Params {
    /// Those of these terms.
    pub fn of(terms: &Terms) -> Self {
        let word = U256::from_be_bytes(terms.mechanismParams.0);
        Self {
            commit_window: (word & U256::from(u32::MAX)).to::<u32>(),
            reveal_window: (word >> 32_usize & U256::from(u16::MAX)).to::<u16>(),
            settle_window: (word >> 48_usize & U256::from(u16::MAX)).to::<u16>(),
            bid_bond: (word >> 64_usize & U256::from((1_u128 << 80) - 1)).to::<u128>(),
        }
    }

    /// The terms' `mechanismParams`.
    pub fn pack(self) -> U256 {
        crate::HOOK_ENDED
            | U256::from(self.commit_window)
            | U256::from(self.reveal_window) << 32
            | U256::from(self.settle_window) << 48
            | U256::from(self.bid_bond) << 64
    }
}

/// A revealed bid, or one sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bid {
    /// The key that bid.
    pub key: Address,
    /// Asset wei.
    pub price: u128,
    /// The hash that sealed it, by which equal bids are put in order.
    pub commitment: B256,
}

/// Who wins among the bids revealed and at which price, with a reserve (asset wei): the lowest at or below the reserve, of
/// equals the one with the lower commitment; paid the lowest of the others, the reserve if that is less.
pub fn resolve(reserve: u128, revealed: &[Bid]) -> Option<(usize, u128)> {
    let order = |bid: &Bid| (bid.price, bid.commitment);
    let (winner, lowest) = revealed
        .iter()
        .enumerate()
        .filter(|(_, bid)| bid.price <= reserve)
        .min_by_key(|(_, bid)| order(bid))?;
    let others = revealed.iter().enumerate().filter(|(index, _)| *index != winner);
    let second = others.map(|(_, bid)| bid.price).min().unwrap_or(reserve).min(reserve);
    debug_assert!(second >= lowest.price);
    Some((winner, second))
}

/// What the events of an auction say.
#[derive(Clone, Debug, Default)]
struct Auction {
    /// Memos of the bids committed and not yet revealed.
    sealed: Vec<(Address, B256)>,
    /// Who leads of those revealed.
    leader: Option<Address>,
    over: bool,
}

impl Auction {
    fn of(log: &[LogData]) -> Self {
        let mut auction = Self::default();
        for log in log {
            if let Ok(bid) = Contract::BidCommitted::decode_log_data(log) {
                auction.sealed.push((bid.key, bid.memo));
            } else if let Ok(bid) = Contract::BidRevealed::decode_log_data(log) {
                auction.sealed.retain(|(key, _)| *key != bid.key);
                if bid.leads {
                    auction.leader = Some(bid.key);
                }
            } else if Contract::AuctionSettled::decode_log_data(log).is_ok()
                || Contract::AuctionLapsed::decode_log_data(log).is_ok()
            {
                auction.over = true;
            }
        }
        auction
    }
}

/// The secret side of a bid: see the module.
fn salt(view: &SlotView<'_>) -> B256 {
    keccak256((view.secret, "salt", view.slot.market, view.slot.id, view.key).abi_encode())
}

fn memo(view: &SlotView<'_>, price: u128) -> B256 {
    let pad = keccak256((view.secret, "memo", view.slot.market, view.slot.id, view.key).abi_encode());
    pad ^ B256::from(U256::from(price))
}

/// The price in a memo of this very node's; nothing that fits 96 bits otherwise.
fn price_in(view: &SlotView<'_>, sealed: B256) -> Option<U96> {
    U96::checked_from_limbs_slice(U256::from_be_bytes((memo(view, 0) ^ sealed).0).as_limbs())
}

impl SealedBidAuction {
    fn commit(view: &SlotView<'_>) -> Option<MechanismAction> {
        let price = view.least_price()?;
        let sealed = (
            U256::from(view.chain_id),
            view.terms.mechanism,
            view.slot.market,
            U256::from(view.slot.id),
            view.key,
            U256::from(price),
            salt(view),
        );
        let call = Contract::commitCall {
            market: view.slot.market,
            slot: view.slot.id,
            commitment: keccak256(sealed.abi_encode()),
            memo: memo(view, price),
        };
        Some(MechanismAction::new("commit", view.terms.mechanism, &call))
    }

    fn reveal(view: &SlotView<'_>, sealed: B256) -> Option<MechanismAction> {
        let call = Contract::revealCall {
            market: view.slot.market,
            slot: view.slot.id,
            price: price_in(view, sealed)?,
            salt: salt(view),
        };
        Some(MechanismAction::new("reveal", view.terms.mechanism, &call))
    }

    fn settle(view: &SlotView<'_>) -> MechanismAction {
        let arguments = (view.slot.clone(), view.terms.clone(), view.me).abi_encode_params();
        MechanismAction::encoded("settle", view.terms.mechanism, Contract::settleCall::SELECTOR, &arguments)
    }
}

const ANOTHER_PHASE: &str = "the auction is in another phase; run this again between the seconds named";
const ONE_BID: &str = "this key's bid is in already; there is one bid a key";
const NO_SUCH_BID: &str = "this key committed to no such bid, or has revealed it";

const REFUSALS: [Refusal; 15] = [
    DEPOSIT_TOO_SMALL,
    Refusal::new(
        "SlotMismatch",
        Class::Failing,
        Kind::SlotNotFound,
        "there is no such open slot; `provery slot list` shows those there are",
    ),
    Refusal::new(
        "BidsCommitted",
        Class::Failing,
        Kind::WrongTime,
        "bids stand, so the slot cannot be taken back; let the auction end",
    ),
    Refusal::new(
        "AuctionNotOpen",
        Class::Raced,
        Kind::WrongTime,
        "no auction runs for the slot: there was none, or it is over",
    ),
    Refusal::new(
        "CommitOver",
        Class::Raced,
        Kind::WrongTime,
        "it is too late to bid; bids can only be revealed now",
    ),
    Refusal::new("NotRevealTime", Class::Raced, Kind::WrongTime, ANOTHER_PHASE),
    Refusal::new("NotSettleTime", Class::Raced, Kind::WrongTime, ANOTHER_PHASE),
    Refusal::new("AuctionNotOver", Class::Failing, Kind::WrongTime, ANOTHER_PHASE),
    Refusal::new("AlreadyCommitted", Class::Raced, Kind::AlreadyDone, ONE_BID),
    Refusal::new("AlreadyRevealed", Class::Raced, Kind::AlreadyDone, ONE_BID),
    Refusal::new(
        "AuctionFull",
        Class::Failing,
        Kind::WrongTime,
        "the auction takes no more bids; wait for the next slot",
    ),
    Refusal::new("CommitmentZero", Class::Failing, Kind::OfferInvalid, NO_SUCH_BID),
    Refusal::new("CommitmentMismatch", Class::Raced, Kind::OfferInvalid, NO_SUCH_BID),
    Refusal::new(
        "NoBids",
        Class::Failing,
        Kind::WrongTime,
        "nobody revealed a bid at or below the reserve; the slot opens to all",
    ),
    Refusal::new(
        "NotLeader",
        Class::Failing,
        Kind::NotHolder,
        "the leading bid is for another prover; settle for that one",
    ),
];

const RULES: [Rule; 5] = [
    Rule::new("commitWindow", "--mechanism-option commit must be above 0"),
    Rule::new("revealWindow", "--mechanism-option reveal must be above 0"),
    Rule::new("settleWindow", "--mechanism-option settle must be above 0"),
    Rule::new("bidBond", "--mechanism-option bid-bond must be above 0"),
    Rule::new("price", "--price must be above 0, and below 2^88 base units in an auction"),
];

impl Mechanism for SealedBidAuction {
    fn name(&self) -> &'static str {
        "SealedBidAuction"
    }

    fn word(&self) -> &'static str {
        "vickrey"
    }

    fn code(&self) -> &'static Bytes {
        &Contract::BYTECODE
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[
            OptionSpec { name: "commit", help: "seconds in which bids are sealed", default: Some("20") },
            OptionSpec {
                name: "reveal",
                help: "seconds after that in which bids are opened",
                default: Some("20"),
            },
            OptionSpec { name: "settle", help: "seconds after that to settle in", default: Some("20") },
            OptionSpec { name: "bid-bond", help: "asset that an unrevealed bid loses", default: Some("1") },
        ]
    }

    fn params(&self, choices: &Choices) -> Result<B256, OptionError> {
        let params = Params {
            commit_window: choices.number("commit")?,
            reveal_window: choices.number("reveal")?,
            settle_window: choices.number("settle")?,
            bid_bond: choices.amount("bid-bond", 80)?,
        };
        Ok(params.pack().into())
    }

    fn wants_deposit(&self) -> bool {
        true
    }

    fn deposit(&self, terms: &Terms) -> Option<u128> {
        Some(Params::of(terms).bid_bond)
    }

    fn quote(&self, view: &QuoteView<'_>) -> Quote {
        let params = Params::of(view.terms);
        let windows = u64::from(params.commit_window)
            .saturating_add(params.reveal_window.into())
            .saturating_add(params.settle_window.into());
        let says = Line::new(
            "the lowest of the sealed bids has it at the second-lowest, {most} if there is one bid alone; the middle of what \
             auctions came to of late is expected",
            [("most", Fact::Amount(view.most()))],
        );
        Quote {
            least: 0,
            most: view.most(),
            expected: view.usual(),
            decided_within: windows,
            serving: view.able,
            says,
        }
    }

    fn chance(&self, view: &ChanceView<'_>) -> Chance {
        Chance::at_the_usual_price(
            view,
            "as good as that of each prover that could bid",
            "others bid less than a slot costs here",
        )
    }

    fn explain(&self, past: &Past<'_>) -> Vec<Line> {
        let params = Params::of(past.terms);
        let sealed_until = past.opened_at().saturating_add(params.commit_window.into());
        let opened_until = sealed_until.saturating_add(params.reveal_window.into());
        let mut lines = vec![Line::new(
            "bids of at most {most} were sealed until {sealed}, opened until {opened} and settled until {settled}; a bid locks {bond}",
            [
                ("most", Fact::Amount(past.terms.price.to())),
                ("sealed", Fact::Time(sealed_until)),
                ("opened", Fact::Time(opened_until)),
                ("settled", Fact::Time(opened_until.saturating_add(params.settle_window.into()))),
                ("bond", Fact::Amount(params.bid_bond)),
            ],
        )];
        let mut sealed = Vec::new();
        let mut end = None;
        for (at, log) in past.log {
            let after = ("after", Fact::Seconds(at.saturating_sub(past.opened_at())));
            if let Ok(bid) = Contract::BidCommitted::decode_log_data(log) {
                sealed.push(bid.key);
                lines.push(Line::new(
                    "{key} sealed a bid, {after} after the opening",
                    [("key", Fact::Account(bid.key)), after],
                ));
            } else if let Ok(bid) = Contract::BidRevealed::decode_log_data(log) {
                sealed.retain(|key| *key != bid.key);
                let says = if bid.leads {
                    "{key} had bid {price}, and led"
                } else {
                    "{key} had bid {price}, and did not lead: its bond went back"
                };
                lines.push(Line::new(
                    says,
                    [("key", Fact::Account(bid.key)), ("price", Fact::Amount(bid.price.to()))],
                ));
            } else if let Ok(settled) = Contract::AuctionSettled::decode_log_data(log) {
                end = Some(Line::new(
                    "{prover}, whose key {leader} led, got the slot for {price}: the second-lowest bid, or the most",
                    [
                        ("prover", Fact::Account(settled.prover)),
                        ("leader", Fact::Account(settled.leader)),
                        ("price", Fact::Amount(settled.price.to())),
                    ],
                ));
            } else if let Ok(lapsed) = Contract::AuctionLapsed::decode_log_data(log) {
                end = Some(if lapsed.leader.is_zero() {
                    Line::new(
                        "no bid led, so nobody got the slot; {burned} of bonds were burned",
                        [("burned", Fact::Amount(lapsed.burned.saturating_to()))],
                    )
                } else {
                    Line::new(
                        "{leader} led and was not able, or nobody settled: nobody got the slot, and {burned} of bonds were burned",
                        [
                            ("leader", Fact::Account(lapsed.leader)),
                            ("burned", Fact::Amount(lapsed.burned.saturating_to())),
                        ],
                    )
                });
            }
        }
        let over = end.is_some() || past.now >= opened_until;
        for key in sealed.into_iter().filter(|_| over) {
            lines.push(Line::new(
                "{key} never opened its bid, which costs it the bond of {bond}",
                [("key", Fact::Account(key)), ("bond", Fact::Amount(params.bid_bond))],
            ));
        }
        lines.push(match end {
            Some(end) => end,
            None if past.is_undecided() => Line::new("it is not settled yet", []),
            None => Line::new("nobody settled it, so it was open to all", []),
        });
        lines
    }

    /// Like every slot's; but whoever leads begins to prove before the auction is settled.
    fn refusals(&self) -> &'static [Refusal] {
        &REFUSALS
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn sample(&self) -> &'static [&'static str] {
        &["commit=4", "reveal=4", "settle=10", "bid-bond=10"]
    }

    fn begins_early(&self) -> bool {
        true
    }

    fn decide(&self, view: &SlotView<'_>) -> Decision {
        let undecided = view.slot.prover.is_zero() && view.now < view.exclusive_until();
        if undecided && view.taking {
            let auction = Auction::of(view.log);
            if auction.leader == Some(view.key) && !auction.over {
                return Decision::Prove { reason: Reason::Leading };
            }
        }
        phase::decide(view)
    }

    fn action(&self, view: &SlotView<'_>) -> Option<MechanismAction> {
        if !view.slot.prover.is_zero() || view.now >= view.exclusive_until() {
            return None;
        }
        let auction = Auction::of(view.log);
        if auction.over {
            return None;
        }
        let params = Params::of(view.terms);
        let commit_end = view.slot.openedAt.to::<u64>().saturating_add(u64::from(params.commit_window));
        let reveal_end = commit_end.saturating_add(u64::from(params.reveal_window));
        let mine = auction.sealed.iter().find(|(key, _)| *key == view.key).map(|(_, memo)| *memo);
        let bid_before = mine.is_some() || view.log.iter().any(|log| is_bid_of(log, view.key));
        if view.now < commit_end {
            return if bid_before { None } else { Self::commit(view) };
        }
        if let Some(sealed) = mine.filter(|_| view.now < reveal_end) {
            return Self::reveal(view, sealed).map(|action| action.within(commit_end, reveal_end));
        }
        let settled_by_all = auction.sealed.is_empty() || view.now >= reveal_end;
        (auction.leader == Some(view.key) && settled_by_all)
            .then(|| Self::settle(view).within(reveal_end, view.exclusive_until()))
    }

    fn open_bid(&self, terms: &Terms, _: Address, key: Address, log: &[LogData]) -> Option<u128> {
        let auction = Auction::of(log);
        let sealed = auction.sealed.iter().any(|(other, _)| *other == key);
        let stands = !auction.over && (sealed || auction.leader == Some(key));
        stands.then(|| Params::of(terms).bid_bond)
    }
}

fn is_bid_of(log: &LogData, key: Address) -> bool {
    Contract::BidCommitted::decode_log_data(log).is_ok_and(|bid| bid.key == key)
}

#[cfg(test)]
#[path = "sealed_bid_auction_tests.rs"]
mod tests;
