//! What much follows from, and nothing in the answer bears out: every endpoint is asked, and no one of them decides.

use alloy::{
    primitives::{Address, B256, keccak256},
    providers::Provider as _,
};
use provery_bindings::{Circuit, CircuitRegistry};

use crate::{Chain, ChainError, View};

/// What more than half of the answers are.
fn agreed<T: PartialEq>(told: Vec<T>) -> Option<T> {
    let most = told.iter().position(|it| 2 * told.iter().filter(|other| *other == it).count() > told.len());
    told.into_iter().nth(most?)
}

impl Chain {
    /// What is registered under a circuit's id; nothing if nothing is.
    pub async fn surest_circuit(&self, circuit: B256) -> Result<Option<Circuit>, ChainError> {
        let registry = self.deployment().circuits();
        let ask = |view: View| async move {
            let asked = CircuitRegistry::new(registry, view.provider().clone());
            registered(
                asked
                    .circuitOf(circuit)
                    .call()
                    .await
                    .map_err(|error| ChainError::contract(view.name(), "circuitOf", error)),
            )
        };
        let told = self.rpc().everyone(ask).await;
        if told.is_empty() {
            return registered(self.circuit(circuit).await);
        }
        agreed(told).ok_or_else(|| self.undecided("circuitOf", &format!("circuit {circuit}")))
    }

    /// keccak256 of the code at an address; nothing if there is none.
    pub async fn surest_code_hash(&self, account: Address) -> Result<Option<B256>, ChainError> {
        let ask = |view: View| async move {
            let code = view.provider().get_code_at(account).await;
            let code = code.map_err(|error| ChainError::rpc(view.name(), "eth_getCode", error))?;
            Ok((!code.is_empty()).then(|| keccak256(&code)))
        };
        let told = self.rpc().everyone(ask).await;
        if told.is_empty() {
            return self.rpc().code_hash(account).await;
        }
        agreed(told).ok_or_else(|| self.undecided("eth_getCode", &format!("the code at {account}")))
    }

    fn undecided(&self, method: &'static str, what: &str) -> ChainError {
        let reason = format!(
            "endpoints tell different things of {what}, and no majority says which is right: add a third, or take out the one \
             that you trust least"
        );
        self.senseless(method, reason)
    }
}

fn registered(told: Result<Circuit, ChainError>) -> Result<Option<Circuit>, ChainError> {
    match told {
        Ok(circuit) => Ok(Some(circuit)),
        Err(ChainError::Reverted { error, .. }) if error.name == "CircuitNotFound" => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alloy::{
        hex,
        sol_types::{SolError as _, SolValue as _},
    };
    use provery_bindings::CircuitRegistry::CircuitNotFound;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Fake, Say, connect, sound, unchecked};

    const ID: B256 = B256::repeat_byte(9);

    /// One that has a circuit with this key, or none; and that code everywhere.
    async fn telling(key: Option<u8>) -> Fake {
        Fake::new(move |method, params, _| match (method, key) {
            ("eth_call", Some(key)) => {
                let circuit = Circuit { keyHash: B256::repeat_byte(key), ..Circuit::default() };
                Say::Result(json!(hex::encode_prefixed(circuit.abi_encode())))
            }
            ("eth_call", None) => {
                let data = Value::from(hex::encode_prefixed(CircuitNotFound { circuit: ID }.abi_encode()));
                Say::Error(3, "execution reverted", data)
            }
            ("eth_getCode", key) => {
                Say::Result(json!(key.map_or("0x".to_owned(), |key| format!("0x{key:02x}"))))
            }
            _ => sound(method, params),
        })
        .await
    }

    #[tokio::test]
    async fn one_wrong_answer_decides_neither_what_a_circuit_is_nor_what_a_contract_is() {
        let [right, same, wrong, none] =
            [telling(Some(1)).await, telling(Some(1)).await, telling(Some(2)).await, telling(None).await];
        let asked = async |fakes: &[&Fake]| {
            let chain = unchecked(connect(fakes, Duration::from_secs(60)).await);
            let circuit = chain.surest_circuit(ID).await.map(|it| it.map(|it| it.keyHash));
            (circuit, chain.surest_code_hash(Address::repeat_byte(7)).await)
        };
        let truth = (B256::repeat_byte(1), keccak256([1]));
        for fakes in [&[&right][..], &[&right, &same], &[&wrong, &right, &same], &[&none, &right, &same]] {
            let (circuit, code) = asked(fakes).await;
            assert_eq!((circuit.expect("told"), code.expect("told")), (Some(truth.0), Some(truth.1)));
        }
        let (circuit, code) = asked(&[&none]).await;
        assert_eq!((circuit.expect("told"), code.expect("told")), (None, None));
        for fakes in [[&wrong, &right], [&none, &right]] {
            let (circuit, code) = asked(&fakes).await;
            let undecided = |error: ChainError| matches!(&error, ChainError::Inconsistent { reason, .. } if reason.contains("third"));
            assert!(undecided(circuit.expect_err("two")) && undecided(code.expect_err("two")));
        }
    }
}
