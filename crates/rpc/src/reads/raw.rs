//! Calls whose words are another's.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};

use crate::{Chain, ChainError};

impl Chain {
    /// What a function of the contract at `to` answers, as of the newest block.
    pub async fn ask<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, ChainError> {
        let method = C::SIGNATURE.split('(').next().unwrap_or(C::SIGNATURE);
        let answer = self.raw_call(to, call.abi_encode().into(), None, method).await?;
        C::abi_decode_returns(&answer).map_err(|error| self.senseless(method, error.to_string()))
    }

    /// What the contract at `to` answers to `data`, as of the block with this hash, or the newest. `method` is for errors.
    pub async fn raw_call(
        &self,
        to: Address,
        data: Bytes,
        block: Option<B256>,
        method: &'static str,
    ) -> Result<Bytes, ChainError> {
        let request = TransactionRequest::default().to(to).input(data.into());
        let at = block.map_or(BlockId::latest(), BlockId::hash);
        let answer = self.rpc().provider().call(request).block(at).await;
        answer.map_err(|error| ChainError::rpc(self.rpc().name(), method, error))
    }
}
