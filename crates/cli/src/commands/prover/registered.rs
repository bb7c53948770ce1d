//! Whether the account that signs is a prover.

use alloy::primitives::Address;
use eyre::Result;

use crate::{
    error::{Code, fail},
    session::Session,
};

pub(super) async fn require_registered(session: &Session) -> Result<Address> {
    let me = session.me()?;
    if session.chain.prover(me).await?.id == 0 {
        return Err(fail(
            Code::NotRegistered,
            format!("{me} is not a prover yet; run `provery prover register` first"),
        ));
    }
    Ok(me)
}
