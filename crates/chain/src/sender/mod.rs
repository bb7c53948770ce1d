//! Transactions: one nonce owner for a key. Signed here, sent raw, and followed until their receipt's block is canonical.

mod broadcast;
mod error;

use std::{sync::Arc, time::Duration};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, U256},
    providers::Provider,
    rpc::types::{Log, TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
    transports::{RpcError, TransportError},
};
use provery_bindings::{DecodedError, decode_revert};
use provery_types::BlockRef;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

pub use error::SendError;

use crate::{Call, Chain, ChainError, Rpc};
use broadcast::Attempt;

/// How a sender sends.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// Time between two looks for a receipt.
    pub poll: Duration,
    /// Blocks on top of the receipt's before it counts.
    pub confirmations: u64,
    /// A transaction that was not mined in this time is sent again with higher fees.
    pub bump_after: Duration,
    /// A transaction that was not mined in this time is given up.
    pub give_up_after: Duration,
    /// Most gas for one transaction.
    pub max_gas: u64,
}

/// What a call may cost more than its estimate if an epoch begins in between: seeding it, and a fresh version of every
/// tree node that the call changes.
const NEXT_EPOCH_GAS: u64 = 150_000;

impl SenderConfig {
    pub fn new(poll: Duration) -> Self {
        Self {
            poll,
            confirmations: 0,
            bump_after: Duration::from_secs(45),
            give_up_after: Duration::from_secs(300),
            max_gas: 1 << 24,
        }
    }
}

/// A transaction that was mined and did what it should.
#[derive(Clone, Debug)]
pub struct Mined {
    pub kind: &'static str,
    pub tx_hash: B256,
    pub block: BlockRef,
    pub gas_used: u64,
    /// Wei a unit of gas.
    pub gas_price: u128,
    /// The contract it deployed.
    pub contract: Option<Address>,
    pub logs: Vec<Log>,
}

/// The one owner of a key's nonces. Clones share it.
#[derive(Clone, Debug)]
pub struct Sender {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rpc: Rpc,
    signer: PrivateKeySigner,
    config: SenderConfig,
    /// The next nonce; None until it is (again) read from the node.
    nonce: Mutex<Option<u64>>,
}

impl Sender {
    pub fn new(rpc: Rpc, signer: PrivateKeySigner, config: SenderConfig) -> Self {
        Self { inner: Arc::new(Inner { rpc, signer, config, nonce: Mutex::new(None) }) }
    }

    pub fn address(&self) -> Address {
        self.inner.signer.address()
    }

    pub fn rpc(&self) -> &Rpc {
        &self.inner.rpc
    }

    /// What the call would fail with now, at no cost: its gas, or the named error.
    pub async fn check(&self, call: &Call) -> Result<u64, SendError> {
        let inner = &self.inner;
        let most = inner.config.max_gas;
        let needed = match inner.rpc.provider().estimate_gas(inner.request(call)).await {
            Ok(gas) => gas,
            Err(error) => return Err(inner.refused(call, error).await),
        };
        if needed > most {
            return Err(SendError::GasTooHigh { kind: call.kind, needed, limit: most });
        }
        Ok(most.min(needed + needed / 5 + NEXT_EPOCH_GAS))
    }

    /// Send a call and wait until it is mined in a canonical block.
    pub async fn send(&self, call: Call) -> Result<Mined, SendError> {
        let gas = match call.gas {
            Some(gas) => gas,
            None => self.check(&call).await?,
        };
        let attempt = self.inner.broadcast(&call, gas).await?;
        tracing::debug!(kind = call.kind, nonce = attempt.nonce, tx = %attempt.newest(), "transaction sent");
        let mined = self.inner.wait(&call, attempt).await;
        if !matches!(mined, Ok(_) | Err(SendError::Reverted { .. })) {
            // Where the nonce stands is no longer known: ask before the next transaction.
            *self.inner.nonce.lock().await = None;
        }
        mined
    }

    /// Deploy a contract.
    pub async fn deploy(&self, bytecode: &[u8], args: &[u8]) -> Result<(Address, Mined), SendError> {
        let mined = self.send(Call::deploy(bytecode, args)).await?;
        match mined.contract {
            Some(contract) => Ok((contract, mined)),
            None => Err(SendError::Rpc(self.inner.senseless("a deployment's receipt names no contract"))),
        }
    }

    /// Stake asset wei, with the allowance it needs.
    pub async fn stake(&self, chain: &Chain, amount: U256) -> Result<Mined, SendError> {
        self.allow(chain, "stake", chain.deployment().registry(), amount).await?;
        self.send(chain.calls().stake(amount)).await
    }

    /// Fund a market, with the allowance it needs.
    pub async fn fund(&self, chain: &Chain, market: U256, amount: U256) -> Result<Mined, SendError> {
        chain.market(market).await?;
        self.allow(chain, "fund", chain.deployment().market(), amount).await?;
        self.send(chain.calls().fund(market, amount)).await
    }

    /// Deposit asset wei in a mechanism's escrow, for the bonds of this key's bids, with the allowance it needs.
    pub async fn deposit(&self, chain: &Chain, mechanism: Address, amount: U256) -> Result<Mined, SendError> {
        self.allow(chain, "deposit", mechanism, amount).await?;
        self.send(chain.calls().deposit(mechanism, amount)).await
    }

    /// Delegate asset wei to a pool, with the allowance it needs. Ask [`Chain::is_pool`] first: an allowance is trust.
    pub async fn delegate(&self, chain: &Chain, pool: Address, amount: U256) -> Result<Mined, SendError> {
        self.allow(chain, "pool_delegate", pool, amount).await?;
        self.send(chain.calls().pool(pool).delegate(amount)).await
    }

    /// Add asset wei to a pool's own stake of its operator, which is this key, with the allowance it needs.
    pub async fn stake_own(&self, chain: &Chain, pool: Address, amount: U256) -> Result<Mined, SendError> {
        self.allow(chain, "pool_stake", pool, amount).await?;
        self.send(chain.calls().pool(pool).stake_own(amount)).await
    }

    async fn allow(
        &self,
        chain: &Chain,
        kind: &'static str,
        spender: Address,
        needed: U256,
    ) -> Result<(), SendError> {
        let account = self.address();
        let balance = chain.asset_balance(account).await?;
        if balance < needed {
            return Err(SendError::AssetUnderfunded { kind, account, balance, needed });
        }
        if chain.asset_allowance(account, spender).await? < needed {
            self.send(chain.calls().approve(spender, needed)).await?;
        }
        Ok(())
    }
}

impl Inner {
    fn request(&self, call: &Call) -> TransactionRequest {
        let request = TransactionRequest::default()
            .with_from(self.signer.address())
            .with_input(call.data.clone())
            .with_value(call.value);
        match call.to {
            Some(to) => request.with_to(to),
            None => request.into_create(),
        }
    }

    /// Poll until one of the attempt's transactions has a receipt in a canonical block.
    async fn wait(&self, call: &Call, mut attempt: Attempt) -> Result<Mined, SendError> {
        let started = Instant::now();
        let mut bump_at = started + self.config.bump_after;
        loop {
            let failure = match self.settled(&attempt).await {
                Ok(Some((receipt, block))) => return self.mined(call, receipt, block).await,
                Ok(None) => None,
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, kind = call.kind, "looking for a receipt failed");
                    Some(error)
                }
                Err(error) => return Err(error.into()),
            };
            if started.elapsed() >= self.config.give_up_after {
                return Err(match failure {
                    Some(error) => error.into(),
                    None if self.nonce_taken(&attempt).await? => SendError::NonceTaken {
                        kind: call.kind,
                        account: self.signer.address(),
                        nonce: attempt.nonce,
                    },
                    None => SendError::TimedOut {
                        kind: call.kind,
                        seconds: started.elapsed().as_secs(),
                        tx_hash: attempt.newest(),
                    },
                });
            }
            if Instant::now() >= bump_at {
                bump_at = Instant::now() + self.config.bump_after;
                self.bump(call, &mut attempt).await;
            }
            sleep(self.config.poll).await;
        }
    }

    /// The receipt of one of the attempt's transactions, once its block is canonical and deep enough.
    async fn settled(&self, attempt: &Attempt) -> Result<Option<(TransactionReceipt, BlockRef)>, ChainError> {
        for hash in &attempt.hashes {
            let receipt = self.rpc.provider().get_transaction_receipt(*hash).await;
            let Some(receipt) =
                receipt.map_err(|error| self.rpc.error("eth_getTransactionReceipt", error))?
            else {
                continue;
            };
            let (Some(number), Some(block_hash)) = (receipt.block_number, receipt.block_hash) else {
                continue;
            };
            let Some(block) = self.rpc.block(number).await?.filter(|block| block.hash == block_hash) else {
                continue;
            };
            if self.config.confirmations == 0
                || self.rpc.head().await?.number >= number + self.config.confirmations
            {
                return Ok(Some((receipt, block)));
            }
        }
        Ok(None)
    }

    async fn mined(
        &self,
        call: &Call,
        receipt: TransactionReceipt,
        block: BlockRef,
    ) -> Result<Mined, SendError> {
        if !receipt.status() {
            let error = self.replay(call, block).await;
            return Err(SendError::reverted(call.kind, error, Some(receipt.transaction_hash)));
        }
        Ok(Mined {
            kind: call.kind,
            tx_hash: receipt.transaction_hash,
            block,
            gas_used: receipt.gas_used,
            gas_price: receipt.effective_gas_price,
            contract: receipt.contract_address,
            logs: receipt.inner.logs().to_vec(),
        })
    }

    /// Why a mined transaction failed: what it fails with on top of its block, which holds whatever came before it.
    async fn replay(&self, call: &Call, block: BlockRef) -> DecodedError {
        let answer = self.rpc.provider().call(self.request(call)).block(block.number.into()).await;
        let unnamed = || DecodedError { name: "Reverted".to_string(), args: Vec::new() };
        match answer {
            Err(RpcError::ErrorResp(payload)) => {
                payload.as_revert_data().and_then(|data| decode_revert(&data)).unwrap_or_else(unnamed)
            }
            _ => unnamed(),
        }
    }

    /// An error answer to a call or to a transaction, named by what it was rather than by its words.
    async fn refused(&self, call: &Call, error: TransportError) -> SendError {
        let RpcError::ErrorResp(payload) = error else {
            return self.rpc.error("eth_estimateGas", error).into();
        };
        if let Some(data) = payload.as_revert_data() {
            let unnamed = || DecodedError {
                name: "Reverted".to_string(),
                args: if data.is_empty() { Vec::new() } else { vec![("data".to_string(), data.to_string())] },
            };
            return SendError::reverted(call.kind, decode_revert(&data).unwrap_or_else(unnamed), None);
        }
        match self.rpc.balance(self.signer.address()).await {
            Ok(balance) if balance < call.value => SendError::Underfunded {
                kind: call.kind,
                account: self.signer.address(),
                balance,
                needed: call.value,
            },
            _ => SendError::Rejected {
                kind: call.kind,
                code: payload.code,
                message: payload.message.into_owned(),
            },
        }
    }

    fn senseless(&self, reason: &str) -> ChainError {
        ChainError::Inconsistent {
            url: self.rpc.name().to_string(),
            method: "eth_getTransactionReceipt",
            reason: reason.to_string(),
        }
    }
}
