//! What the tests of several modules need.

use alloy::primitives::{
    Address, B256, LogData, U256,
    aliases::{U40, U96},
};
use provery_types::{Slot, Terms};
use serde_json::Value;

use crate::SlotView;

/// The cases of a file of shared vectors.
pub(crate) fn cases(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).expect("vectors are JSON");
    let cases = file["cases"].as_array().expect("vectors have cases").clone();
    assert!(!cases.is_empty());
    cases
}

/// The cases of one section of a file of shared vectors.
pub(crate) fn cases_of(text: &str, section: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).expect("vectors are JSON");
    let cases = file[section]["cases"].as_array().expect("the section has cases").clone();
    assert!(!cases.is_empty());
    cases
}

/// A number, or a decimal string.
pub(crate) fn number(value: &Value) -> u128 {
    match value {
        Value::String(text) => text.parse().expect("a decimal"),
        value => value.as_u64().expect("a number").into(),
    }
}

/// Price 1,000, floor 600; bond 2,000, half of it the rescuer's. Fast 20, exclusive 100, expires after 400.
pub(crate) fn terms() -> Terms {
    Terms {
        requester: Address::repeat_byte(0x01),
        mechanism: Address::repeat_byte(0x02),
        mechanismParams: B256::ZERO,
        circuit: B256::repeat_byte(0x03),
        verifier: Address::repeat_byte(0x04),
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
        chain: 0,
        circuitTerms: U256::ZERO,
    }
}

/// A slot as `me` sees it at `now`, with a proof taking 30 seconds and nothing in the queue.
pub(crate) fn view<'a>(
    slot: &'a Slot,
    terms: &'a Terms,
    me: Address,
    now: u64,
    log: &'a [LogData],
) -> SlotView<'a> {
    SlotView {
        slot,
        terms,
        me,
        now,
        estimated_proving_seconds: 30,
        rescue_rank: 0,
        bond_at_stake: true,
        minimum_reward: 0,
        queue_seconds: 0,
        taking: true,
        key: me,
        chain_id: 31337,
        secret: B256::repeat_byte(0x5e),
        log,
    }
}

/// Opened at 1,000 under [`terms`]: exclusive to `prover` until 1,100, or, if that is nobody, open at once. Expires at
/// 1,400.
pub(crate) fn slot(prover: Address) -> Slot {
    Slot {
        market: U256::ONE,
        id: 1,
        statement: B256::ZERO,
        prover,
        price: U96::from(1_000),
        openedAt: U40::from(1_000),
        startedAt: U40::from(1_000),
        exclusiveUntil: U40::from(if prover.is_zero() { 1_000 } else { 1_100 }),
        capacity: 16,
        link: U256::ZERO,
    }
}
