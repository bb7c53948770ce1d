//! What a node says about itself: the JSON of `/status` and of `provery node status`, and what the gauges are read from.
//!
//! Amounts are decimal strings of wei, since numbers of this size do not survive a double. Endpoints have only the scheme,
//! host and port of their URL: the rest may be a secret.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use provery_txmgr::OutboxStatus;
use provery_types::AssetUnit;
use serde::{Deserialize, Serialize};

use crate::{concern::Concern, earning::Shortfall, slots::SlotStage};

/// Most ended slots that a status lists, newest first.
pub const ENDED_KEPT: usize = 1_000;
/// A position that is no further behind the head than this many blocks is recent enough to act on.
pub const CAUGHT_UP_WITHIN: u64 = 2;
/// Seconds for which the chain may not be read although an endpoint answers.
const UNREAD_WITHIN: u64 = 10;

/// A node at a moment. `Option`s are what it has not looked at yet, or cannot know while it does not run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The process, and what it takes on.
    pub node: NodeStatus,
    /// How far the chain is read.
    pub chain: ChainStatus,
    /// How many slots are in each stage, by its name.
    pub slots: BTreeMap<String, u64>,
    /// Every slot that has not ended, in order.
    pub open: Vec<OpenSlot>,
    /// The newest [`ENDED_KEPT`], newest first.
    pub ended: Vec<EndedSlot>,
    /// Transactions that are under way, and what all of them cost.
    pub outbox: OutboxStatus,
    /// What makes proofs.
    pub workers: WorkersStatus,
    /// What the stake is counted in.
    pub asset: Option<AssetUnit>,
    /// What is staked and earned.
    pub stake: Option<StakeStatus>,
    /// What the signing key has for gas.
    pub balance: Option<BalanceStatus>,
    /// What the operator should know.
    pub concerns: Vec<ConcernStatus>,
    /// For which reasons nothing will be earned, everywhere or in a market.
    pub shortfalls: Vec<Shortfall>,
}

/// Something that only the operator can mend, or should know of before it costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConcernStatus {
    /// held_unprovable, market_unprovable, reading_history, held_late, bid_late, blind, logs_disputed, events_withheld, pause_fails,
    /// key_shared, key_used, paused_by_operator, suspended, terms_not_accepted, exposure_too_large or slot_unprovable.
    pub code: String,
    /// Stake is lost if nothing is done about it.
    pub alarm: bool,
    /// Decimal; 0 if it is the node's own.
    pub market: String,
    /// Nothing if it is about the whole market, or the node.
    pub slot: Option<u64>,
    /// What is so, and what to do.
    pub message: String,
}

/// The process: whom it proves for, and whether it takes on slots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Whom the proofs pay.
    pub prover: Address,
    /// The account that signs. Unknown while the node does not run, unless it has something to send.
    pub key: Option<Address>,
    /// The program's.
    pub version: String,
    /// The process's id.
    pub pid: u32,
    /// Unix seconds.
    pub started_at: u64,
    /// alone, leader or standby.
    pub role: String,
    /// It was told to stop and finishes what it holds.
    pub draining: bool,
    /// Whether new slots are taken on, all things considered.
    pub taking: bool,
    /// Failures that keep it from taking on slots.
    pub breaker: BreakerStatus,
    /// The prover is paused on-chain: no draw picks it.
    pub paused_on_chain: bool,
    /// Whose pause it is, and why; nothing if it is not paused.
    pub paused: Option<PauseStatus>,
    /// Nothing at all will be earned as things are; the shortfalls say why.
    pub earns_nothing: bool,
}

/// A pause of the prover.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PauseStatus {
    /// node or operator.
    pub by: String,
    /// What the node waits for: stopping, breaker_open, low_balance, fees, overloaded, not_taking, market_refused, or coming_back.
    pub why: Option<String>,
}

/// The circuit breaker: while it is open, nothing new is taken on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreakerStatus {
    /// Proofs or sends fail, so nothing new is taken on for now.
    pub open: bool,
    /// Why it is open, or why else nothing new is taken on.
    pub reason: Option<String>,
    /// Proofs and sends that failed in a row.
    pub failures: u32,
}

/// How far the chain is read, and how well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChainStatus {
    /// As EIP-155 numbers chains.
    pub chain_id: u64,
    /// The chain's newest block.
    pub head: Option<u64>,
    /// The last block whose effects are stored.
    pub position: Option<u64>,
    /// Blocks from the position to the head.
    pub lag_blocks: u64,
    /// Seconds since the newest block's time: endpoints that stand still lag behind nobody.
    pub head_age_secs: u64,
    /// For how many seconds it could not be read, and why not.
    pub unread_secs: u64,
    /// Of the last failure; nothing once it is read again.
    pub last_error: Option<String>,
    /// Reorganisations followed since the node started.
    pub reorgs: u64,
    /// Blocks that the deepest of them took back.
    pub deepest_reorg: u64,
    /// Each that is configured, in that order.
    pub endpoints: Vec<EndpointStatus>,
}

/// An endpoint, as it last answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointStatus {
    /// Scheme, host and port.
    pub name: String,
    /// Its last request was answered.
    pub up: bool,
    /// Height of its newest block, when it was last asked.
    pub head: Option<u64>,
    /// Blocks behind the best endpoint.
    pub lag_blocks: u64,
    /// Failures in a row.
    pub failures: u32,
    /// Failures since the node started.
    pub total_failures: u64,
    /// Requests since the node started.
    pub requests: u64,
    /// Of the last failure.
    pub last_error: Option<String>,
    /// Why it is not asked for now: failing, lagging, empty, contradicting or resting.
    pub left_because: Option<String>,
}

/// A slot that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSlot {
    /// Decimal.
    pub market: String,
    /// The slot's id in its market.
    pub slot: u64,
    /// As [`SlotStage::name`] gives it.
    pub stage: String,
    /// This prover holds it.
    pub mine: bool,
    /// Unix seconds.
    pub exclusive_until: u64,
    /// Proofs of it that failed.
    pub attempts: u32,
}

/// A slot that has ended, as far as the chain known now goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSlot {
    /// Decimal.
    pub market: String,
    /// The slot's id in its market.
    pub slot: u64,
    /// As [`SlotStage::name`] gives it.
    pub stage: String,
    /// Whom its proof paid; nothing if it ended unproven.
    pub payee: Option<Address>,
    /// Of the transaction that ended it.
    pub tx: Option<B256>,
}

/// What makes proofs, and how much of it is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkersStatus {
    /// What runs the proofs: in-process, processes or jetstream.
    pub runner: String,
    /// Proofs at a time.
    pub most: u64,
    /// Proofs under way.
    pub running: u64,
    /// Slots that wait for a worker.
    pub queue: u64,
}

/// Asset wei.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeStatus {
    /// Stake that no bond reserves.
    pub free: String,
    /// Stake that bonds reserve.
    pub bonded: String,
    /// Earned and not withdrawn.
    pub credit: String,
}

/// What the signing key can pay for gas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceStatus {
    /// Of the chain's own currency.
    pub wei: String,
    /// It pays for fewer proofs than the operator asked to be warned at.
    pub low: bool,
    /// How many more proofs it pays for at today's price.
    pub proofs_left: u64,
}

impl ChainStatus {
    /// Whether there is an endpoint that the chain can be read from.
    fn is_read(&self) -> bool {
        self.unread_secs < UNREAD_WITHIN && self.endpoints.iter().any(|endpoint| endpoint.up)
    }

    /// Whether the position is recent enough to act on: see [`CAUGHT_UP_WITHIN`].
    pub fn caught_up(&self) -> bool {
        self.head.is_some() && self.position.is_some() && self.lag_blocks <= CAUGHT_UP_WITHIN
    }
}

impl Status {
    /// Every stage at nought, so that a gauge is there before the first slot is in its stage.
    pub fn no_slots() -> BTreeMap<String, u64> {
        SlotStage::NAMES.iter().map(|name| ((*name).to_owned(), 0)).collect()
    }

    /// One sentence for each thing that is wrong or keeps anything from being earned, and its stable word.
    pub fn sentences(&self) -> Vec<(&str, String)> {
        let concerns = self.concerns.iter().map(|it| (it.code.as_str(), it.message.clone()));
        let shortfalls =
            self.shortfalls.iter().map(|it| (it.code.as_str(), format!("{}; `{}`", it.message, it.next)));
        concerns.chain(shortfalls).collect()
    }

    /// Why the node is not ready to be relied on; nothing if it is. The words are stable.
    pub fn unready(&self) -> Vec<&'static str> {
        let node = &self.node;
        let concerned = |code| self.concerns.iter().any(|it| it.code == code);
        let checks = [
            (!self.chain.is_read(), "no_endpoint"),
            (!self.chain.caught_up(), "behind"),
            (node.draining, "draining"),
            (node.breaker.open, "breaker_open"),
            (node.role == "standby", "standby"),
            (node.paused.is_some(), node.paused.as_ref().map_or("", paused)),
            (node.earns_nothing && node.paused.is_none(), "earns_nothing"),
            (concerned(Concern::READING_HISTORY), Concern::READING_HISTORY),
            (concerned(Concern::SUSPENDED), Concern::SUSPENDED),
        ];
        let alarms = Concern::ALARMS.iter().map(|code| (concerned(code), *code));
        checks.into_iter().chain(alarms).filter(|(bad, _)| *bad).map(|(_, why)| why).collect()
    }
}

/// Who paused the prover and why, in stable words.
fn paused(pause: &PauseStatus) -> &'static str {
    match (pause.by.as_str(), pause.why.as_deref().unwrap_or_default()) {
        ("operator", _) => "paused_by_operator",
        (_, "stopping") => "paused_by_node: stopping",
        (_, "breaker_open") => "paused_by_node: breaker_open",
        (_, "low_balance") => "paused_by_node: low_balance",
        (_, "fees") => "paused_by_node: fees",
        (_, "overloaded") => "paused_by_node: overloaded",
        (_, "not_taking") => "paused_by_node: not_taking",
        (_, "market_refused") => "paused_by_node: market_refused",
        _ => "paused_by_node: coming_back",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn well() -> Status {
        let mut status = Status { slots: Status::no_slots(), ..Status::default() };
        status.node.role = "alone".to_owned();
        status.chain.head = Some(10);
        status.chain.position = Some(9);
        status.chain.lag_blocks = 1;
        let endpoint = EndpointStatus { name: "http://a:1".to_owned(), up: true, ..Default::default() };
        status.chain.endpoints.push(endpoint);
        status
    }

    #[test]
    fn each_reason_not_to_be_ready_is_named() {
        assert!(well().unready().is_empty());
        let worse = |change: fn(&mut Status)| {
            let mut status = well();
            change(&mut status);
            status.unready()
        };
        assert_eq!(worse(|status| status.chain.endpoints[0].up = false), ["no_endpoint"]);
        assert_eq!(worse(|status| status.chain.unread_secs = 10), ["no_endpoint"], "none that is of use");
        assert_eq!(worse(|status| status.chain.lag_blocks = 3), ["behind"]);
        assert_eq!(worse(|status| status.chain.position = None), ["behind"]);
        assert_eq!(worse(|status| status.node.draining = true), ["draining"]);
        assert_eq!(worse(|status| status.node.breaker.open = true), ["breaker_open"]);
        assert_eq!(worse(|status| status.node.role = "standby".to_owned()), ["standby"]);
        let paused = |by: &str, why: Option<&str>| {
            let mut status = well();
            status.node.paused = Some(PauseStatus { by: by.to_owned(), why: why.map(str::to_owned) });
            status.unready()
        };
        assert_eq!(paused("operator", None), ["paused_by_operator"]);
        assert_eq!(paused("node", Some("overloaded")), ["paused_by_node: overloaded"]);
        assert_eq!(paused("node", Some("fees")), ["paused_by_node: fees"]);
        assert_eq!(paused("node", Some("market_refused")), ["paused_by_node: market_refused"]);
        assert_eq!(paused("node", Some("coming_back")), ["paused_by_node: coming_back"]);
        assert_eq!(worse(|status| status.node.earns_nothing = true), ["earns_nothing"]);
        let concern = |code: &str| ConcernStatus { code: code.to_owned(), ..ConcernStatus::default() };
        let mut status = well();
        status.concerns.push(concern(Concern::TERMS_NOT_ACCEPTED));
        assert!(status.unready().is_empty());
        status.concerns.push(concern(Concern::HELD_UNPROVABLE));
        assert_eq!(status.unready(), ["held_unprovable"]);
        status.concerns.push(concern(Concern::SUSPENDED));
        status.concerns.push(concern(Concern::MARKET_UNPROVABLE));
        assert_eq!(status.unready(), ["suspended", "held_unprovable", "market_unprovable"]);
        for code in Concern::ALARMS {
            let mut status = well();
            status.concerns.push(concern(code));
            assert_eq!(status.unready(), [code]);
        }
        assert_eq!(Status::default().unready(), ["no_endpoint", "behind"]);
    }

    #[test]
    fn a_status_of_an_older_program_can_be_read() {
        let status: Status = serde_json::from_str(r#"{"node":{"version":"0"},"more":1}"#).expect("reads");
        assert_eq!(status.node.version, "0");
        let again: Status =
            serde_json::from_str(&serde_json::to_string(&well()).expect("writes")).expect("reads");
        assert_eq!(again, well());
    }
}
