//! Calls whose words are another's: bytes go out, bytes come back.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    providers::Provider,
    rpc::types::TransactionRequest,
};

use crate::{Chain, ChainError};

impl Chain {
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
