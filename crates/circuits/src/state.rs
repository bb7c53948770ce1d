//! The state machine the circuit mirrors: accounts, genesis, and what a block does.

use crate::{
    Fr, Params,
    account::Account,
    block::{Block, BlockTooLong, SignedTransfer, chunks},
    keys::PublicKey,
    layout::RECORD_BYTES,
    tree::{CAPACITY, MissingAccount, Siblings, Tree, TreeError},
    word::{self, Word},
};

/// Bytes of an account in the genesis data: key.x and key.y (32 each), balance (8), big-endian.
pub const GENESIS_RECORD_BYTES: usize = 72;

/// All accounts at one point of the rollup's history. Cloning is cheap ([`crate::tree`]).
#[derive(Clone, Debug, Default)]
pub struct State {
    tree: Tree,
}

/// What a block is applied with, apart from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// The circuit's size.
    pub params: Params,
    /// What transfers are signed for: one value a rollup, so that a transfer can't be replayed on another.
    pub domain: Fr,
}

/// A block applied: the result, and all the circuit needs beside the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTrace {
    /// Root before the block.
    pub old_root: Fr,
    /// Root after the block.
    pub new_root: Fr,
    /// The nodes [`Params::top_levels`] below the old root, from left to right.
    pub top: Vec<Fr>,
    /// The bytes as field elements ([`chunks`]).
    pub chunks: Vec<Fr>,
    /// One for each record the circuit has room for.
    pub transfers: Vec<TransferTrace>,
    /// The account that receives the fees, as it stands after the transfers.
    pub fee_account: AccountWitness,
    /// Fees of the applied transfers.
    pub fees: u64,
    /// Whether the fees were credited. They are burned if the fee account's index is 2¹⁶ or more, if the account does
    /// not exist, or if its balance would not fit in 64 bits.
    pub fees_credited: bool,
}

/// A record applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferTrace {
    /// The account at the low 16 bits of `from`, before the transfer.
    pub from: AccountWitness,
    /// The account at the low 16 bits of `to`, after the sender was debited and before the receiver was credited.
    pub to: AccountWitness,
    /// What became of the record.
    pub outcome: TransferOutcome,
}

/// An account with its path at some moment of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountWitness {
    /// The account.
    pub account: Account,
    /// Nodes beside its path. The circuit uses those below [`BlockTrace::top`].
    pub siblings: Siblings,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The record is all zeros: the block has no transfer here.
    Absent,
    /// The transfer took place.
    Applied,
    /// The transfer did nothing.
    Rejected(RejectReason),
}

/// Why a transfer did nothing: the first in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RejectReason {
    /// An index is 2¹⁶ or more.
    #[error("account index out of range")]
    IndexOutOfRange,
    /// Sender and receiver are the same account.
    #[error("sender and receiver are the same")]
    SelfTransfer,
    /// The sender's account does not exist.
    #[error("unknown sender")]
    UnknownSender,
    /// The receiver's account does not exist.
    #[error("unknown receiver")]
    UnknownReceiver,
    /// The nonce is not the sender's.
    #[error("wrong nonce")]
    WrongNonce,
    /// The sender's nonce is the last of 64 bits.
    #[error("nonce exhausted")]
    NonceExhausted,
    /// The sender has less than amount and fee.
    #[error("insufficient balance")]
    InsufficientBalance,
    /// The receiver's balance would not fit in 64 bits.
    #[error("receiver's balance would overflow")]
    BalanceOverflow,
    /// The signature does not verify ([`PublicKey::verify`]).
    #[error("invalid signature")]
    InvalidSignature,
}

/// Why a block could not be applied. The block's content is never the reason: any bytes that fit can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The circuit has no room for it.
    #[error(transparent)]
    TooLong(#[from] BlockTooLong),
    /// The state is partial and lacks an account the block touches.
    #[error(transparent)]
    Missing(#[from] MissingAccount),
}

/// Bytes that are not a genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not a whole number of records.
    #[error("genesis data of {0} bytes are not a whole number of {GENESIS_RECORD_BYTES}-byte records")]
    Length(usize),
    /// More accounts than the tree has room for.
    #[error("genesis has {0} accounts, more than {CAPACITY}")]
    TooMany(usize),
    /// A coordinate that is not below the field's modulus.
    #[error("the key of genesis account {0} is not below the field's modulus")]
    NotCanonical(usize),
}

impl State {
    /// A state with `accounts` at indices 0, 1, 2, …
    pub fn new(accounts: &[Account]) -> Result<Self, GenesisError> {
        if accounts.len() > CAPACITY {
            return Err(GenesisError::TooMany(accounts.len()));
        }
        Ok(Self { tree: Tree::new(accounts) })
    }

    /// The state of genesis data: record `i` is account `i`, with nonce 0.
    pub fn from_genesis(bytes: &[u8]) -> Result<Self, GenesisError> {
        Self::new(&decode_genesis(bytes)?)
    }

    /// The root of the tree.
    pub fn root(&self) -> Fr {
        self.tree.root()
    }

    /// The root of the tree as a word.
    pub fn root_word(&self) -> Word {
        word::from_field(&self.root())
    }

    /// The nodes `levels` levels below the root ([`Tree::top`]).
    pub fn top(&self, levels: usize) -> Result<Vec<Fr>, MissingAccount> {
        self.tree.top(levels)
    }

    /// The account at `index`, all zeros if never set.
    pub fn account(&self, index: u16) -> Result<Account, MissingAccount> {
        self.tree.get(index)
    }

    /// The part of the state that applying `data` needs. It has the same root.
    pub fn subset_for(&self, data: &[u8], params: &Params) -> Result<Self, BlockTooLong> {
        let block = Block::from_bytes(data, params)?;
        let mut indices = vec![low(block.fee_account)];
        for SignedTransfer { transfer, .. } in &block.transfers {
            indices.extend([low(transfer.from), low(transfer.to)]);
        }
        Ok(Self { tree: self.tree.subset(&indices, params.top_levels()) })
    }

    /// The state, whole or partial, as bytes ([`Tree::to_bytes`]).
    pub fn to_bytes(&self) -> Vec<u8> {
        self.tree.to_bytes()
    }

    /// Reads what [`State::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        Ok(Self { tree: Tree::from_bytes(bytes)? })
    }

    /// Applies a block. On an error the state is as before.
    pub fn apply_block(&mut self, data: &[u8], context: &BlockContext) -> Result<BlockTrace, ApplyError> {
        let block = Block::from_bytes(data, &context.params)?;
        let chunks = chunks(data, &context.params)?;
        let mut after = self.clone();
        let mut fees = 0u64;
        let mut transfers = Vec::with_capacity(block.transfers.len());
        for signed in &block.transfers {
            let trace = after.apply_transfer(signed, &context.domain)?;
            if trace.outcome == TransferOutcome::Applied {
                fees += u64::from(signed.transfer.fee);
            }
            transfers.push(trace);
        }
        let fee_account = after.witness(low(block.fee_account))?;
        let account = fee_account.account;
        let credit = account
            .balance
            .checked_add(fees)
            .filter(|_| in_range(block.fee_account) && account.key.is_on_curve());
        if let Some(balance) = credit {
            after.tree.set(low(block.fee_account), Account { balance, ..account })?;
        }
        let trace = BlockTrace {
            old_root: self.root(),
            new_root: after.root(),
            top: self.tree.top(context.params.top_levels())?,
            chunks,
            transfers,
            fee_account,
            fees,
            fees_credited: credit.is_some(),
        };
        *self = after;
        Ok(trace)
    }

    fn apply_transfer(
        &mut self,
        signed: &SignedTransfer,
        domain: &Fr,
    ) -> Result<TransferTrace, MissingAccount> {
        let transfer = &signed.transfer;
        let from = self.witness(low(transfer.from))?;
        let receiver = self.tree.get(low(transfer.to))?;
        let outcome = match judge(signed, &from.account, &receiver, domain) {
            Ok(sender) => {
                self.tree.set(low(transfer.from), sender)?;
                TransferOutcome::Applied
            }
            Err(_) if signed.to_bytes() == [0; RECORD_BYTES] => TransferOutcome::Absent,
            Err(reason) => TransferOutcome::Rejected(reason),
        };
        let to = self.witness(low(transfer.to))?;
        if outcome == TransferOutcome::Applied {
            let balance = to.account.balance + transfer.amount;
            self.tree.set(low(transfer.to), Account { balance, ..to.account })?;
        }
        Ok(TransferTrace { from, to, outcome })
    }

    fn witness(&self, index: u16) -> Result<AccountWitness, MissingAccount> {
        let (account, siblings) = self.tree.open(index)?;
        Ok(AccountWitness { account, siblings })
    }
}

/// The sender's account after the transfer, or why the transfer does nothing.
fn judge(
    SignedTransfer { transfer, signature }: &SignedTransfer,
    sender: &Account,
    receiver: &Account,
    domain: &Fr,
) -> Result<Account, RejectReason> {
    let check = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };
    check(in_range(transfer.from) && in_range(transfer.to), RejectReason::IndexOutOfRange)?;
    check(transfer.from != transfer.to, RejectReason::SelfTransfer)?;
    check(sender.key.is_on_curve(), RejectReason::UnknownSender)?;
    check(receiver.key.is_on_curve(), RejectReason::UnknownReceiver)?;
    check(sender.nonce == transfer.nonce, RejectReason::WrongNonce)?;
    let nonce = sender.nonce.checked_add(1).ok_or(RejectReason::NonceExhausted)?;
    let balance = transfer
        .amount
        .checked_add(u64::from(transfer.fee))
        .and_then(|spent| sender.balance.checked_sub(spent))
        .ok_or(RejectReason::InsufficientBalance)?;
    check(receiver.balance.checked_add(transfer.amount).is_some(), RejectReason::BalanceOverflow)?;
    check(sender.key.verify(&transfer.message(domain), signature), RejectReason::InvalidSignature)?;
    Ok(Account { balance, nonce, ..*sender })
}

/// The accounts of genesis data.
pub fn decode_genesis(bytes: &[u8]) -> Result<Vec<Account>, GenesisError> {
    if !bytes.len().is_multiple_of(GENESIS_RECORD_BYTES) {
        return Err(GenesisError::Length(bytes.len()));
    }
    let count = bytes.len() / GENESIS_RECORD_BYTES;
    if count > CAPACITY {
        return Err(GenesisError::TooMany(count));
    }
    bytes
        .chunks_exact(GENESIS_RECORD_BYTES)
        .enumerate()
        .map(|(index, record)| {
            let coordinate = |bytes: &[u8]| {
                let mut word = [0; 32];
                word.copy_from_slice(bytes);
                word::to_field(&word).ok_or(GenesisError::NotCanonical(index))
            };
            Ok(Account {
                key: PublicKey { x: coordinate(&record[..32])?, y: coordinate(&record[32..64])? },
                balance: record[64..].iter().fold(0, |acc, byte| acc << 8 | u64::from(*byte)),
                nonce: 0,
            })
        })
        .collect()
}

/// The genesis data of accounts. Nonces are not part of it.
pub fn encode_genesis(accounts: &[Account]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(accounts.len() * GENESIS_RECORD_BYTES);
    for account in accounts {
        bytes.extend_from_slice(&word::from_field(&account.key.x));
        bytes.extend_from_slice(&word::from_field(&account.key.y));
        bytes.extend_from_slice(&account.balance.to_be_bytes());
    }
    bytes
}

const fn low(index: u32) -> u16 {
    index as u16
}

const fn in_range(index: u32) -> bool {
    index >> 16 == 0
}
