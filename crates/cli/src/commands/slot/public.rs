//! Public inputs and proofs out of files, as a market takes them.

use std::{fs, path::Path};

use alloy::primitives::{Bytes, U256, hex};
use eyre::Result;
use provery_circom::ProofJson;
use provery_proving::proof;
use provery_types::RollupRecord;

use crate::{
    backends,
    error::{Code, fail},
};

/// A file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| fail(Code::Io, format!("{} cannot be read: {error}", path.display())))
}

/// The numbers of a list in JSON: decimal or 0x… strings, or whole numbers.
fn numbers(path: &Path) -> Result<Vec<U256>> {
    let wrong = |what: &str| {
        fail(
            Code::Usage,
            format!("{} {what}; pass a list of numbers, as snarkjs writes public.json", path.display()),
        )
    };
    let list: Vec<serde_json::Value> =
        serde_json::from_slice(&read(path)?).map_err(|_| wrong("is no list in JSON"))?;
    let number = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.parse::<U256>().ok(),
        serde_json::Value::Number(number) => number.to_string().parse::<U256>().ok(),
        _ => None,
    };
    list.iter().map(number).collect::<Option<_>>().ok_or_else(|| wrong("has something else than numbers"))
}

/// The public inputs in a file, which has them as the circuit does: in the market's order, without the payee of a circuit that does not
/// bind it. Of a market that no workload is known for, the file has the market's order.
pub(super) fn inputs(path: &Path, record: Option<&RollupRecord>, keys: &Path) -> Result<Vec<U256>> {
    let signals = numbers(path)?;
    match record {
        Some(record) => Ok(backends::circuit(&record.circuit)?.in_market_order(keys, signals)?),
        None => Ok(signals),
    }
}

/// A proof: snarkjs' proof.json, or hexadecimal digits as the verifier takes them.
pub(super) fn proof(path: &Path) -> Result<Bytes> {
    let bytes = read(path)?;
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        let read = ProofJson::read(&bytes).map_err(|error| fail(Code::ProofInvalid, error.to_string()))?;
        return Ok(proof::encode(&read).to_vec().into());
    }
    let text = String::from_utf8_lossy(&bytes);
    hex::decode(text.trim()).map(Bytes::from).map_err(|_| {
        fail(
            Code::ProofInvalid,
            format!(
                "{} is neither a proof.json of snarkjs nor hexadecimal digits; pass the proof as its prover wrote it",
                path.display()
            ),
        )
    })
}
