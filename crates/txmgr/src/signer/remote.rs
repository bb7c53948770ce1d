//! A signer behind HTTP that speaks the JSON-RPC of Web3Signer's eth1 mode: `eth_accounts`, `eth_signTransaction`,
//! `eth_signTypedData`. Only its signatures are used: what is broadcast is the transaction that was asked for.

use std::{fmt, time::Duration};

use alloy::{
    consensus::{SignableTransaction as _, Transaction as _, TxEnvelope, TypedTransaction},
    eips::eip2718::Decodable2718 as _,
    primitives::{Address, B256, Bytes, Signature, TxKind},
};
use provery_types::TypedData;
use serde_json::{Value, json};

use super::{
    SignerError,
    wire::{Answer, Wire},
};

/// How long it may take to sign. A key in hardware takes about a second.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks a program elsewhere for the signatures of one account.
#[derive(Clone)]
pub struct RemoteSigner {
    wire: Wire,
    account: Address,
}

impl fmt::Debug for RemoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSigner")
            .field("signer", &self.wire.name())
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl RemoteSigner {
    /// For the key of `account`, which the program at `url` has. Nothing is asked yet.
    pub fn new(url: &str, account: Address) -> Result<Self, SignerError> {
        Self::with_timeout(url, account, TIMEOUT)
    }

    /// One that is waited for so long.
    pub fn with_timeout(url: &str, account: Address, timeout: Duration) -> Result<Self, SignerError> {
        Ok(Self { wire: Wire::new(url, timeout)?, account })
    }

    /// The account that it signs for.
    pub fn address(&self) -> Address {
        self.account
    }

    /// Scheme, host and port of the program that is asked.
    pub fn name(&self) -> &str {
        self.wire.name()
    }

    /// Whether it answers, and has the account's key.
    pub(super) async fn ready(&self) -> Result<(), SignerError> {
        let listed = self.result("eth_accounts", json!([])).await?;
        let accounts: Vec<Address> =
            serde_json::from_value(listed).map_err(|_| self.wire.senseless("it is no list of accounts"))?;
        if accounts.contains(&self.account) {
            return Ok(());
        }
        Err(SignerError::AccountMissing {
            signer: self.name().to_owned(),
            account: self.account,
            others: accounts.len(),
        })
    }

    /// The signature of a transaction as given, and of no other.
    pub(super) async fn sign_transaction(
        &self,
        transaction: &TypedTransaction,
    ) -> Result<Signature, SignerError> {
        let answer = self.result("eth_signTransaction", json!([self.request(transaction)])).await?;
        // As Web3Signer answers, or as geth and Clef do.
        let raw = if answer.is_object() { &answer["raw"] } else { &answer };
        let raw: Bytes = serde_json::from_value(raw.clone())
            .map_err(|_| self.wire.senseless("it is no signed transaction"))?;
        let signed = TxEnvelope::decode_2718_exact(&raw)
            .map_err(|_| self.wire.senseless("it is no signed transaction"))?;
        if signed.signature_hash() != transaction.signature_hash() {
            return Err(SignerError::Altered {
                signer: self.name().to_owned(),
                what: difference(transaction, &signed),
            });
        }
        self.checked(*signed.signature(), transaction.signature_hash())
    }

    /// The signature of a message.
    pub(super) async fn sign_typed(&self, data: &TypedData) -> Result<Signature, SignerError> {
        // The document as text, as Web3Signer wants it.
        let params = json!([self.account, data.document.to_string()]);
        let answer = match self.wire.ask("eth_signTypedData", params).await? {
            Answer::Result(answer) => answer,
            Answer::Refused { code, message } => {
                return Err(SignerError::MessageRefused { signer: self.name().to_owned(), code, message });
            }
        };
        let bytes: Bytes =
            serde_json::from_value(answer).map_err(|_| self.wire.senseless("it is no signature"))?;
        let signature =
            Signature::try_from(bytes.as_ref()).map_err(|_| self.wire.senseless("it is no signature"))?;
        self.checked(signature, data.digest)
    }

    async fn result(&self, method: &'static str, params: Value) -> Result<Value, SignerError> {
        match self.wire.ask(method, params).await? {
            Answer::Result(result) => Ok(result),
            Answer::Refused { code, message } => Err(SignerError::Refused {
                signer: self.name().to_owned(),
                method,
                code,
                message,
                account: self.account,
            }),
        }
    }

    /// Of the account and, as contracts and chains want it, the lower of the two that there are.
    fn checked(&self, signature: Signature, hash: B256) -> Result<Signature, SignerError> {
        let signature = signature.normalized_s();
        if signature.recover_address_from_prehash(&hash).ok() == Some(self.account) {
            return Ok(signature);
        }
        Err(SignerError::WrongKey { signer: self.name().to_owned(), account: self.account })
    }

    fn request(&self, transaction: &TypedTransaction) -> Value {
        let hex = |number: u128| json!(format!("{number:#x}"));
        let mut request = json!({
            "from": self.account,
            "nonce": hex(transaction.nonce().into()),
            "gas": hex(transaction.gas_limit().into()),
            "value": transaction.value(),
            "data": transaction.input(),
        });
        if let Some(id) = transaction.chain_id() {
            request["chainId"] = hex(id.into());
        }
        if let TxKind::Call(to) = transaction.kind() {
            request["to"] = json!(to);
        }
        match transaction.gas_price() {
            Some(price) => request["gasPrice"] = hex(price),
            None => {
                request["maxFeePerGas"] = hex(transaction.max_fee_per_gas());
                request["maxPriorityFeePerGas"] =
                    hex(transaction.max_priority_fee_per_gas().unwrap_or_default());
            }
        }
        request
    }
}

/// What the signer changed.
fn difference(asked: &TypedTransaction, signed: &TxEnvelope) -> &'static str {
    let changed = [
        ("its chain", asked.chain_id() != signed.chain_id()),
        ("its nonce", asked.nonce() != signed.nonce()),
        ("its recipient", asked.kind() != signed.kind()),
        ("its value", asked.value() != signed.value()),
        ("its data", asked.input() != signed.input()),
        ("its gas", asked.gas_limit() != signed.gas_limit()),
    ];
    changed.iter().find(|(_, changed)| *changed).map_or("its fee or kind", |(what, _)| what)
}
