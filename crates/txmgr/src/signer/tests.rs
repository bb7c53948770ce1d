//! A signer elsewhere, which answers by script: what is broadcast is what was asked for, signed by the account, or nothing is.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use alloy::{
    consensus::{SignableTransaction as _, TxEnvelope, TypedTransaction},
    eips::eip2718::{Decodable2718 as _, Encodable2718 as _},
    network::{NetworkTransactionBuilder as _, TransactionBuilder as _, TxSignerSync as _},
    primitives::{Address, B256, Bytes, U256},
    rpc::types::TransactionRequest,
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use provery_fake::{Fake, Say, sound};
use provery_rpc::{Call, Rpc};
use provery_types::TypedData;
use serde_json::{Value, json};

use super::{RemoteSigner, Signer, SignerError};
use crate::{SendError, Sender, SenderConfig};

/// A bound for failure, not for success.
const LONG: Duration = Duration::from_secs(60);
const TO: Address = Address::repeat_byte(0x77);

fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key")
}

/// Sign what the request asks for, after a change.
fn signed(params: &Value, by: &PrivateKeySigner, change: impl Fn(&mut TransactionRequest)) -> Bytes {
    let mut request: TransactionRequest = serde_json::from_value(params[0].clone()).expect("a request");
    change(&mut request);
    let mut unsigned: TypedTransaction = request.build_unsigned().expect("is whole");
    let signature = by.sign_transaction_sync(&mut unsigned).expect("signs");
    TxEnvelope::from(unsigned.into_signed(signature)).encoded_2718().into()
}

/// What a signer with these keys answers to everything but signing.
fn accounts(method: &str, listed: &[Address]) -> Option<Say> {
    (method == "eth_accounts").then(|| Say::Result(json!(listed)))
}

async fn signer(script: impl Fn(&str, &Value) -> Say + Send + Sync + 'static) -> (Fake, Signer) {
    let fake = Fake::new(move |method, params, _| script(method, params)).await;
    let remote = RemoteSigner::with_timeout(&fake.url(), key().address(), LONG).expect("a URL");
    (fake, remote.into())
}

/// A chain that takes whatever is sent, and what it was sent.
async fn chain() -> (Fake, Arc<Mutex<Vec<Bytes>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = sent.clone();
    let mined = AtomicU64::new(0);
    let fake = Fake::new(move |method, params, _| match method {
        "eth_sendRawTransaction" => {
            let raw: Bytes = serde_json::from_value(params[0].clone()).expect("bytes");
            let hash = *TxEnvelope::decode_2718_exact(&raw).expect("a transaction").tx_hash();
            seen.lock().expect("no panic").push(raw);
            mined.store(1, SeqCst);
            Say::Result(json!(hash))
        }
        "eth_getTransactionCount" => Say::Result(json!(format!("{:#x}", mined.load(SeqCst)))),
        "eth_getCode" => Say::Result(json!("0x")),
        _ => sound(method, params),
    })
    .await;
    (fake, sent)
}

/// Send a call with this signer. It is never mined: what is looked at is what was broadcast, or why nothing was.
async fn send(signer: Signer) -> (Option<SendError>, Vec<TxEnvelope>) {
    let (fake, sent) = chain().await;
    let rpc = Rpc::connect_with(&[fake.url()], LONG).await.expect("answers");
    let config = SenderConfig {
        give_up_after: Duration::from_millis(1),
        ..SenderConfig::new(Duration::from_millis(10))
    };
    let sender = Sender::new(rpc, signer, config);
    let ended = sender.send(Call { gas: Some(50_000), ..Call::transfer(TO, U256::from(5)) }).await;
    let sent = sent.lock().expect("no panic").clone();
    let sent = sent.iter().map(|raw| TxEnvelope::decode_2718_exact(raw).expect("a transaction")).collect();
    (ended.err(), sent)
}

fn why(error: Option<SendError>) -> SignerError {
    match error {
        Some(SendError::Signing { error, .. }) => error,
        other => panic!("not refused by the signer: {other:?}"),
    }
}

#[tokio::test]
async fn what_a_remote_signer_signed_is_broadcast_as_it_was_asked_for() {
    for object in [false, true] {
        let (_fake, signer) = signer(move |method, params| {
            accounts(method, &[Address::repeat_byte(9), key().address()]).unwrap_or_else(|| {
                let raw = signed(params, &key(), |_| {});
                Say::Result(if object { json!({ "raw": raw, "tx": {} }) } else { json!(raw) })
            })
        })
        .await;
        signer.ready().await.expect("has the account");
        let (_, sent) = send(signer).await;
        let [first, ..] = sent.as_slice() else { panic!("nothing was sent") };
        let by = first.signature().recover_address_from_prehash(&first.signature_hash());
        assert_eq!(by.expect("is signed"), key().address());
        assert_eq!(alloy::consensus::Transaction::to(first), Some(TO));
        assert_eq!(alloy::consensus::Transaction::value(first), U256::from(5));
    }
}

#[tokio::test]
async fn an_altered_transaction_is_not_broadcast() {
    type Change = fn(&mut TransactionRequest);
    let changes: [(Change, &str); 6] = [
        (|request| request.set_to(Address::repeat_byte(0x66)), "its recipient"),
        (|request| request.set_value(U256::from(6)), "its value"),
        (|request| request.set_nonce(9), "its nonce"),
        (|request| request.set_chain_id(1), "its chain"),
        (|request| request.set_gas_limit(1_000_000), "its gas"),
        (|request| request.set_max_fee_per_gas(u128::from(u64::MAX)), "its fee or kind"),
    ];
    for (change, said) in changes {
        let (_fake, signer) =
            signer(move |_, params| Say::Result(json!(signed(params, &key(), change)))).await;
        let (error, sent) = send(signer).await;
        assert!(sent.is_empty(), "{said}");
        match why(error) {
            SignerError::Altered { what, .. } => assert_eq!(what, said),
            other => panic!("{said}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn anothers_signature_is_not_broadcast() {
    let other = PrivateKeySigner::random();
    let (_fake, signer) = signer(move |_, params| Say::Result(json!(signed(params, &other, |_| {})))).await;
    let (error, sent) = send(signer).await;
    assert!(sent.is_empty());
    assert!(matches!(why(error), SignerError::WrongKey { account, .. } if account == key().address()));
}

#[tokio::test]
async fn garbage_is_refused_by_name_and_not_broadcast() {
    let garbage = [
        json!(null),
        json!("0x"),
        json!("0x02f8"),
        json!(7),
        json!({ "tx": {} }),
        json!("0x".to_owned() + &"00".repeat(600_000)),
    ];
    for answer in garbage {
        let said = answer.to_string().chars().take(20).collect::<String>();
        let (_fake, signer) = signer(move |_, _| Say::Result(answer.clone())).await;
        let (error, sent) = send(signer).await;
        assert!(sent.is_empty(), "{said}");
        let error = why(error);
        assert!(matches!(error, SignerError::Senseless { .. }) && !error.is_transient(), "{said}: {error:?}");
    }
}

#[tokio::test]
async fn a_signer_that_does_not_answer_is_named_and_may_be_asked_again() {
    let fake = Fake::new(|_, _, _| Say::Nothing).await;
    let remote = RemoteSigner::with_timeout(&fake.url(), key().address(), Duration::from_millis(200));
    let (error, sent) = send(remote.expect("a URL").into()).await;
    assert!(sent.is_empty());
    let error = why(error);
    assert!(matches!(error, SignerError::Timeout { .. }) && error.is_transient(), "{error:?}");
    assert!(error.to_string().contains(&fake.url()), "{error}");

    // Where nobody listens.
    let remote = RemoteSigner::with_timeout("http://127.0.0.1:9", key().address(), LONG);
    let gone = Signer::from(remote.expect("a URL")).ready().await.expect_err("is gone");
    assert!(matches!(gone, SignerError::Unreachable { .. }) && gone.is_transient(), "{gone:?}");
}

#[tokio::test]
async fn a_refusal_and_a_missing_account_are_told_in_a_line() {
    let (_fake, refusing) = signer(|_, _| Say::refuse(-32000, "No unlocked\n\u{1b}[2Jaccount")).await;
    let error = why(send(refusing).await.0);
    assert!(matches!(error, SignerError::Refused { code: -32000, .. }) && !error.is_transient(), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("eth_signTransaction") && !said.contains(['\n', '\u{1b}']), "{said}");

    let (_fake, other) = signer(|method, _| accounts(method, &[TO]).expect("only that is asked")).await;
    let missing = other.ready().await.expect_err("has it not");
    assert!(matches!(missing, SignerError::AccountMissing { others: 1, .. }), "{missing:?}");
    assert!(missing.to_string().contains("--sender"), "{missing}");

    let (_fake, busy) = signer(|_, _| Say::Later(503, "0")).await;
    let error = busy.ready().await.expect_err("is busy");
    assert!(matches!(error, SignerError::Status { status: 503, .. }) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_message_is_signed_for_its_digest_or_refused_by_name() {
    let data = TypedData { digest: B256::repeat_byte(5), document: json!({ "primaryType": "Offer" }) };
    let digest = data.digest;
    let (_fake, good) = signer(move |method, params| {
        assert_eq!(method, "eth_signTypedData");
        // The document as text.
        let document: Value = serde_json::from_str(params[1].as_str().expect("text")).expect("JSON");
        assert_eq!(document["primaryType"], "Offer");
        Say::Result(json!(Bytes::from(key().sign_hash_sync(&digest).expect("signs").as_bytes().to_vec())))
    })
    .await;
    let signature = good.sign_typed(&data).await.expect("signs");
    assert_eq!(signature, Signer::from(key()).sign_typed(&data).await.expect("signs"));

    let (_fake, other) = signer(|_, _| {
        let another = key().sign_hash_sync(&B256::ZERO).expect("signs");
        Say::Result(json!(Bytes::from(another.as_bytes().to_vec())))
    })
    .await;
    let error = other.sign_typed(&data).await.expect_err("is of another digest");
    assert!(matches!(error, SignerError::WrongKey { .. }), "{error:?}");

    let (_fake, unable) = signer(|_, _| Say::refuse(-32601, "Method not found")).await;
    let error = unable.sign_typed(&data).await.expect_err("cannot");
    assert!(matches!(error, SignerError::MessageRefused { code: -32601, .. }), "{error:?}");
    assert!(error.to_string().contains("keystore"), "{error}");
}

#[test]
fn nothing_of_a_url_is_told_but_its_host() {
    let remote =
        RemoteSigner::new("https://me:hunter2@signer.example:9000/path?token=hunter2", TO).expect("a URL");
    assert_eq!(remote.name(), "https://signer.example:9000");
    assert!(!format!("{remote:?}").contains("hunter2"));
    for wrong in ["hunter2", "ftp://hunter2", "http://"] {
        let error = RemoteSigner::new(wrong, TO).expect_err(wrong).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
