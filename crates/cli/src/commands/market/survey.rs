//! A market as the chain has it now and as it went of late: what quotes and rankings are made of.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use eyre::Result;
use provery_indexer::{History, Outcome, Pace, Totals};
use provery_mechanisms::{Book, Mechanism, Offered, QuoteView};
use provery_rpc::MarketRecord;
use provery_types::Terms;
use serde_json::{Value, json};

use crate::{
    error::{Code, fail},
    session::{Session, patiently},
    terms,
};

/// Slots that are looked back on.
const NEWEST: usize = 200;
/// Offers of a market that are read, the first in turn first.
const OFFERS: u64 = 16;

/// What is the same for every market.
pub(super) struct Chronicle {
    pub history: History,
    /// Chain time in unix seconds.
    pub now: u64,
    pub epoch: u64,
    /// Asset wei.
    pub unit: U256,
}

impl Chronicle {
    pub(super) async fn read(session: &Session) -> Result<Self> {
        let history = session.history().await?;
        let now = session.head().await?.timestamp;
        let epoch = patiently(|| session.chain.epoch()).await?;
        let unit = patiently(|| session.chain.registry_params()).await?.stake_unit;
        Ok(Self { history, now, epoch, unit })
    }

    /// Proofs that a prover was paid for, in any market.
    pub(super) fn delivered(&self, prover: Address) -> u64 {
        let totals: Totals = self.history.total(|share| share.prover == prover);
        totals.delivered
    }
}

/// One market.
pub(super) struct Survey {
    pub id: U256,
    /// Nothing if the deployment file has no record of it.
    pub name: Option<String>,
    pub terms: Terms,
    pub mechanism: Option<&'static dyn Mechanism>,
    pub state: MarketRecord,
    /// Slots that have not ended.
    pub open: u64,
    /// Under the terms in force.
    pub pace: Pace,
    /// Under any.
    pub ever: Pace,
    /// Who could bond a slot now, and its weight.
    pub able: Vec<(Address, u64)>,
    pub offers: Vec<Offered>,
    pub now: u64,
}

impl Survey {
    pub(super) async fn of(session: &Session, chronicle: &Chronicle, id: U256) -> Result<Self> {
        let state = patiently(|| session.chain.market(id)).await?;
        let history = &chronicle.history;
        let terms = history.terms(state.terms_hash).cloned().ok_or_else(|| {
            fail(
                Code::Internal,
                format!(
                    "the terms of market {id} were not found in the chain's logs; use an endpoint that has the whole history"
                ),
            )
        })?;
        let mechanism = terms::mechanism_at(session.deployment(), terms.mechanism);
        let record = history.markets.get(&id).cloned().unwrap_or_default();
        let bond = (terms.version, terms.bond.to::<U256>());
        let mut able = history.able(id, bond, chronicle.epoch, chronicle.unit);
        if mechanism.is_some_and(|mechanism| mechanism.draws()) {
            able.retain(|(_, weight)| *weight > 0);
        }
        let offers = match mechanism.and_then(|mechanism| mechanism.book()) {
            Some(book) => {
                let fits = |prover| history.is_able(prover, id, bond, chronicle.unit);
                offers(session, book, id, &terms, fits).await?
            }
            None => Vec::new(),
        };
        let open = record.slots.values().filter(|slot| slot.outcome == Outcome::Open).count();
        Ok(Self {
            id,
            name: session.deployment().rollup_of_market(id).map(|it| it.name.clone()),
            mechanism,
            open: u64::try_from(open).unwrap_or(u64::MAX),
            pace: Pace::of(&record, Some(state.terms_hash), NEWEST),
            ever: Pace::of(&record, None, NEWEST),
            able,
            offers,
            now: chronicle.now,
            state,
            terms,
        })
    }

    /// What anybody sees; or, without `but`, what that prover has before it.
    pub(super) fn view<'a>(&'a self, offers: &'a [Offered], but: Option<Address>) -> QuoteView<'a> {
        let others = |prover: &Address| but != Some(*prover);
        QuoteView {
            terms: &self.terms,
            now: self.now,
            able: self.able.iter().filter(|(prover, _)| others(prover)).count() as u64,
            lately: self.ever.payees.iter().filter(|prover| others(prover)).count() as u64,
            offers,
            past: &self.pace.prices,
        }
    }

    /// The offers of everybody but this prover.
    pub(super) fn offers_of_others(&self, but: Option<Address>) -> Vec<Offered> {
        self.offers.iter().filter(|offer| Some(offer.prover) != but).copied().collect()
    }

    /// Slots that the market's funds pay for, at the most that one costs.
    pub(super) fn funded(&self) -> u64 {
        let price = self.terms.price.to::<U256>();
        self.state.funds.checked_div(price).map_or(u64::MAX, |slots| slots.saturating_to())
    }

    /// What the mechanism is called, or the address of its contract.
    pub(super) fn mechanism_word(&self) -> String {
        self.mechanism.map_or_else(|| self.terms.mechanism.to_string(), |known| known.word().to_owned())
    }

    /// Slots of the past, as programs take them; null if there are none.
    pub(super) fn past_json(&self) -> Value {
        if self.pace.opened == 0 {
            return Value::Null;
        }
        json!({
            "slots": self.pace.opened,
            "proven": self.pace.proven,
            "expired": self.pace.expired,
            "seconds_p50": self.pace.percentile(50),
            "seconds_p95": self.pace.percentile(95),
        })
    }

    /// The same for people.
    pub(super) fn past_text(&self) -> String {
        let pace = &self.pace;
        match (pace.opened, pace.percentile(50), pace.percentile(95)) {
            (0, ..) => "no history under these terms".to_owned(),
            (opened, Some(half), Some(most)) => format!(
                "{} of the newest {opened} slots were proven, half of them within {half} s, 95 in 100 within {most} s; {} expired",
                pace.proven, pace.expired
            ),
            (opened, ..) => format!("none of {opened} slots was proven; {} expired", pace.expired),
        }
    }

    /// Who could serve it: each with its weight or its offer, and the proofs that stand behind its word.
    pub(super) fn provers(&self, chronicle: &Chronicle) -> Vec<Serving> {
        let mut known: BTreeMap<Address, Serving> = BTreeMap::new();
        let serving =
            |prover| Serving { prover, weight: 0, offer: None, delivered: chronicle.delivered(prover) };
        for (prover, weight) in &self.able {
            known.entry(*prover).or_insert_with(|| serving(*prover)).weight = *weight;
        }
        for offer in self.offers.iter().filter(|offer| offer.stands(self.now)) {
            known.entry(offer.prover).or_insert_with(|| serving(offer.prover)).offer = Some(*offer);
        }
        if self.mechanism.is_some_and(|mechanism| !mechanism.assigns()) {
            for prover in &self.ever.payees {
                known.entry(*prover).or_insert_with(|| serving(*prover));
            }
        }
        known.into_values().collect()
    }
}

/// A prover that could serve a market.
pub(super) struct Serving {
    pub prover: Address,
    pub weight: u64,
    pub offer: Option<Offered>,
    /// Proofs that it was paid for, in any market.
    pub delivered: u64,
}

impl Serving {
    /// Stake and offers are a word; proofs that were paid for are more.
    pub(super) fn backing(&self) -> String {
        match self.delivered {
            0 => "declared".to_owned(),
            1 => "1 proof delivered".to_owned(),
            many => format!("{many} proofs delivered"),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "prover": self.prover,
            "weight": self.weight,
            "ask": self.offer.map(|offer| json!({
                "price": offer.price.to_string(),
                "seconds": offer.promised,
                "slots": offer.capacity,
                "expiry": offer.expiry,
            })),
            "delivered": self.delivered,
            "capacity": if self.delivered == 0 { "declared" } else { "delivered" },
        })
    }
}

async fn offers(
    session: &Session,
    book: &dyn Book,
    market: U256,
    terms: &Terms,
    able: impl Fn(Address) -> bool,
) -> Result<Vec<Offered>> {
    let senseless = || {
        fail(
            Code::DeploymentInvalid,
            "the market's mechanism answers something else; check the deployment file",
        )
    };
    let contract = terms.mechanism;
    let request = book.order(market, terms, OFFERS);
    let answer = patiently(|| session.chain.raw_call(contract, request.clone(), None, "offers")).await?;
    let mut offers = Vec::new();
    for prover in book.provers(&answer).ok_or_else(senseless)? {
        let request = book.request(market, terms, prover);
        let answer = patiently(|| session.chain.raw_call(contract, request.clone(), None, "offer")).await?;
        offers.push(book.offered(prover, able(prover), &answer).ok_or_else(senseless)?);
    }
    Ok(offers)
}
