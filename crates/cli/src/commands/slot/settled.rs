//! What a slot was settled by: the public inputs and the proof, out of the transaction that brought them.

use alloy::{
    primitives::{B256, U256},
    sol_types::SolCall as _,
};
use eyre::Result;
use provery_bindings::ProofMarket::proveCall;
use provery_indexer::{Outcome, SlotRecord};
use provery_types::Terms;

use crate::{
    error::{Code, fail},
    session::Session,
};

/// The call in the transaction that proved a slot.
pub(super) async fn call(session: &Session, tx: B256) -> Result<proveCall> {
    let sent = session.chain.rpc().transaction(tx).await.ok_or_else(|| {
        fail(
            Code::RpcRejected,
            format!("no endpoint has transaction {tx}, which proved the slot; ask one that keeps them"),
        )
    })?;
    let (_, to, data) = sent;
    // What looks like a proof in a call of another contract need not be what that gave the market.
    let direct = to == Some(session.deployment().market());
    direct.then(|| proveCall::abi_decode(&data).ok()).flatten().ok_or_else(|| {
        fail(
            Code::NotReady,
            format!("transaction {tx} called the market through another contract, so the proof is not in its own data"),
        )
    })
}

/// The outputs of a slot that was proven, as far as its transaction tells: nothing of one that went through another contract.
pub(super) async fn outputs(
    session: &Session,
    record: &SlotRecord,
    terms: Option<&Terms>,
) -> Option<Vec<U256>> {
    let (Outcome::Proven { tx, .. }, Some(terms)) = (&record.outcome, terms) else { return None };
    if terms.outputs == 0 {
        return Some(Vec::new());
    }
    let call = call(session, *tx).await.ok()?;
    told(&record.statement_inputs, &call.publicInputs, terms.outputs.into())
}

/// Those of these public inputs that come after the statement's.
fn told(statement: &[U256], public_inputs: &[U256], outputs: usize) -> Option<Vec<U256>> {
    // Another slot's proof in the same transaction's data would be a fault of ours, not to be shown as this one's.
    let rest = public_inputs.strip_prefix(statement)?;
    Some(rest.get(..outputs)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_after_the_statement_they_belong_to() {
        let words = |numbers: &[u64]| numbers.iter().map(|it| U256::from(*it)).collect::<Vec<_>>();
        assert_eq!(told(&words(&[1, 2]), &words(&[1, 2, 7, 8, 9]), 2), Some(words(&[7, 8])));
        assert_eq!(told(&words(&[1, 3]), &words(&[1, 2, 7, 8, 9]), 2), None, "another statement");
        assert_eq!(told(&words(&[1]), &words(&[1, 7]), 2), None, "too few");
    }
}
