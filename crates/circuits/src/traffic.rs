//! Deterministic accounts and transfers for demos and tests: equal seeds give equal bytes.

use crate::{
    Params, State,
    account::Account,
    block::{Block, SignedTransfer, Transfer},
    keys::KeyPair,
    state::{ApplyError, BlockContext, TransferOutcome, encode_genesis},
    tree::CAPACITY,
    word::{self, Word},
};

/// What each account starts with, in the rollup's smallest unit.
pub const STARTING_BALANCE: u64 = 1_000_000_000;

/// One transfer in this many is invalid.
const INVALID_ONE_IN: u64 = 8;

/// Accounts whose keys are known, and an endless supply of transfers between them.
#[derive(Clone, Debug)]
pub struct Traffic {
    seed: u64,
    drawn: u64,
    keys: Vec<KeyPair>,
}

impl Traffic {
    /// `accounts` accounts (at least 2, at most as many as the tree holds) with keys derived from `seed`.
    pub fn new(seed: u64, accounts: usize) -> Self {
        let keys = (0..accounts.clamp(2, CAPACITY) as u64)
            .map(|i| {
                let seed = word::keccak256(&[b"provery/workload/key", &seed.to_be_bytes(), &i.to_be_bytes()]);
                KeyPair::from_private(&seed)
            })
            .collect();
        Self { seed, drawn: 0, keys }
    }

    /// The accounts at genesis.
    pub fn accounts(&self) -> Vec<Account> {
        self.keys
            .iter()
            .map(|key| Account { key: key.public(), balance: STARTING_BALANCE, nonce: 0 })
            .collect()
    }

    /// The genesis data to post.
    pub fn genesis_bytes(&self) -> Vec<u8> {
        encode_genesis(&self.accounts())
    }

    /// The key of account `index`.
    pub fn key(&self, index: usize) -> Option<&KeyPair> {
        self.keys.get(index)
    }

    /// A block of `transfers` transfers on top of `state`. Account 0 receives the fees. Now and then a transfer is invalid:
    /// signed by another, with a nonce of the past or the future, or for more than the sender has.
    ///
    /// `domain` is reduced by the field's modulus. `state` must hold this traffic's accounts.
    pub fn next_block(
        &mut self,
        state: &State,
        transfers: usize,
        domain: &Word,
    ) -> Result<Vec<u8>, ApplyError> {
        let domain = word::reduce(domain);
        let mut ahead = state.clone();
        // A circuit of one transfer, so that each sees what those before it did. Its fee goes nowhere in between.
        let context = BlockContext { params: Params::SINGLE, domain };
        let mut block = Block { fee_account: 0, transfers: Vec::with_capacity(transfers) };
        for _ in 0..transfers {
            let signed = self.next_transfer(&ahead, &domain)?;
            let single = Block { fee_account: u32::MAX, transfers: vec![signed] };
            let trace = ahead.apply_block(&single.to_bytes(), &context)?;
            debug_assert!(trace.transfers.iter().all(|transfer| transfer.outcome != TransferOutcome::Absent));
            block.transfers.push(signed);
        }
        Ok(block.to_bytes())
    }

    fn next_transfer(&mut self, state: &State, domain: &crate::Fr) -> Result<SignedTransfer, ApplyError> {
        let count = self.keys.len() as u64;
        let from = self.draw(count);
        let to = (from + 1 + self.draw(count - 1)) % count;
        let sender = state.account(from as u16)?;
        let fee = 1 + self.draw(50) as u32;
        let mut transfer = Transfer {
            from: from as u32,
            to: to as u32,
            amount: self.draw(sender.balance / 100 + 1).min(sender.balance.saturating_sub(u64::from(fee))),
            fee,
            nonce: sender.nonce,
        };
        let mut signer = from;
        if self.draw(INVALID_ONE_IN) == 0 {
            match self.draw(4) {
                0 => signer = to,
                1 => transfer.nonce = transfer.nonce.wrapping_sub(1),
                2 => transfer.nonce = transfer.nonce.wrapping_add(1),
                _ => transfer.amount = sender.balance,
            }
        }
        Ok(transfer.sign(&self.keys[signer as usize], domain))
    }

    /// A number below `bound`, or 0 if there is none.
    fn draw(&mut self, bound: u64) -> u64 {
        let hash =
            word::keccak256(&[b"provery/workload/draw", &self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
        self.drawn += 1;
        let wide = hash[..16].iter().fold(0u128, |acc, byte| acc << 8 | u128::from(*byte));
        if bound == 0 { 0 } else { (wide % u128::from(bound)) as u64 }
    }
}
