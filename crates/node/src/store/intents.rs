//! The sender's journal, in the node's own file.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use provery_chain::{Intent, Journal, JournalError};
use redb::{ReadableDatabase as _, TableDefinition, WriteTransaction};

use super::crash::point;
use super::{META, OWN_TURNS, OWN_TURNS_KEPT, Store, StoreError, decode, encode, get};
use crate::pause::{PAUSE, RESUME};

pub(super) const INTENTS: TableDefinition<([u8; 20], u64), &[u8]> = TableDefinition::new("intents");

/// Intents in a [`Store`].
#[derive(Clone, Debug)]
pub struct IntentTable(Arc<Store>);

impl IntentTable {
    pub fn new(store: Arc<Store>) -> Self {
        Self(store)
    }
}

impl Journal for IntentTable {
    fn load(&self, account: Address) -> Result<Vec<Intent>, JournalError> {
        self.0.intents(Some(account)).map_err(failed)
    }

    fn put(&self, intent: &Intent) -> Result<(), JournalError> {
        self.0.put_intent(intent).map_err(failed)
    }

    fn remove(&self, account: Address, nonce: u64) -> Result<(), JournalError> {
        self.0.remove_intent(account, nonce).map_err(failed)
    }
}

fn failed(error: StoreError) -> JournalError {
    JournalError(error.to_string())
}

impl Store {
    /// Intents, of one key or of every key, by nonce.
    pub fn intents(&self, account: Option<Address>) -> Result<Vec<Intent>, StoreError> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(INTENTS)?;
        let range = match account {
            Some(account) => (account.into_array(), 0)..=(account.into_array(), u64::MAX),
            None => ([0; 20], 0)..=([u8::MAX; 20], u64::MAX),
        };
        table.range(range)?.map(|row| decode(row?.1.value())).collect()
    }

    fn put_intent(&self, intent: &Intent) -> Result<(), StoreError> {
        let place = (intent.account.into_array(), intent.nonce);
        let before = {
            let transaction = self.database.begin_read()?;
            let row = transaction.open_table(INTENTS)?.get(place)?;
            row.map(|row| decode::<Intent>(row.value())).transpose()?
        };
        let point = match before {
            Some(before) if before.signed.len() != intent.signed.len() => point::INTENT_REPLACED,
            Some(before) if before.mined.is_some() && intent.mined.is_none() => point::INTENT_UNMINED,
            Some(before) if before.signed == intent.signed => point::INTENT_MINED,
            _ => point::INTENT_SIGNED,
        };
        let turn = match intent.kind.as_str() {
            PAUSE if point == point::INTENT_SIGNED => Some(point::PAUSED),
            RESUME if point == point::INTENT_SIGNED => Some(point::RESUMED),
            _ => None,
        };
        let points: Vec<String> = [Some(point), turn].into_iter().flatten().map(str::to_owned).collect();
        self.write(&points, |transaction| {
            transaction.open_table(INTENTS)?.insert(place, encode(intent)?.as_slice())?;
            if matches!(intent.kind.as_str(), PAUSE | RESUME) {
                note_turns(transaction, intent)?;
            }
            Ok(())
        })
    }

    fn remove_intent(&self, account: Address, nonce: u64) -> Result<(), StoreError> {
        self.write(&[point::INTENT_REMOVED.to_owned()], |transaction| {
            transaction.open_table(INTENTS)?.remove((account.into_array(), nonce))?;
            Ok(())
        })
    }
}

/// What pauses or resumes the prover is known by its hash before it can be in a block.
fn note_turns(transaction: &WriteTransaction, intent: &Intent) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META)?;
    let mut turns: Vec<B256> = get(&meta, OWN_TURNS)?.unwrap_or_default();
    let known = turns.len();
    for signed in &intent.signed {
        if !turns.contains(&signed.hash) {
            turns.push(signed.hash);
        }
    }
    if turns.len() > known {
        turns.drain(..turns.len().saturating_sub(OWN_TURNS_KEPT));
        meta.insert(OWN_TURNS, encode(&turns)?.as_slice())?;
    }
    Ok(())
}
