//! What a mechanism's explanation of a slot is made from, and how it is written.

use alloy::primitives::{Address, LogData, U256};
use provery_indexer::{History, MarketHistory, Outcome, SlotRecord};
use provery_mechanisms::{Fact, Line};
use provery_types::{Event, LoggedEvent};
use serde_json::{Map, Value, json};

use crate::{amount::Currency, time::when};

/// What the mechanism said about a slot, and when.
pub(crate) fn log(events: &[LoggedEvent], market: U256, id: u64) -> Vec<(u64, LogData)> {
    let about = events.iter().filter_map(|logged| match &logged.event {
        Event::MechanismLog { market: of, slot, log } if *of == market && *slot == id => {
            Some((logged.block.timestamp, log.clone()))
        }
        _ => None,
    });
    about.collect()
}

/// Who proved a slot, and when.
pub(crate) fn proven(record: &SlotRecord) -> Option<(Address, u64)> {
    match &record.outcome {
        Outcome::Proven { payee, at, .. } => Some((*payee, *at)),
        _ => None,
    }
}

/// Who proved the market's other slots before this one, the newest last.
pub(crate) fn winners(market: &MarketHistory, record: &SlotRecord) -> Vec<Address> {
    let until = proven(record).map_or(u64::MAX, |(_, at)| at);
    let mut won: Vec<(u64, u64, Address)> = Vec::new();
    for other in market.slots.values().filter(|other| other.slot.id != record.slot.id) {
        if let Some((payee, at)) = proven(other)
            && (at, other.slot.id) < (until, record.slot.id)
        {
            won.push((at, other.slot.id, payee));
        }
    }
    won.sort_unstable();
    won.into_iter().map(|(_, _, payee)| payee).collect()
}

/// The weight of who proved a slot, and the market's, when it was proven.
pub(crate) fn weight(history: &History, record: &SlotRecord, epoch_length: u64) -> (u64, u64) {
    let Some(market) = history.markets.get(&record.slot.market) else { return (0, 0) };
    let Some((payee, at)) = proven(record) else { return (0, 0) };
    let epoch = at.checked_div(epoch_length).unwrap_or_default();
    let id = history.provers.get(&payee).map_or(0, |prover| prover.id);
    (market.weights.at(id, epoch), market.weights.total(epoch))
}

pub(crate) fn text(line: &Line, now: u64, asset: &Currency) -> String {
    line.told(|fact| show(fact, now, asset))
}

pub(crate) fn json(line: &Line, now: u64, asset: &Currency) -> Value {
    let facts: Map<String, Value> =
        line.facts.iter().map(|(name, fact)| ((*name).to_owned(), plain(fact))).collect();
    json!({ "says": text(line, now, asset), "facts": facts })
}

fn show(fact: &Fact, now: u64, asset: &Currency) -> String {
    match fact {
        Fact::Amount(wei) => asset.show(U256::from(*wei)),
        Fact::Account(account) => account.to_string(),
        Fact::Seconds(seconds) => format!("{seconds} s"),
        Fact::Time(at) if *at > now => format!("{} (in {} s)", when(*at), at - now),
        Fact::Time(at) => format!("{} ({} s ago)", when(*at), now - at),
        Fact::Number(number) => number.to_string(),
        Fact::Word(word) => word_text(*word),
        Fact::Bps(bps) => format!("{}.{:02}%", bps / 100, bps % 100),
        Fact::Text(text) => (*text).to_owned(),
    }
}

/// As programs take it: amounts and words as strings, which JSON's numbers have no room for.
fn plain(fact: &Fact) -> Value {
    match fact {
        Fact::Amount(wei) => json!(wei.to_string()),
        Fact::Account(account) => json!(account),
        Fact::Seconds(number) | Fact::Time(number) | Fact::Number(number) | Fact::Bps(number) => {
            json!(number)
        }
        Fact::Word(word) => json!(word_text(*word)),
        Fact::Text(text) => json!(text),
    }
}

fn word_text(word: U256) -> String {
    if word.bit_len() > 64 { format!("{word:#066x}") } else { word.to_string() }
}
