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
        let price = view.quote.usual().unwrap_or(view.quote.most());
        if view.quote.usual().is_some_and(|usual| usual < view.cost) {
            return Chance { bps: 0, price, says: "others bid less than a slot costs here" };
        }
        Chance::equal(view.quote.able, price, "as good as that of each prover that could bid")
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
mod tests {
    use alloy::primitives::aliases::U40;
    use provery_types::Slot;

    use super::*;
    use crate::testing::{cases_of, number, slot, terms, view};

    const ME: Address = Address::repeat_byte(0x11);
    const OTHER: Address = Address::repeat_byte(0x22);

    #[test]
    fn a_vickrey_auction_is_explained_by_its_bids_and_the_price_paid() {
        use crate::explain::testing::{at, past, told};
        let params = Params { commit_window: 20, reveal_window: 30, settle_window: 40, bid_bond: 5 };
        let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
        let slot = slot(ME);
        let third = Address::repeat_byte(0x33);
        let sealed = |key| Contract::BidCommitted { market: slot.market, slot: 1, key, memo: B256::ZERO };
        let opened = |key, price: u64, leads| {
            let price = U96::from(price);
            Contract::BidRevealed { market: slot.market, slot: 1, key, price, leads }
        };
        let settled = Contract::AuctionSettled {
            market: slot.market,
            slot: 1,
            prover: ME,
            leader: ME,
            price: U96::from(700),
            burned: U256::from(5),
        };
        let log = [
            at(1_003, &sealed(ME)),
            at(1_004, &sealed(OTHER)),
            at(1_005, &sealed(third)),
            at(1_021, &opened(ME, 600, true)),
            at(1_022, &opened(OTHER, 700, false)),
            at(1_060, &settled),
        ];
        let lines = told(&MECHANISM.explain(&past(&slot, &terms, &log)));
        assert_eq!(
            lines,
            [
                "bids of at most 1000 wei were sealed until @1020, opened until @1050 and settled until @1090; a bid locks 5 wei",
                "0x11 sealed a bid, 3 s after the opening",
                "0x22 sealed a bid, 4 s after the opening",
                "0x33 sealed a bid, 5 s after the opening",
                "0x11 had bid 600 wei, and led",
                "0x22 had bid 700 wei, and did not lead: its bond went back",
                "0x33 never opened its bid, which costs it the bond of 5 wei",
                "0x11, whose key 0x11 led, got the slot for 700 wei: the second-lowest bid, or the most",
            ]
        );
        let undecided = Slot { prover: Address::ZERO, exclusiveUntil: U40::from(1_090), ..slot.clone() };
        let says = |now| told(&MECHANISM.explain(&Past { now, ..past(&undecided, &terms, &log[..3]) }));
        assert_eq!(says(1_030).pop().expect("a line"), "it is not settled yet");
        assert_eq!(says(1_030).len(), 5, "whoever sealed may still open");
        assert_eq!(says(1_090).pop().expect("a line"), "nobody settled it, so it was open to all");
    }

    #[test]
    fn shared_vectors() {
        for case in cases_of(include_str!("../../../tests/vectors/mechanisms.json"), "secondPrice") {
            let bids: Vec<(usize, Bid)> = case["bids"]
                .as_array()
                .expect("bids")
                .iter()
                .enumerate()
                .filter(|(_, bid)| bid["revealed"].as_bool().expect("a bool"))
                .map(|(index, bid)| {
                    let commitment = bid["commitment"].as_str().expect("hex").parse().expect("a hash");
                    (index, Bid { key: ME, price: number(&bid["price"]), commitment })
                })
                .collect();
            let revealed: Vec<Bid> = bids.iter().map(|(_, bid)| *bid).collect();
            let outcome = resolve(number(&case["reserve"]), &revealed);
            let winner = outcome.map(|(winner, _)| bids[winner].0 as u64);
            assert_eq!(winner, case["winner"].as_u64(), "{case}");
            if let Some((_, price)) = outcome {
                assert_eq!(price, number(&case["price"]), "{case}");
            }
        }
    }

    fn auction() -> (Slot, Terms) {
        let params = Params { commit_window: 20, reveal_window: 10, settle_window: 10, bid_bond: 7 };
        let terms = Terms { mechanismParams: B256::from(params.pack()), ..terms() };
        assert_eq!(Params::of(&terms), params);
        (Slot { exclusiveUntil: U40::from(1_040), ..slot(Address::ZERO) }, terms)
    }

    fn committed(key: Address, memo: B256) -> LogData {
        Contract::BidCommitted { market: U256::ONE, slot: 1, key, memo }.encode_log_data()
    }

    fn revealed(key: Address, leads: bool) -> LogData {
        Contract::BidRevealed { market: U256::ONE, slot: 1, key, price: U96::from(5), leads }
            .encode_log_data()
    }

    #[test]
    fn a_whole_auction_as_its_winner_sees_it() {
        let (slot, terms) = auction();
        let kind = |now, log: &[LogData]| {
            MECHANISM.action(&view(&slot, &terms, ME, now, log)).map(|action| action.kind)
        };
        let cost = SlotView { minimum_reward: 500, ..view(&slot, &terms, ME, 1_000, &[]) };
        let action = MECHANISM.action(&cost).expect("bids");
        let call = Contract::commitCall::abi_decode(&action.data).expect("a commit");
        let mut log = vec![committed(ME, call.memo), committed(OTHER, B256::ZERO)];
        assert_eq!(kind(1_019, &log), None, "one bid");
        assert_eq!(kind(1_020, &log), Some("reveal"));
        assert_eq!(kind(1_030, &log), None, "too late to reveal");

        // The revealed price is the one bid, whatever the slot would be worth now.
        let later = SlotView { now: 1_020, minimum_reward: 900, log: &log, ..cost.clone() };
        let reveal = MECHANISM.action(&later).expect("reveals");
        let reveal = Contract::revealCall::abi_decode(&reveal.data).expect("a reveal");
        // 500 is the reward after 30 of 100 seconds of a price of 527: 527 less an eighth of its 210 above the floor.
        assert_eq!(reveal.price, U96::from(527));

        log.push(revealed(ME, true));
        assert_eq!(kind(1_021, &log), None, "the other may still lead");
        assert_eq!(
            MECHANISM.decide(&view(&slot, &terms, ME, 1_021, &log)),
            Decision::Prove { reason: Reason::Leading }
        );
        assert_eq!(kind(1_030, &log), Some("settle"));
        log.push(revealed(OTHER, false));
        assert_eq!(kind(1_022, &log), Some("settle"), "all are revealed");
        assert_eq!(kind(1_040, &log), None, "too late");
    }

    #[test]
    fn whoever_is_outbid_stops() {
        let (slot, terms) = auction();
        let log = [
            committed(ME, B256::ZERO),
            committed(OTHER, B256::ZERO),
            revealed(ME, true),
            revealed(OTHER, true),
        ];
        let stands = |log: &[LogData]| MECHANISM.open_bid(&terms, ME, ME, log);
        assert_eq!(stands(&[]), None);
        assert_eq!(stands(&log[1..2]), None, "another's");
        assert_eq!(stands(&log[..2]), Some(7), "sealed");
        assert_eq!(stands(&log[..3]), Some(7), "it leads");
        assert_eq!(stands(&log), None, "outbid, so its bond is back");
        let lapsed =
            Contract::AuctionLapsed { market: U256::ONE, slot: 1, leader: ME, burned: U256::from(7) };
        assert_eq!(stands(&[log[2].clone(), lapsed.encode_log_data()]), None, "over");
        let view = view(&slot, &terms, ME, 1_030, &log);
        assert_eq!(MECHANISM.action(&view), None);
        assert_eq!(MECHANISM.decide(&view), Decision::Wait { until: 1_040, reason: Reason::Undecided });
    }

    #[test]
    fn nobody_bids_on_what_it_cannot_finish_or_at_a_loss() {
        let (slot, terms) = auction();
        let view = view(&slot, &terms, ME, 1_000, &[]);
        assert!(MECHANISM.action(&view).is_some());
        assert!(MECHANISM.action(&SlotView { queue_seconds: 70, ..view.clone() }).is_none());
        assert!(MECHANISM.action(&SlotView { minimum_reward: 951, ..view.clone() }).is_none());
        assert!(MECHANISM.action(&SlotView { taking: false, ..view }).is_none());
    }
}
