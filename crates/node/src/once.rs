//! One slot, by hand: proven and delivered whatever assigned it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Address, B256, U256};
use provery_descriptor::Fetcher;
use provery_proving::{Phase, Progress, ProofBackend};
use provery_rpc::{Chain, history};
use provery_txmgr::{Mined, Sender};
use provery_types::{CircuitTerms, Event, SlotKey, SlotState, proof_commitment, terms_hash};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    error::NodeError,
    facts::{Ending, Facts},
    inputs::Inputs,
};

/// Before the chain is asked again for a new block.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A slot that was proven by hand.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The transaction that delivered it.
    pub mined: Mined,
    /// How long each phase of the proof took.
    pub timings: Vec<(Phase, Duration)>,
    /// Asset wei from the escrow.
    pub reward: U256,
    /// Asset wei from the bond that was slashed; 0 if this was no rescue.
    pub premium: U256,
    /// Whose bond was slashed.
    pub missed_by: Option<Address>,
    /// Whether what the requester claims is right.
    pub claim_correct: bool,
}

/// What one slot is proven with.
#[derive(Clone)]
pub struct Means {
    /// One of them is the circuit's.
    pub backends: Vec<Arc<dyn ProofBackend>>,
    /// Asks servers for inputs that are not on the chain.
    pub fetcher: Fetcher,
    /// Where what they have is put.
    pub inputs: Inputs,
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

/// Prove one slot and deliver the proof, paying `payee`. Reads the chain's history and keeps nothing. `on_phase` is told
/// of each phase as it begins.
pub async fn prove_one(
    chain: &Chain,
    sender: &Sender,
    means: &Means,
    payee: Address,
    key: SlotKey,
    on_phase: Arc<dyn Fn(Phase) + Send + Sync>,
    cancel: CancellationToken,
) -> Result<Delivered, NodeError> {
    // Fails at once, and by name, if there is no such market.
    chain.market(key.market).await?;
    let head = chain.rpc().head().await?;
    let mut facts = Facts::new(chain.deployment());
    for logged in &history(chain, chain.deployment().block, head.number).await? {
        facts.apply(logged);
    }
    let fact = facts.slot(key).cloned().ok_or(NodeError::SlotNotFound(key))?;
    if let Some(ended) = &fact.ended {
        let state = match ended.how {
            Ending::Proven { .. } => SlotState::Proven,
            Ending::Expired => SlotState::Expired,
            Ending::Cancelled => SlotState::Cancelled,
            Ending::Dropped { .. } => SlotState::Dropped,
        };
        return Err(NodeError::SlotEnded { key, state });
    }
    let terms = facts.terms(fact.terms_hash).cloned().ok_or(NodeError::TermsNotFound(key))?;
    debug_assert_eq!(terms_hash(&terms), fact.terms_hash);
    if head.timestamp >= provery_mechanisms::view::expires_at(&fact.slot, &terms) {
        return Err(NodeError::SlotOver { key });
    }
    let until = fact.slot.exclusiveUntil.to::<u64>();
    if head.timestamp < until && fact.slot.prover != payee {
        let holder = if fact.slot.prover.is_zero() {
            "its mechanism".to_owned()
        } else {
            fact.slot.prover.to_string()
        };
        return Err(NodeError::SlotHeld { key, holder, until });
    }
    let needs = facts.needs(key);
    for artifact in &needs.linked {
        match means.fetcher.file(artifact, means.inputs.store()).await {
            Err(error) if needs.only_linked => warn!(%error, "input not fetched"),
            _ => {}
        }
    }
    let job = facts.job(key, payee, &means.inputs)?;
    let claim_correct = job.claim_correct;
    let backend = means.backends.iter().find(|backend| backend.circuit() == job.circuit).cloned();
    let backend = backend.ok_or_else(|| NodeError::NoBackend { circuit: job.circuit.clone() })?;
    info!(market = %key.market, slot = key.id, claim_correct, "proof started");
    let watched = Watched { stop: Arc::new(AtomicBool::new(false)), on_phase };
    let stop = watched.stop.clone();
    let mut proof = tokio::task::spawn_blocking(move || backend.prove(&job.bytes, &watched));
    let output = tokio::select! {
        output = &mut proof => output,
        () = cancel.cancelled() => {
            stop.store(true, Ordering::Relaxed);
            return Err(NodeError::Stopped);
        }
    };
    let output = output.map_err(|_| NodeError::Stopped)??;
    let now = chain.rpc().head().await?.timestamp;
    let circuit = CircuitTerms::read(&terms);
    let own = fact.slot.prover == payee && circuit.in_time(now, until);
    if !circuit.payee_bound() && !own {
        commit(chain, sender, (key, payee), circuit, &output.proof, &cancel).await?;
    }
    let inputs = output.public_inputs.iter().map(|word| U256::from_be_bytes(*word)).collect();
    let call = chain.calls().prove(&fact.slot, &terms, inputs, output.proof.into());
    let mined = sender.send(call).await?;
    let (mut reward, mut premium, mut missed) = (U256::ZERO, U256::ZERO, None);
    for logged in &history(chain, mined.block.number, mined.block.number).await? {
        if let Event::SlotProven { market, id, reward: paid, premium: extra, missed_by, .. } = &logged.event
            && (*market, *id) == (key.market, key.id)
        {
            (reward, premium, missed) = (*paid, *extra, *missed_by);
        }
    }
    Ok(Delivered { mined, timings: output.timings, reward, premium, missed_by: missed, claim_correct })
}

struct Watched {
    stop: Arc<AtomicBool>,
    on_phase: Arc<dyn Fn(Phase) + Send + Sync>,
}

impl Progress for Watched {
    fn phase(&self, phase: Phase) {
        info!(phase = phase.as_str(), "proving");
        (self.on_phase)(phase);
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Commit to a proof that does not bind its payee, and wait until it may be shown: whoever saw it now could send it for another.
async fn commit(
    chain: &Chain,
    sender: &Sender,
    (key, payee): (SlotKey, Address),
    circuit: CircuitTerms,
    proof: &[u8],
    cancel: &CancellationToken,
) -> Result<(), NodeError> {
    // A proof without a salt is refused by name where it is sent.
    let Some((salt, bare)) = proof.split_first_chunk::<32>() else { return Ok(()) };
    let commitment = proof_commitment(bare, payee, key.market, key.id, B256::from(*salt));
    let mined = sender.send(chain.calls().commit_proof(commitment)).await?;
    let from = mined.block.number + u64::from(circuit.reveal_delay);
    info!(market = %key.market, slot = key.id, block = from, "proof committed to; it may be shown from this block on");
    while chain.rpc().head().await?.number + 1 < from {
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = cancel.cancelled() => return Err(NodeError::Stopped),
        }
    }
    Ok(())
}
