//! Whether a market's circuit may be used on this chain.

use eyre::Result;
use provery_types::Terms;

use crate::{
    error::{Code, fail},
    session::Session,
};

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
