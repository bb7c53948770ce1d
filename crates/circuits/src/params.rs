//! The size of a circuit, its name and its descriptor.

use serde_json::{Value, json};

use crate::{
    layout::{CHUNK_BYTES, HEADER_BYTES, RECORD_BYTES, TRANSFER_BYTES},
    poseidon,
    tree::DEPTH,
};

/// About what hashing two nodes costs in the circuit.
const PERMUTATION_CONSTRAINTS: usize = 246;

/// What a circuit is made for. Two circuits with different parameters have different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    block_txs: usize,
}

/// A block size no circuit is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block circuit takes 1 to {max} transfers, not {0}", max = Params::MAX_BLOCK_TXS)]
pub struct ParamsError(pub usize);

impl Params {
    /// The largest `block_txs`: keeps the sum of a block's fees far below 64 bits.
    pub const MAX_BLOCK_TXS: usize = 1024;

    const MAX_TOP_LEVELS: usize = 8;

    /// A circuit for one transfer.
    pub(crate) const SINGLE: Self = Self { block_txs: 1 };

    /// A circuit for blocks of at most `block_txs` transfers.
    pub fn new(block_txs: usize) -> Result<Self, ParamsError> {
        if (1..=Self::MAX_BLOCK_TXS).contains(&block_txs) {
            Ok(Self { block_txs })
        } else {
            Err(ParamsError(block_txs))
        }
    }

    /// Transfers a block can hold.
    pub const fn block_txs(&self) -> usize {
        self.block_txs
    }

    /// The longest block, in bytes.
    pub const fn max_block_bytes(&self) -> usize {
        HEADER_BYTES + RECORD_BYTES * self.block_txs
    }

    /// Chunks of 31 bytes in the longest block.
    pub const fn chunks(&self) -> usize {
        self.max_block_bytes() / CHUNK_BYTES
    }

    /// Levels below the root at which the circuit cuts the tree ([`crate::gadgets::merkle::Forest`]): where its constraints
    /// are fewest.
    pub const fn top_levels(&self) -> usize {
        // Two accounts a transfer and the fee account, each with a path before and one after.
        let openings = 2 * self.block_txs + 1;
        let mut best = (usize::MAX, 0);
        let mut levels = 0;
        while levels <= Self::MAX_TOP_LEVELS {
            let roots = 1 << levels;
            let permutations = 2 * openings * (DEPTH - levels) + 2 * (roots - 1);
            let constraints = permutations * PERMUTATION_CONSTRAINTS + openings * 3 * roots;
            if constraints < best.0 {
                best = (constraints, levels);
            }
            levels += 1;
        }
        best.1
    }

    /// For instance `transfer-block-d16-n8`: tree depth 16, eight transfers.
    pub fn circuit_name(&self) -> String {
        format!("transfer-block-d{DEPTH}-n{}", self.block_txs)
    }

    /// The machine-readable description whose hash is registered with the circuit.
    pub fn descriptor(&self) -> Value {
        json!({
            "name": self.circuit_name(),
            "description": "Payments rollup block: applies the posted bytes to the old root and says whether the claimed root results.",
            "proofSystem": "groth16",
            "curve": "bn254",
            "parameters": {
                "treeDepth": DEPTH,
                "blockTxs": self.block_txs,
                "maxBlockBytes": self.max_block_bytes(),
                "headerBytes": HEADER_BYTES,
                "recordBytes": RECORD_BYTES,
                "chunkBytes": CHUNK_BYTES,
                "hash": {
                    "name": "poseidon",
                    "instance": "circomlib",
                    "alpha": 5,
                    "fullRounds": poseidon::FULL_ROUNDS,
                    "partialRounds": poseidon::PARTIAL_ROUNDS,
                    "node": "poseidon(left, right)",
                    "leaf": "poseidon(key.x, key.y, balance, nonce)",
                    "chain": format!(
                        "of more than {0} elements: h = length * 2^64, then for each {0} of them h = PoseidonEx(initialState = h)",
                        poseidon::MAX_INPUTS
                    ),
                },
                "signature": {
                    "name": "EdDSA-Poseidon",
                    "instance": "circomlib",
                    "curve": "Baby Jubjub, 168700 x^2 + y^2 = 1 + 168696 x^2 y^2",
                    "message": format!("poseidon(domain, first {TRANSFER_BYTES} bytes of the record)"),
                    "valid": "S*B8 = R8 + 8*h*A, h = poseidon(R8.x, R8.y, A.x, A.y, message), S < l, both on the curve, 8*A not neutral",
                },
            },
            "publicInputs": [
                {"name": "oldRoot", "meaning": "state root before the block", "source": "statement"},
                {"name": "newRoot", "meaning": "state root claimed after the block", "source": "statement"},
                {"name": "dataHash", "meaning": "keccak256 of the block's bytes", "source": "statement"},
                {"name": "domain", "meaning": "what transfers are signed for: one value a rollup", "source": "statement"},
                {"name": "correct", "meaning": "1 if the block's bytes take oldRoot to newRoot, else 0", "source": "prover"},
                {"name": "payee", "meaning": "address that is paid for the proof", "source": "prover"},
            ],
            "groth16Inputs": [
                {"name": "C", "meaning": "Poseidon of m = [payee, domain, oldRoot, newRoot, correct, chunks...]", "source": "proof bytes"},
                {"name": "r", "meaning": "keccak256(C, m_0, m_1, m_2, m_3, m_4, dataHash) >> 8", "source": "computed by the verifier"},
                {"name": "y", "meaning": "sum of m_i * r^i", "source": "computed by the verifier"},
            ],
            "witness": [
                {"name": "data", "meaning": "the block's bytes", "source": "event of the rollup on-chain; checked against dataHash"},
                {"name": "accounts", "meaning": "accounts the block touches with their Merkle paths", "source": "genesis event and the blocks before, replayed; checked against oldRoot"},
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes() {
        let params = Params::new(8).expect("eight is a valid size");
        assert_eq!(params.circuit_name(), "transfer-block-d16-n8");
        assert_eq!(params.max_block_bytes(), 31 + 124 * 8);
        assert_eq!(params.chunks(), 33);
        assert_eq!(params.top_levels(), 4);
        assert_eq!(params.descriptor()["parameters"]["blockTxs"], 8);
        assert_eq!(Params::new(0), Err(ParamsError(0)));
        assert!(Params::new(Params::MAX_BLOCK_TXS + 1).is_err());
    }
}
