//! The owner of a circuit's requester at work: it asks for proofs, and is told of them.

use std::{path::PathBuf, time::Duration};

use alloy::{
    primitives::{Bytes, U256, keccak256},
    sol,
    sol_types::{SolCall as _, SolEvent as _, SolValue as _},
};
use eyre::{Context as _, Result, eyre};
use provery_bindings::ProofMarket::{SlotOpened, openSlotCall};
use provery_rpc::{Call, Rpc};
use provery_txmgr::{Sender, SenderConfig};
use provery_types::{RollupRecord, Terms};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    args::Args,
    membership::{POLL, root, signer},
    now_ms,
    process::Line,
    stage::{ROLLUP, Stage},
};

sol! {
    /// The part of the requester that is read.
    function nullifiers(uint256 root) external view returns (uint256);
}

/// The requester's owner at work: it asks for a proof every so often.
#[derive(Debug)]
pub(crate) struct Asking {
    task: Option<JoinHandle<Result<()>>>,
}

impl Asking {
    pub(crate) async fn start(
        args: &Args,
        stage: &Stage,
        lines: mpsc::UnboundedSender<Line>,
    ) -> Result<Self> {
        let rpc = Rpc::connect(&stage.anvil.rpc_url).await?;
        let chain = provery_rpc::Chain::connect(rpc.clone(), stage.deployment.clone()).await?;
        let folder = stage.circuit.as_ref().map(|circuit| circuit.folder.clone());
        let requester = Requester {
            terms: chain.terms(stage.rollup.market).await?,
            record: stage.rollup.clone(),
            sender: Sender::new(rpc, signer(&stage.sequencer_key)?, SenderConfig::new(POLL)),
            draws: args.mechanism.draws(),
            offer: stage.offer.as_ref().map(|offer| offer.data.clone()).unwrap_or_default(),
            folder: folder.ok_or_else(|| eyre!("there is no circuit to ask for"))?,
            chain,
        };
        let (slots, interval) = (args.slots, Duration::from_millis(args.interval()));
        let task = tokio::spawn(async move {
            for number in 1..=slots {
                let slot = requester.ask(number).await?;
                let value = json!({ "event": "asked", "slot": slot, "at_ms": now_ms() });
                lines.send(Line { from: ROLLUP.into(), value }).ok();
                tokio::time::sleep(interval).await;
            }
            Ok(())
        });
        Ok(Self { task: Some(task) })
    }

    /// An error if it stopped before it had asked for everything.
    pub(crate) async fn check(&mut self) -> Result<()> {
        if self.task.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(task) = self.task.take()
        {
            task.await?.wrap_err("the requester stopped")?;
        }
        Ok(())
    }
}

struct Requester {
    chain: provery_rpc::Chain,
    record: RollupRecord,
    terms: Terms,
    sender: Sender,
    draws: bool,
    offer: Bytes,
    folder: PathBuf,
}

impl Requester {
    async fn ask(&self, number: u64) -> Result<u64> {
        let root = root(&self.folder, number)?;
        let input = std::fs::read(self.folder.join(format!("input-{number}.json")))?;
        let data = if self.draws {
            self.chain.drawn_opening_data().await.unwrap_or_default()
        } else {
            self.offer.clone()
        };
        let mined = self.sender.send(self.call(root, input.into(), data)).await?;
        let opened = mined.logs.iter().find_map(|log| SlotOpened::decode_log(&log.inner).ok());
        opened
            .map(|event| event.data.slot.id)
            .ok_or_else(|| eyre!("a proof was asked for and no slot opened"))
    }

    /// Its `ask`: the ABI of an outsider's contract is not among ours.
    fn call(&self, root: U256, input: Bytes, data: Bytes) -> Call {
        let opening = openSlotCall::SIGNATURE;
        let terms = opening.find(",(").zip(opening.find(')')).map(|(at, end)| &opening[at + 1..=end]);
        let signature = format!("ask(uint256,{},uint256,bytes,bytes)", terms.unwrap_or_default());
        let arguments = (self.record.market, self.terms.clone(), root, input, data).abi_encode_params();
        Call {
            to: Some(self.record.address),
            data: [&keccak256(signature)[..4], &arguments].concat().into(),
            value: U256::ZERO,
            kind: "ask",
            gas: None,
        }
    }
}

/// Of how many roots the requester was told.
pub(crate) async fn told(chain: &provery_rpc::Chain, stage: &Stage, slots: u64) -> Result<Option<u64>> {
    let Some(circuit) = &stage.circuit else { return Ok(None) };
    let mut told = 0;
    for number in 1..=slots {
        let root = root(&circuit.folder, number)?;
        told += u64::from(!chain.ask(stage.rollup.address, &nullifiersCall { root }).await?.is_zero());
    }
    Ok(Some(told))
}
