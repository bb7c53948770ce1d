//! Proving keys of a deployment's rollups, as backends.

use std::{ops::RangeInclusive, path::Path, sync::Arc};

use alloy::primitives::U256;
use eyre::Result;
use provery_proving::ProofBackend;
use provery_types::{RollupRecord, Terms};
use provery_worker::external::{External, Subject};
use provery_workloads::{Circuit, Refusal, Witnesses, Workloads};

use crate::{
    config::{self, external::ExternalValues},
    error::{Code, fail},
    session::{Session, patiently},
};

/// The backend for a rollup's circuit; its keys must be those that the chain knows.
pub(crate) fn load(rollup: &RollupRecord, dir: &Path) -> Result<Arc<dyn ProofBackend>> {
    let workloads = Workloads::default();
    workloads.knows(rollup)?;
    Ok(workloads.prover(&rollup.circuit, dir, Some(&rollup.key_hash.0))?)
}

/// The backend for a rollup's circuit whose proofs the configured program or service makes; they are checked here, by the key that
/// the chain knows.
pub(crate) fn external(
    rollup: &RollupRecord,
    dir: &Path,
    values: &ExternalValues,
) -> Result<Arc<dyn ProofBackend>> {
    let workloads = Workloads::default();
    workloads.knows(rollup)?;
    let (circuit, hash) = (&rollup.circuit, Some(&rollup.key_hash.0));
    let subject = match workloads.witness(circuit, dir, hash)? {
        Some(Witnesses { backend, zkey }) => Subject::Circom { backend, zkey },
        None => {
            Subject::Checked { circuit: circuit.clone(), verifier: workloads.verifier(circuit, dir, hash)? }
        }
    };
    let external = External::new(subject, values.prover()?, values.time());
    Ok(Arc::new(external.map_err(|error| fail(Code::Config, error.to_string()))?))
}

/// Whether a rollup is what this program proves: see [`provery_node::vet`].
pub(crate) async fn vet(session: &Session, rollup: &RollupRecord) -> Result<Result<(), Refusal>> {
    let workloads = Workloads::default();
    Ok(patiently(|| provery_node::vet(&session.chain, &workloads, rollup)).await?)
}

/// The record of a market whose slots this program proves under each of these terms. If all that there are of the market are
/// refused, why the first is; nothing if there is none.
pub(crate) async fn fit<'a>(
    session: &'a Session,
    market: U256,
    terms: &[Terms],
) -> Result<Option<&'a RollupRecord>> {
    let workloads = Workloads::default().with_keys(&config::keys_dir(None));
    let mut refused = None;
    for record in session.deployment().rollups.iter().filter(|record| record.market == market) {
        let vetted = vet(session, record).await?;
        match vetted.and_then(|()| terms.iter().try_for_each(|terms| workloads.vet_terms(record, terms))) {
            Ok(()) => return Ok(Some(record)),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    refused.map_or(Ok(None), |refusal| Err(refusal.into()))
}

/// Before stake answers for slots of a market under these versions of its terms: refuse what cannot be proven here. Of a market that
/// the deployment file knows nothing of, nothing is refused.
pub(crate) async fn require(session: &Session, market: U256, versions: &RangeInclusive<u32>) -> Result<()> {
    if session.deployment().rollup_of_market(market).is_none() {
        return Ok(());
    }
    let told = patiently(|| session.chain.terms_record(market)).await?;
    let mut terms = vec![patiently(|| session.chain.terms(market)).await?];
    if let Some((announced, _)) = told.announced {
        terms.push(patiently(|| session.chain.terms_of(market, announced)).await?);
    }
    terms.retain(|terms| versions.contains(&terms.version));
    fit(session, market, &terms).await.map(|_| ())
}

/// The command that measures a proof for a market's slots.
pub(crate) fn how_to_measure(session: &Session, market: U256) -> String {
    let record = session.deployment().rollup_of_market(market);
    let circuit = record.and_then(|record| Workloads::default().circuit(&record.circuit));
    circuit.map_or_else(|| "provery calibrate".to_owned(), |circuit| circuit.how_to_measure())
}

/// The circuit that is called so on the command line.
pub(crate) fn circuit(name: &str) -> Result<Arc<dyn Circuit>> {
    Workloads::default().circuit(name).ok_or_else(|| {
        fail(
            Code::Usage,
            format!(
                "--circuit: no workload is proven with `{name}`; circuits are called as in deployment files, such as {}",
                Workloads::default().example()
            ),
        )
    })
}
