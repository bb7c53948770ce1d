//! A sequencer that tries to take honest provers' stake: it claims the root of a tree that only it knows, builds more blocks on
//! that, and has an accomplice with the tree prove what nobody else can. Then it goes on with the true state.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy::{
    primitives::{Address, Bytes, U256},
    signers::local::PrivateKeySigner,
    sol_types::SolEvent,
};
use eyre::{Result, bail, eyre};
use provery_bindings::ProofMarket;
use provery_circuits::{BlockContext, BlockJob, Params, State, Traffic, payload::JobTerms, word};
use provery_indexer::{ChainStatus, Outcome};
use provery_mechanisms::draw;
use provery_rpc::{Call, Rpc};
use provery_txmgr::{Sender, SenderConfig};
use provery_types::{Currency, Slot, SlotExt, Terms};
use provery_workloads::transfer_rollup::{
    backend::{self, BlockBackend},
    contract,
};
use serde::Serialize;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    args::Args,
    hostile_plan::{BEFORE, HIDDEN, MOST_HIDDEN, PATIENCE},
    ledger::{Ledger, Prover},
    process::Line,
    stage::{ACCOMPLICE, Stage},
};

/// Accounts, as `provery rollup create` makes them.
const ACCOUNTS: usize = 64;
const POLL: Duration = Duration::from_millis(50);

/// What it did, by block number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    /// On the true state, and right.
    pub true_blocks: Vec<u64>,
    /// The one with the wrong claim.
    pub lie: u64,
    /// Those that build on the hidden tree.
    pub hidden: Vec<u64>,
    /// Of these, who held them.
    pub holders: BTreeMap<u64, Address>,
    pub accomplice: Address,
    pub bond: U256,
}

/// The part of the summary that tells of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HostileSummary {
    /// By the balances, less `honest_late_wei`.
    pub honest_stake_lost_wei: u128,
    /// Bonds of honest provers that were too slow for a block on the true state, which hid nothing from them.
    pub honest_late_wei: u128,
    pub true_blocks: u64,
    pub true_blocks_proven: u64,
    pub hidden_blocks: u64,
    /// Hidden blocks that honest provers held, and the stake that was bonded for them.
    pub hidden_held: u64,
    pub honest_bonds_wei: u128,
    /// Hidden blocks that the accomplice rescued.
    pub hidden_rescued: u64,
    /// Hidden blocks that became final; none may.
    pub hidden_final: u64,
    /// The last true block is final.
    pub true_state_final: bool,
}

impl Story {
    pub(crate) fn summarise(&self, ledger: &Ledger, before: U256, after: U256) -> HostileSummary {
        let held: Vec<u64> = self
            .holders
            .iter()
            .filter(|(_, holder)| !holder.is_zero() && **holder != self.accomplice)
            .map(|(block, _)| *block)
            .collect();
        let proven = |block: &&u64| ledger.slot(**block).is_some_and(|slot| slot.outcome.payee().is_some());
        let rescued = |block: &&u64| {
            ledger.slot(**block).is_some_and(|slot| slot.outcome.payee() == Some(self.accomplice))
        };
        let late = |block: &&u64| {
            ledger.slot(**block).is_some_and(|slot| {
                let Outcome::Proven { missed_by: Some(holder), .. } = &slot.outcome else { return false };
                *holder != self.accomplice
            })
        };
        let honest_late = self.bond * U256::from(self.true_blocks.iter().filter(late).count());
        let fell =
            |block: &&u64| ledger.slot(**block).is_some_and(|slot| slot.chain_status == ChainStatus::Fallen);
        let hidden_final = self.hidden.len() - self.hidden.iter().filter(fell).count();
        HostileSummary {
            honest_stake_lost_wei: before.saturating_sub(after).saturating_sub(honest_late).saturating_to(),
            honest_late_wei: honest_late.saturating_to(),
            true_blocks: self.true_blocks.len() as u64,
            true_blocks_proven: self.true_blocks.iter().filter(proven).count() as u64,
            hidden_blocks: self.hidden.len() as u64,
            hidden_held: held.len() as u64,
            honest_bonds_wei: (self.bond * U256::from(held.len())).saturating_to(),
            hidden_rescued: held.iter().filter(rescued).count() as u64,
            hidden_final: hidden_final as u64,
            true_state_final: self.true_blocks.last() == Some(&ledger.finalized()),
        }
    }
}

impl HostileSummary {
    /// What must not have happened, or must have; `expected` blocks were to follow the true state in the end.
    pub(crate) fn failures(&self, expected: u64, asset: &Currency) -> Vec<String> {
        let mut failures = Vec::new();
        if self.honest_stake_lost_wei > 0 {
            failures.push(format!(
                "honest provers lost {} of stake",
                asset.show(U256::from(self.honest_stake_lost_wei))
            ));
        }
        if self.true_blocks_proven != self.true_blocks || self.true_blocks < expected {
            failures.push(format!(
                "{} of {} blocks on the true state were proven, of at least {expected}",
                self.true_blocks_proven, self.true_blocks
            ));
        }
        if !self.true_state_final {
            failures.push("the last block on the true state is not final".into());
        }
        if self.hidden_final > 0 {
            failures.push(format!("{} blocks on the hidden tree did not fall", self.hidden_final));
        }
        if self.hidden_held == 0 {
            failures.push("no honest prover was drawn for a block on the hidden tree, so nothing was shown; try another --seed".into());
        }
        failures
    }

    pub(crate) fn text(&self, asset: &Currency) -> String {
        let wei = |amount: u128| asset.show(U256::from(amount));
        let late = if self.honest_late_wei == 0 {
            String::new()
        } else {
            let late = wei(self.honest_late_wei);
            format!(
                "Besides, {late} was slashed for blocks on the true state that honest provers were too slow for on this machine.\n"
            )
        };
        format!(
            "The sequencer claimed a root that only it knew and built {} blocks on it. Honest provers held {} of them with {} in \
             bonds; its accomplice rescued {} of these. Honest stake lost: {}. {} of {} blocks on the true state were proven.\n{late}",
            self.hidden_blocks,
            self.hidden_held,
            wei(self.honest_bonds_wei),
            self.hidden_rescued,
            wei(self.honest_stake_lost_wei),
            self.true_blocks_proven,
            self.true_blocks
        )
    }
}

/// The sequencer at work.
pub(crate) struct Hostile {
    task: Option<JoinHandle<Result<Story>>>,
    story: Option<Story>,
}

impl Hostile {
    pub(crate) async fn start(
        args: &Args,
        stage: &Stage,
        accomplice: &(Prover, String),
        lines: mpsc::UnboundedSender<Line>,
    ) -> Result<Self> {
        let sequencer = Sequencer::new(args, stage, accomplice, lines).await?;
        Ok(Self { task: Some(tokio::spawn(sequencer.run())), story: None })
    }

    /// What it did, once it has done everything.
    pub(crate) async fn ended(&mut self) -> Result<Option<Story>> {
        if self.task.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(task) = self.task.take()
        {
            self.story = Some(task.await??);
        }
        Ok(self.story.clone())
    }
}

/// A posted block: its number, the state it leads to, and the slot as it opened.
struct Posted {
    slot: Slot,
    state: State,
}

struct Sequencer {
    chain: provery_rpc::Chain,
    rollup: Address,
    market: U256,
    terms: Terms,
    sender: Sender,
    prover: Sender,
    backend: std::sync::Arc<BlockBackend>,
    context: BlockContext,
    domain: [u8; 32],
    transfers: usize,
    interval: Duration,
    slots: u64,
    traffic: Traffic,
    /// Whose accounts nobody else knows.
    hidden: Traffic,
    lines: mpsc::UnboundedSender<Line>,
    rescues: Vec<JoinHandle<Result<()>>>,
    story: Story,
}

impl Sequencer {
    async fn new(
        args: &Args,
        stage: &Stage,
        (accomplice, key): &(Prover, String),
        lines: mpsc::UnboundedSender<Line>,
    ) -> Result<Self> {
        let rpc = Rpc::connect(&stage.anvil.rpc_url).await?;
        let chain = provery_rpc::Chain::connect(rpc.clone(), stage.deployment.clone()).await?;
        let sender = |key: &str| -> Result<Sender> {
            let signer: PrivateKeySigner = key.parse().map_err(|_| eyre!("anvil gave a key that is none"))?;
            Ok(Sender::new(rpc.clone(), signer, SenderConfig::new(POLL)))
        };
        let params = Params::new(args.block_txs as usize)?;
        let keys_dir = stage.provery.keys_dir.clone();
        let keys =
            tokio::task::spawn_blocking(move || backend::load_keys(&params, &keys_dir, None)).await??;
        let domain: [u8; 32] = chain.ask(stage.rollup.address, &contract::DOMAINCall {}).await?.to_be_bytes();
        Ok(Self {
            rollup: stage.rollup.address,
            market: stage.rollup.market,
            terms: chain.terms(stage.rollup.market).await?,
            sender: sender(&stage.sequencer_key)?,
            prover: sender(key)?,
            backend: std::sync::Arc::new(BlockBackend::new(keys)),
            context: BlockContext { params, domain: word::reduce(&domain) },
            domain,
            transfers: args.block_txs as usize,
            interval: Duration::from_millis(args.interval()),
            slots: args.slots,
            traffic: Traffic::new(args.seed, ACCOUNTS),
            hidden: Traffic::new(args.seed ^ 0x6869_6464_656e, ACCOUNTS),
            lines,
            rescues: Vec::new(),
            story: Story { accomplice: accomplice.address, bond: U256::from(stage.bond), ..Story::default() },
            chain,
        })
    }

    fn say(&self, event: &str, block: u64) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let value = json!({ "event": event, "slot": block, "at_ms": at });
        self.lines.send(Line { from: "sequencer".into(), value }).ok();
    }

    async fn run(mut self) -> Result<Story> {
        let mut state = State::new(&self.traffic.accounts())?;
        for _ in 0..BEFORE {
            state = self.honest(&state).await?;
        }
        for _ in 0..PATIENCE {
            if self.next_drawn().await? == Some(self.story.accomplice) {
                break;
            }
            state = self.honest(&state).await?;
        }
        let parent = self.head().await?;
        self.attack(&state).await?;
        self.await_fall(parent.0).await?;
        for _ in 0..self.slots {
            state = self.honest(&state).await?;
        }
        // Whatever came too late for the chain is an error of the rescue alone.
        for rescue in std::mem::take(&mut self.rescues) {
            if let Err(error) = rescue.await? {
                let value = json!({ "event": "rescue_failed", "reason": error.to_string() });
                self.lines.send(Line { from: ACCOMPLICE.into(), value }).ok();
            }
        }
        Ok(self.story)
    }

    /// The chain's head and the root it claims.
    async fn head(&self) -> Result<(u64, U256)> {
        let state = self.chain.ask(self.rollup, &contract::stateCall {}).await?;
        Ok((state.head, state.headRoot))
    }

    /// Post a block on the true state; the state after it.
    async fn honest(&mut self, state: &State) -> Result<State> {
        let data = self.traffic.next_block(state, self.transfers, &self.domain)?;
        let after = self.after(state, &data)?;
        let posted = loop {
            if let Some(posted) = self.post(&data, root(&after), after.clone()).await? {
                break posted;
            }
            tokio::time::sleep(POLL).await;
        };
        self.story.true_blocks.push(posted.slot.id);
        self.say("block_posted", posted.slot.id);
        tokio::time::sleep(self.interval).await;
        Ok(posted.state)
    }

    /// A block of honest transfers whose claim is the hidden tree's root, and blocks that build on that.
    async fn attack(&mut self, state: &State) -> Result<()> {
        let mut hidden = State::new(&self.hidden.accounts())?;
        let data = self.traffic.next_block(state, self.transfers, &self.domain)?;
        let lie = self.post(&data, root(&hidden), hidden.clone()).await?;
        let lie = lie.ok_or_else(|| eyre!("the head moved before the attack began"))?;
        self.story.lie = lie.slot.id;
        self.say("lie_posted", lie.slot.id);
        let mut honest = 0;
        for count in 0..MOST_HIDDEN {
            if count >= HIDDEN && honest >= 2 {
                break;
            }
            let data = self.hidden.next_block(&hidden, self.transfers, &self.domain)?;
            let after = self.after(&hidden, &data)?;
            let claimed = root(&after);
            // Nothing if the lie was found out already.
            let Some(posted) = self.post(&data, claimed, after).await? else { break };
            let holder = posted.slot.prover;
            honest += u64::from(!holder.is_zero() && holder != self.story.accomplice);
            self.story.hidden.push(posted.slot.id);
            self.story.holders.insert(posted.slot.id, holder);
            self.say("hidden_block_posted", posted.slot.id);
            self.rescue(&hidden, &data, claimed, posted.slot);
            hidden = posted.state;
        }
        Ok(())
    }

    /// The accomplice proves what only it can, and hands it in as soon as it may.
    fn rescue(&mut self, before: &State, data: &[u8], claimed: U256, slot: Slot) {
        let terms = JobTerms {
            params: self.context.params,
            payee: self.story.accomplice.into_array(),
            domain: self.domain,
            claimed_root: claimed.to_be_bytes(),
        };
        let job = BlockJob::from_state(before, data, &terms);
        let (backend, chain, prover, market_terms) =
            (self.backend.clone(), self.chain.clone(), self.prover.clone(), self.terms.clone());
        let accomplice = self.story.accomplice;
        self.rescues.push(tokio::spawn(async move {
            let job = job?;
            let proof = tokio::task::spawn_blocking(move || backend.prove_job(&job, &())).await??;
            let inputs = proof.public_inputs.iter().map(|word| U256::from_be_bytes(*word)).collect();
            let call = chain.calls().prove(&slot, &market_terms, inputs, proof.proof.into());
            while slot.prover != accomplice
                && chain.rpc().head().await?.timestamp + 1 < slot.exclusive_until()
            {
                tokio::time::sleep(POLL).await;
            }
            // Estimated on the newest block, which may be a second too early.
            for _ in 0..40 {
                match prover.send(call.clone()).await {
                    Err(error) if error.revert_name() == Some("NotAssignedProver") => {
                        tokio::time::sleep(POLL).await
                    }
                    other => return other.map(|_| ()).map_err(Into::into),
                }
            }
            bail!("slot {} was not open in time", slot.id)
        }));
    }

    /// Wait until the wrong claim fell, so that block `parent` is the head again.
    async fn await_fall(&self, parent: u64) -> Result<()> {
        let patience = u64::from(self.terms.expiryWindow);
        let until = self.chain.rpc().head().await?.timestamp + patience;
        while self.head().await?.0 != parent {
            if self.chain.rpc().head().await?.timestamp > until {
                bail!("nobody proved in {patience} s that block {} claims a wrong root", self.story.lie);
            }
            tokio::time::sleep(POLL).await;
        }
        self.say("lie_fell", self.story.lie);
        Ok(())
    }

    fn after(&self, state: &State, data: &[u8]) -> Result<State> {
        let mut state = state.clone();
        state.apply_block(data, &self.context)?;
        Ok(state)
    }

    /// Post a block on the head; nothing if a transaction that waits to be mined moves that.
    async fn post(&self, data: &[u8], claimed: U256, state: State) -> Result<Option<Posted>> {
        let data = Bytes::from(data.to_vec());
        let parent = self.head().await?;
        // What brings the epoch's seed in; nothing if it is there.
        let opening = self.chain.drawn_opening_data().await.unwrap_or_default();
        let call = contract::post_block(parent, data, claimed, &self.terms, opening);
        let call = Call::new("post_block", self.rollup, &call);
        let mined = match self.sender.send(call).await {
            Err(error) if matches!(error.revert_name(), Some("HeadMoved" | "PremiseMismatch")) => {
                return Ok(None);
            }
            mined => mined?,
        };
        let opened = mined.logs.iter().find_map(|log| ProofMarket::SlotOpened::decode_log(&log.inner).ok());
        let opened = opened.ok_or_else(|| eyre!("a block was posted and no slot opened"))?;
        Ok(Some(Posted { slot: opened.data.slot, state }))
    }

    /// Who would hold the next slot if it opened now; nobody knows before the epoch has its seed.
    async fn next_drawn(&self) -> Result<Option<Address>> {
        let (epoch, seed) = self.chain.seed().await?;
        if epoch != self.chain.epoch().await? {
            return Ok(None);
        }
        let slot = self.chain.market(self.market).await?.slots + 1;
        for attempt in 0..self.chain.max_draws().await? {
            let random = draw::random(seed, self.market, slot, attempt);
            let registry = self.chain.registry_contract();
            let drawn =
                registry.draw(self.market, random, self.story.bond, self.terms.version).call().await?;
            if drawn.eligible {
                return Ok(Some(drawn.prover));
            }
        }
        Ok(None)
    }
}

fn root(state: &State) -> U256 {
    U256::from_be_bytes(state.root_word())
}
