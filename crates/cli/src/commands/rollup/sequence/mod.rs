//! `provery rollup sequence`: blocks of real signed transfers, one after another.

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    eips::BlockId,
    primitives::{Bytes, U256},
    providers::Provider,
    sol_types::SolEvent,
};
use clap::Args;
use eyre::Result;
use provery_bindings::{ProofMarket, TransferRollup};
use provery_circuits::Traffic;
use provery_mechanisms::refusal::{Kind, refusal};
use provery_rpc::{Call, ChainError, SeedError};
use provery_txmgr::{Mined, SendError};
use provery_types::{RollupRecord, Terms};
use provery_workloads::transfer_rollup::{Parameters, contract};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

mod shortage;
mod tidy;
mod tracker;

use shortage::Shortage;
use tracker::{Tracker, after, root};

use crate::{
    backends,
    commands::{prover, rollup::accounts::AccountsArgs},
    context::Context,
    error::{Code, fail},
    session::Session,
    signals,
    terms::opening_data,
};

#[derive(Debug, Args)]
pub(crate) struct SequenceArgs {
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
    /// Open slots with the ask that its prover signed (`provery prover ask sign`), which is used where it is below the book's
    /// best
    #[arg(long, value_name = "FILE", conflicts_with = "offer")]
    ask: Option<PathBuf>,
    #[command(flatten)]
    accounts: AccountsArgs,
}

pub(crate) async fn run(context: &Context, args: SequenceArgs) -> Result<()> {
    let session = context.signer().await?;
    let record = session.deployment().rollup(&args.name)?.clone();
    let Parameters { sequencer } = Parameters::of(&record)?;
    let me = session.me()?;
    if me != sequencer {
        return Err(fail(
            Code::BadKey,
            format!(
                "rollup {} takes blocks from {} alone and the key is of {me}; sign with the sequencer's key",
                record.name, sequencer
            ),
        ));
    }
    backends::vet(&session, &record).await??;
    let domain = session.chain.ask(record.address, &contract::DOMAINCall {}).await?;
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
    let traffic = args.accounts.traffic();
    check_accounts(&tracker, &traffic)?;
    let terms = session.chain.terms(record.market).await?;
    let signed = prover::opening_data(args.offer.as_deref(), args.ask.as_deref())?;
    let stop = signals::stop_token()?;
    // What was sent is looked after whoever waits for it.
    let keeper = session.sender()?.clone();
    let kept = stop.child_token();
    let until = kept.clone();
    let keeping = tokio::spawn(async move { keeper.run(until).await });
    let mut sequencer = Sequencer {
        context,
        session: &session,
        record,
        terms,
        mechanism_data: signed.unwrap_or_default(),
        domain: domain.to_be_bytes(),
        tracker,
        traffic,
        transfers,
        last: 0,
        said: None,
        pending_since: None,
        tidy_at: None,
    };
    let posted = sequencer.run(Duration::from_millis(args.interval_ms), args.blocks, &stop).await;
    kept.cancel();
    keeping.await??;
    let posted = posted?;
    context.out.line(&event("stopped", json!({ "posted": posted })));
    if !context.out.json {
        context.out.note(&format!("posted {posted} blocks"));
    }
    Ok(())
}

/// A traffic signs with keys of its own accounts, so those must be the rollup's.
fn check_accounts(tracker: &Tracker, traffic: &Traffic) -> Result<()> {
    let differs = tracker.known.values().next().is_some_and(|known| {
        traffic.accounts().iter().enumerate().any(|(index, account)| {
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
    /// The offer under which slots open; empty without one.
    mechanism_data: Bytes,
    domain: [u8; 32],
    tracker: Tracker,
    traffic: Traffic,
    transfers: usize,
    /// The last block posted by this process.
    last: u64,
    /// What it last said that it waits for.
    said: Option<(&'static str, Instant)>,
    /// Since when transactions of the key have not been mined.
    pending_since: Option<Instant>,
    /// When to look for slots that nobody ended.
    tidy_at: Option<Instant>,
}

/// How often a block is built anew at once because the head moved meanwhile.
const REBUILDS: u32 = 3;
/// That it still waits for the same is said again after this long.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// A transaction of the key that is not mined for so long is replaced by the next block.
const STUCK_AFTER: Duration = Duration::from_secs(180);

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
        if self.tidy_at.is_some_and(|at| at <= Instant::now()) {
            self.tidy_at = None;
            self.tidy().await;
        }
        for _ in 0..REBUILDS {
            match self.post().await {
                // What it was built on is no longer the head, or its epoch no longer this one, so it was refused. Look again.
                Err(report) if is_outdated(&report) => {
                    self.context.out.line(&event("outdated", json!({ "reason": report.to_string() })));
                }
                Ok(posted) => return Ok(posted),
                Err(report) => return self.failed(report),
            }
        }
        self.waiting(
            "head",
            "the chain's head moves faster than blocks are built; does another process post with this key?",
        );
        Ok(false)
    }

    /// Whether an error is one that ends it, or one that time or a top-up mends.
    fn failed(&mut self, report: eyre::Report) -> Result<bool> {
        if let Some(error) = report.downcast_ref::<SendError>() {
            if offer_is_over(error) && !self.mechanism_data.is_empty() {
                self.waiting(
                    "offer",
                    &format!("the offer is no longer good ({error}); slots are open to all from here"),
                );
                self.mechanism_data = Bytes::new();
                return Ok(false);
            }
            if let Some(Shortage { of, advice }) = shortage::of(error, &self.record.name) {
                // Fallen blocks tie up funds and room until somebody drops them.
                self.tidy_at.get_or_insert_with(Instant::now);
                self.waiting(of, &advice);
                return Ok(false);
            }
            if error.is_transient() || refused_as(error) == Some(Kind::Busy) {
                self.waiting("chain", &error.to_string());
                return Ok(false);
            }
        }
        match report.downcast_ref::<SeedError>() {
            Some(SeedError::Chain(error)) if !error.is_transient() => return Err(report),
            Some(error) => {
                self.waiting("seed", &error.to_string());
                return Ok(false);
            }
            None => {}
        }
        if report.downcast_ref::<ChainError>().is_some_and(ChainError::is_transient) {
            self.waiting("chain", &report.to_string());
            return Ok(false);
        }
        Err(report)
    }

    fn waiting(&mut self, of: &'static str, reason: &str) {
        if self.said.is_some_and(|(said, at)| said == of && at.elapsed() < SAY_AGAIN) {
            return;
        }
        self.said = Some((of, Instant::now()));
        self.context.out.line(&event("waiting", json!({ "for": of, "reason": reason })));
        self.context.out.warn(&format!("no block this time: {reason}"));
    }

    /// Whether transactions of the key, of this process or another, may still be mined: a block built meanwhile would build on
    /// a head that they move.
    async fn is_unsettled(&mut self) -> Result<bool> {
        let sender = self.session.sender()?;
        let (rpc, me) = (self.session.chain.rpc(), sender.address());
        let count = async |block: BlockId| {
            rpc.provider().get_transaction_count(me).block_id(block).await.map_err(|error| {
                eyre::Report::new(ChainError::Unreachable {
                    url: rpc.name().to_owned(),
                    reason: error.to_string(),
                })
            })
        };
        let waiting = count(BlockId::pending()).await?.saturating_sub(count(BlockId::latest()).await?);
        let pending = sender.status().pending;
        if waiting == 0 && pending == 0 {
            self.pending_since = None;
            return Ok(false);
        }
        let since = *self.pending_since.get_or_insert_with(Instant::now);
        // What this process sent is replaced by the keeper; what another sent is replaced by the next block.
        if pending == 0 && since.elapsed() > STUCK_AFTER {
            return Ok(false);
        }
        self.waiting(
            "pending",
            &format!(
                "{} transactions of {me} are not mined yet, and one may be a block",
                waiting.max(pending)
            ),
        );
        Ok(true)
    }

    async fn post(&mut self) -> Result<bool> {
        if self.is_unsettled().await? {
            return Ok(false);
        }
        let state = self.session.chain.ask(self.record.address, &contract::stateCall {}).await?;
        if state.head < self.last {
            self.context.out.line(&event(
                "dropped",
                json!({ "from": state.head + 1, "to": self.last, "head": state.head }),
            ));
            self.context.out.note(&format!("blocks after {} were dropped; going on from there", state.head));
            self.last = state.head;
            self.tidy_at.get_or_insert_with(|| Instant::now() + tidy::AFTER);
        }
        let fits = |tracker: &Tracker| {
            tracker.known.get(&state.head).is_some_and(|parent| root(&parent.state) == state.headRoot)
        };
        if !fits(&self.tracker) {
            // Another process posts with this key, or the chain was reorganised: read what happened.
            self.tracker =
                Tracker::new(&self.record, U256::from_be_bytes(self.domain), &self.session.events().await?)?;
        }
        let Some(parent) = self.tracker.known.get(&state.head).cloned() else {
            self.waiting("head", "the state after the newest block is not known yet");
            return Ok(false);
        };
        if !parent.sound || root(&parent.state) != state.headRoot {
            self.waiting(
                "head",
                "the newest block claims a wrong root, and will be dropped once that is proven",
            );
            return Ok(false);
        }
        let data = self.traffic.next_block(&parent.state, self.transfers, &self.domain).map_err(|error| {
            fail(Code::Internal, format!("no block can be built on the rollup's state: {error}"))
        })?;
        let claimed = after(&parent.state, &data, &self.tracker.context)?;
        let call = contract::post_block(
            (state.head, state.headRoot),
            Bytes::from(data.clone()),
            root(&claimed),
            &self.terms,
            opening_data(self.session, &self.terms, &self.mechanism_data).await?,
        );
        let call = Call::new("post_block", self.record.address, &call);
        let mined = self.session.send(call).await?;
        self.said = None;
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
            let (opened, until) = (slot.openedAt.to::<u64>(), slot.exclusiveUntil.to::<u64>());
            let whose = match prover {
                Some(prover) => format!("its slot is held by {prover}"),
                // An auction decides, or an offer that is taken.
                None if until > opened => "whose its slot will be is not decided yet".to_owned(),
                None => "its slot is open to all".to_owned(),
            };
            let text = format!(
                "block {} posted, {} transfers, {} gas; {whose}",
                block.number, self.transfers, mined.gas_used
            );
            self.context.out.say(&text);
        }
        Ok(true)
    }
}

/// The block was made for another head than there is now, or another epoch: it claims nothing, because the contracts refused it.
fn is_outdated(report: &eyre::Report) -> bool {
    let name = report.downcast_ref::<SendError>().and_then(SendError::revert_name);
    matches!(name, Some("HeadMoved" | "PremiseMismatch" | "SeedMissing" | "NotSeedBlock"))
}

/// Errors after which no slot can be opened under an offer any more.
fn offer_is_over(error: &SendError) -> bool {
    matches!(refused_as(error), Some(Kind::OfferExpired | Kind::OfferRevoked))
}

/// What the market's mechanism means by an error of its own.
fn refused_as(error: &SendError) -> Option<Kind> {
    refusal(error.revert_name()?).map(|refusal| refusal.kind)
}
