//! Whether a market's circuit may be used on this chain.

use alloy::primitives::U256;
use eyre::Result;
use provery_bindings::Circuit;
use provery_types::{CircuitTerms, Terms};

use crate::{
    error::{Code, fail},
    session::Session,
};

/// Blocks that a proof is committed to before it is shown, unless it is said: longer than one or two producers of blocks in a row
/// could keep a transaction out.
const REVEAL_DELAY: u16 = 7;

/// What a circuit adds to the terms of its markets.
pub(super) fn terms_of(registered: &Circuit, reveal_delay: Option<u16>) -> Result<U256> {
    if registered.payeeBound && reveal_delay.is_some_and(|delay| delay != 0) {
        return Err(fail(
            Code::Usage,
            "--reveal-delay is for circuits that do not bind the payee, and this one does; leave it out",
        ));
    }
    let delay = reveal_delay.unwrap_or(REVEAL_DELAY);
    if !registered.payeeBound && delay < CircuitTerms::MIN_REVEAL_DELAY {
        return Err(fail(
            Code::Usage,
            "the circuit does not bind the payee, so --reveal-delay must be at least 2 blocks; give more, or leave it out",
        ));
    }
    Ok(CircuitTerms::of(registered, delay).word())
}

/// Whether some statement is left beside outputs and payee: slots of other terms would be ones that nobody can prove.
pub(crate) fn stated(registered: &Circuit, outputs: u8) -> Result<usize> {
    let inputs = registered.inputs as usize;
    let tail = usize::from(outputs) + usize::from(registered.payeeBound);
    inputs.checked_sub(tail).filter(|stated| *stated > 0).ok_or_else(|| {
        fail(
            Code::TermsRejected,
            format!(
                "the circuit has {inputs} public inputs, too few for {outputs} outputs{} and a statement; correct --outputs",
                if registered.payeeBound { ", a payee" } else { "" }
            ),
        )
    })
}

pub(super) async fn refuse_development_circuit(session: &Session, terms: &Terms) -> Result<()> {
    if session.chain.circuit(terms.circuit).await?.development && !session.chain.rpc().is_development() {
        return Err(fail(
            Code::DevelopmentKey,
            format!(
                "circuit {} has a development key, whose secrets are known, and chain {} is not a \
                 development chain; use a circuit with a key from a ceremony",
                terms.circuit,
                session.chain.rpc().chain_id()
            ),
        ));
    }
    Ok(())
}
