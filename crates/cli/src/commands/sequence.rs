//! `provery rollup sequence`: blocks of real signed transfers, one after another.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolEvent,
};
use clap::Args;
use eyre::Result;
use provery_bindings::{ProofMarket, TransferRollup};
use provery_chain::{Mined, SendError};
use provery_circuits::{BlockContext, Params, State, Workload, word};
use provery_types::{Event, LoggedEvent, RollupRecord, Terms};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    commands::{Context, offer::SignedOffer, rollup::AccountsArgs},
    error::{Code, fail},
    session::Session,
    signals,
};

#[derive(Debug, Args)]
pub struct SequenceArgs {
    /// The rollup's name in the deployment
    #[arg(long)]
    name: String,
    /// Milliseconds between two blocks
    #[arg(long, value_name = "MS", default_value_t = 4000)]
    interval_ms: u64,
    /// Stop after so many blocks [default: never]
    #[arg(long, value_name = "N")]
    blocks: Option<u64>,
    /// Transfers in a block [default: as many as fit]
    #[arg(long, value_name = "N")]
    block_txs: Option<usize>,
    /// Open slots for the prover that signed this offer (`provery prover offer sign`); without it, or once it is no longer
    /// good, slots of a market with agreements are open to all
    #[arg(long, value_name = "FILE")]
    offer: Option<PathBuf>,
    #[command(flatten)]
    accounts: AccountsArgs,
}

/// A block that may be built on.
#[derive(Clone)]
struct Known {
    /// The state it claims to lead to.
    state: State,
    /// Whether it does. What is built on a wrong claim is dropped with it.
    sound: bool,
}

/// The states after blocks, by number; 0 is genesis.
struct Tracker {
    rollup: Address,
    context: BlockContext,
    known: BTreeMap<u64, Known>,
}

impl Tracker {
    fn new(record: &RollupRecord, domain: U256, events: &[LoggedEvent]) -> Result<Self> {
        let params = usize::try_from(record.block_txs)
            .ok()
            .and_then(|block_txs| Params::new(block_txs).ok())
            .ok_or_else(|| {
                fail(
                    Code::DeploymentInvalid,
                    format!(
                        "the deployment gives rollup {} no \
             possible block size; write it anew with `provery deploy`",
                        record.name
                    ),
                )
            })?;
        let domain = word::reduce(&domain.to_be_bytes::<32>());
        let mut tracker =
            Self { rollup: record.address, context: BlockContext { params, domain }, known: BTreeMap::new() };
        for logged in events {
            tracker.apply(logged)?;
        }
        Ok(tracker)
    }

    fn apply(&mut self, logged: &LoggedEvent) -> Result<()> {
        if logged.address != self.rollup {
            return Ok(());
        }
        match &logged.event {
            Event::GenesisSet { accounts, .. } => {
                let state = State::from_genesis(accounts).map_err(|error| {
                    fail(Code::Internal, format!("the rollup's genesis cannot be read: {error}"))
                })?;
                self.known.insert(0, Known { state, sound: true });
            }
            Event::BlockPosted { number, parent, old_root, new_root, data } => {
                self.posted(*number, *parent, *old_root, *new_root, data)?;
            }
            Event::BlockFinalized { number, .. } => self.known.retain(|known, _| known >= number),
            _ => {}
        }
        Ok(())
    }

    fn posted(
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

fn root(state: &State) -> U256 {
    U256::from_be_bytes(state.root_word())
}

fn after(state: &State, data: &[u8], context: &BlockContext) -> Result<State> {
    let mut state = state.clone();
    state.apply_block(data, context).map_err(|error| {
        fail(Code::Internal, format!("a block cannot be applied to the rollup's state: {error}"))
    })?;
    Ok(state)
}

pub async fn run(context: &Context, args: SequenceArgs) -> Result<()> {
    let session = context.signer().await?;
    let record = session.deployment().rollup(&args.name)?.clone();
    let me = session.me()?;
    if me != record.sequencer {
        return Err(fail(
            Code::BadKey,
            format!(
                "rollup {} takes blocks from {} alone and the key is of {me}; sign with the sequencer's key",
                record.name, record.sequencer
            ),
        ));
    }
    let domain = session.chain.rollup_domain(record.address).await?;
    let tracker = Tracker::new(&record, domain, &session.events().await?)?;
    let transfers = args.block_txs.unwrap_or(tracker.context.params.block_txs());
    if transfers > tracker.context.params.block_txs() {
        return Err(fail(
            Code::Usage,
            format!(
                "--block-txs: the rollup's blocks hold {} transfers at most",
                tracker.context.params.block_txs()
            ),
        ));
    }
    let workload = args.accounts.workload();
    check_accounts(&tracker, &workload)?;
    let terms = session.chain.terms(record.market).await?;
    let mechanism_data = match &args.offer {
        Some(path) => {
            let signed = SignedOffer::read(path)?;
            signed
                .offer
                .open_data(&signed.signature)
                .map_err(|error| fail(Code::Usage, format!("--offer: {error}")))?
        }
        None => Bytes::new(),
    };
    let stop = signals::stop_token()?;
    let mut sequencer = Sequencer {
        context,
        session: &session,
        record,
        terms,
        mechanism_data,
        domain: domain.to_be_bytes(),
        tracker,
        workload,
        transfers,
        last: 0,
    };
    let posted = sequencer.run(Duration::from_millis(args.interval_ms), args.blocks, &stop).await?;
    context.out.line(&event("stopped", json!({ "posted": posted })));
    if !context.out.json {
        context.out.note(&format!("posted {posted} blocks"));
    }
    Ok(())
}

/// A workload signs with keys of its own accounts, so those must be the rollup's.
fn check_accounts(tracker: &Tracker, workload: &Workload) -> Result<()> {
    let differs = tracker.known.values().next().is_some_and(|known| {
        workload.accounts().iter().enumerate().any(|(index, account)| {
            known.state.account(index as u16).is_ok_and(|found| found.key != account.key)
        })
    });
    if differs {
        return Err(fail(
            Code::Usage,
            "the rollup was created with other accounts; pass the --accounts and --seed that `provery \
             rollup create` was given",
        ));
    }
    Ok(())
}

fn event(name: &str, fields: Value) -> Value {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut line = json!({ "event": name, "at_ms": u64::try_from(at.as_millis()).unwrap_or(u64::MAX) });
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields);
    }
    line
}

struct Sequencer<'a> {
    context: &'a Context,
    session: &'a Session,
    record: RollupRecord,
    terms: Terms,
    /// What the market's mechanism is told of each slot.
    mechanism_data: Bytes,
    domain: [u8; 32],
    tracker: Tracker,
    workload: Workload,
    transfers: usize,
    /// The last block posted by this process.
    last: u64,
}

impl Sequencer<'_> {
    async fn run(&mut self, every: Duration, blocks: Option<u64>, stop: &CancellationToken) -> Result<u64> {
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut posted = 0;
        while blocks.is_none_or(|blocks| posted < blocks) {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            // A block under way is finished even if the wish to stop comes now.
            posted += u64::from(self.step().await?);
        }
        Ok(posted)
    }

    /// Post a block, if one can be posted now.
    async fn step(&mut self) -> Result<bool> {
        match self.post().await {
            Ok(posted) => Ok(posted),
            Err(report) => match report.downcast_ref::<SendError>() {
                Some(error) if offer_is_over(error) && !self.mechanism_data.is_empty() => {
                    self.waiting(&format!(
                        "the offer is no longer good ({error}); slots are open to all from here"
                    ));
                    self.mechanism_data = Bytes::new();
                    Ok(false)
                }
                Some(error) if can_wait(error) => {
                    self.waiting(&error.to_string());
                    Ok(false)
                }
                _ if report
                    .downcast_ref::<provery_chain::ChainError>()
                    .is_some_and(|error| error.is_transient()) =>
                {
                    self.waiting(&report.to_string());
                    Ok(false)
                }
                _ => Err(report),
            },
        }
    }

    fn waiting(&self, reason: &str) {
        self.context.out.line(&event("waiting", json!({ "reason": reason })));
        self.context.out.warn(&format!("no block this time: {reason}"));
    }

    async fn post(&mut self) -> Result<bool> {
        let state = self.session.chain.rollup_state(self.record.address).await?;
        if state.head < self.last {
            self.context.out.line(&event(
                "dropped",
                json!({ "from": state.head + 1, "to": self.last, "head": state.head }),
            ));
            self.context.out.note(&format!("blocks after {} were dropped; going on from there", state.head));
            self.last = state.head;
        }
        if !self.tracker.known.contains_key(&state.head) {
            // Another process posts with this key, or the chain was reorganised: read what happened.
            self.tracker =
                Tracker::new(&self.record, U256::from_be_bytes(self.domain), &self.session.events().await?)?;
        }
        let Some(parent) = self.tracker.known.get(&state.head).cloned() else {
            self.waiting("the state after the newest block is not known yet");
            return Ok(false);
        };
        if !parent.sound || root(&parent.state) != state.head_root {
            self.waiting("the newest block claims a wrong root, and will be dropped once that is proven");
            return Ok(false);
        }
        let data =
            self.workload.next_block(&parent.state, self.transfers, &self.domain).map_err(|error| {
                fail(Code::Internal, format!("no block can be built on the rollup's state: {error}"))
            })?;
        let claimed = after(&parent.state, &data, &self.tracker.context)?;
        let call = self.session.calls().post_block(
            self.record.address,
            Bytes::from(data.clone()),
            root(&claimed),
            &self.terms,
            self.mechanism_data.clone(),
        );
        let mined = self.session.send(call).await?;
        self.posted(&mined, &data)
    }

    fn posted(&mut self, mined: &Mined, data: &[u8]) -> Result<bool> {
        let posted =
            mined.logs.iter().find_map(|log| TransferRollup::BlockPosted::decode_log(&log.inner).ok());
        let opened = mined.logs.iter().find_map(|log| ProofMarket::SlotOpened::decode_log(&log.inner).ok());
        let (Some(posted), Some(opened)) = (posted, opened) else {
            return Err(fail(
                Code::Internal,
                "a block was posted but its receipt tells nothing of it; check that the deployment is of \
                 this version",
            ));
        };
        let block = posted.data;
        let slot = opened.data.slot;
        self.tracker.posted(block.number, block.parent, block.oldRoot, block.newRoot, data)?;
        self.last = block.number;
        let sound = self.tracker.known.get(&block.number).is_some_and(|known| known.sound);
        let prover = (!slot.prover.is_zero()).then_some(slot.prover);
        self.context.out.line(&event(
            "block_posted",
            json!({
                "rollup": self.record.name,
                "market": slot.market.to_string(),
                "number": block.number,
                "slot": slot.id,
                "parent": block.parent,
                "root": format!("{:#066x}", block.newRoot),
                "sound": sound,
                "transfers": self.transfers,
                "bytes": data.len(),
                "prover": prover,
                "opened_at": slot.openedAt.to::<u64>(),
                "exclusive_until": slot.exclusiveUntil.to::<u64>(),
                "tx": mined.tx_hash,
                "gas": mined.gas_used,
                "block": mined.block.number,
            }),
        ));
        if !self.context.out.json {
            let prover = prover.map_or("nobody; it is open to all".to_string(), |prover| prover.to_string());
            let text = format!(
                "block {} posted, {} transfers, {} gas; drawn: {prover}",
                block.number, self.transfers, mined.gas_used
            );
            self.context.out.say(&text);
        }
        Ok(true)
    }
}

/// Errors that time mends.
fn can_wait(error: &SendError) -> bool {
    error.is_transient()
        || matches!(error.revert_name(), Some("RingFull" | "FinalizeFirst" | "CapacityReached"))
}

/// Errors after which no slot can be opened under an offer any more.
fn offer_is_over(error: &SendError) -> bool {
    matches!(error.revert_name(), Some("OfferExpired" | "OfferRevoked"))
}
