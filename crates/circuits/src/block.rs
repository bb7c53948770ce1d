//! The bytes of a block.
//!
//! | bytes | content |
//! |---|---|
//! | 0..4 | index of the account that receives the block's fees |
//! | 4..31 | ignored |
//! | then, for each transfer, 124: | |
//! | 0..4 | `from`, account index |
//! | 4..8 | `to`, account index |
//! | 8..16 | `amount`, in the rollup's smallest unit |
//! | 16..20 | `fee`, in the same unit, paid by the sender on top |
//! | 20..28 | `nonce` of the sender |
//! | 28..60, 60..92, 92..124 | R8.x, R8.y and S of the signature |
//!
//! All integers are big-endian. **Any bytes up to the maximum are a block**: what is shorter is read as if followed by
//! zeros, and a record that is not a valid transfer does nothing. R8.x and R8.y are reduced by the field's modulus.

use crate::{
    Fr, Params,
    keys::{KeyPair, SIGNATURE_BYTES, Signature},
    layout::{CHUNK_BYTES, HEADER_BYTES, RECORD_BYTES, TRANSFER_BYTES},
    poseidon, word,
};

/// A payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Index of the sender's account.
    pub from: u32,
    /// Index of the receiver's account.
    pub to: u32,
    /// What the receiver gets, in the rollup's smallest unit.
    pub amount: u64,
    /// What the block's fee account gets, in the same unit.
    pub fee: u32,
    /// Must equal the sender's nonce, which then grows by one.
    pub nonce: u64,
}

/// A record of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedTransfer {
    /// The payment.
    pub transfer: Transfer,
    /// The sender's signature, valid or not.
    pub signature: Signature,
}

/// A block as read from, or to be written to, bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Index of the account that receives the fees.
    pub fee_account: u32,
    /// The records.
    pub transfers: Vec<SignedTransfer>,
}

/// Bytes that the circuit has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block of {bytes} bytes is longer than the circuit's maximum of {max}")]
pub struct BlockTooLong {
    /// Length given.
    pub bytes: usize,
    /// Length allowed.
    pub max: usize,
}

impl Transfer {
    /// The first 28 bytes of a record.
    pub fn to_bytes(&self) -> [u8; TRANSFER_BYTES] {
        let mut bytes = [0; TRANSFER_BYTES];
        bytes[0..4].copy_from_slice(&self.from.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.to.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.amount.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.fee.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.nonce.to_be_bytes());
        bytes
    }

    /// The signed message: poseidon(domain, the 28 bytes as an integer).
    pub fn message(&self, domain: &Fr) -> Fr {
        poseidon::hash(&[*domain, word::reduce(&self.to_bytes())])
    }

    /// Signs the transfer for the rollup with this domain.
    pub fn sign(self, key: &KeyPair, domain: &Fr) -> SignedTransfer {
        SignedTransfer { transfer: self, signature: key.sign(&self.message(domain)) }
    }
}

impl SignedTransfer {
    /// The 124 bytes of the record.
    pub fn to_bytes(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..TRANSFER_BYTES].copy_from_slice(&self.transfer.to_bytes());
        bytes[TRANSFER_BYTES..].copy_from_slice(&self.signature.to_bytes());
        bytes
    }

    /// Any 124 bytes are a record.
    pub fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Self {
        let integer = |range: std::ops::Range<usize>| {
            bytes[range].iter().fold(0, |acc, byte| acc << 8 | u64::from(*byte))
        };
        let mut signature = [0; SIGNATURE_BYTES];
        signature.copy_from_slice(&bytes[TRANSFER_BYTES..]);
        Self {
            transfer: Transfer {
                from: integer(0..4) as u32,
                to: integer(4..8) as u32,
                amount: integer(8..16),
                fee: integer(16..20) as u32,
                nonce: integer(20..28),
            },
            signature: Signature::from_bytes(&signature),
        }
    }
}

impl Block {
    /// The bytes to post.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.fee_account.to_be_bytes());
        for transfer in &self.transfers {
            bytes.extend_from_slice(&transfer.to_bytes());
        }
        bytes
    }

    /// Reads any bytes that fit. The records are always `params.block_txs()`; [`records_in`] says how many of them the
    /// bytes reach into.
    pub fn from_bytes(data: &[u8], params: &Params) -> Result<Self, BlockTooLong> {
        let padded = pad(data, params)?;
        let (header, records) = padded.split_at(HEADER_BYTES);
        let transfers = records
            .chunks_exact(RECORD_BYTES)
            .map(|record| {
                let mut bytes = [0; RECORD_BYTES];
                bytes.copy_from_slice(record);
                SignedTransfer::from_bytes(&bytes)
            })
            .collect();
        Ok(Self { fee_account: u32::from_be_bytes([header[0], header[1], header[2], header[3]]), transfers })
    }
}

/// Records that `bytes` bytes of data reach into.
pub const fn records_in(bytes: usize) -> usize {
    bytes.saturating_sub(HEADER_BYTES).div_ceil(RECORD_BYTES)
}

/// The data as field elements: 31 bytes each, big-endian, padded with zeros on the right to the circuit's length.
pub fn chunks(data: &[u8], params: &Params) -> Result<Vec<Fr>, BlockTooLong> {
    Ok(pad(data, params)?.chunks_exact(CHUNK_BYTES).map(word::reduce).collect())
}

fn pad(data: &[u8], params: &Params) -> Result<Vec<u8>, BlockTooLong> {
    let max = params.max_block_bytes();
    if data.len() > max {
        return Err(BlockTooLong { bytes: data.len(), max });
    }
    let mut padded = data.to_vec();
    padded.resize(max, 0);
    Ok(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Params {
        Params::new(2).expect("two is a valid size")
    }

    #[test]
    fn bytes_round_trip() {
        let data: Vec<u8> = (0..params().max_block_bytes()).map(|i| (i * 7 + 1) as u8).collect();
        let block = Block::from_bytes(&data, &params()).expect("the data fit");
        assert_eq!(block.fee_account, u32::from_be_bytes([1, 8, 15, 22]));
        assert_eq!(block.transfers[1].to_bytes()[..], data[31 + 124..]);
        let again = Block::from_bytes(&block.to_bytes(), &params()).expect("the data fit");
        assert_eq!(block, again);
    }

    #[test]
    fn short_data_is_padded_and_long_data_refused() {
        let full = Block::from_bytes(&[9], &params()).expect("the data fit");
        assert_eq!((full.fee_account, full.transfers.len()), (9 << 24, 2));
        let bytes = params().max_block_bytes() + 1;
        assert_eq!(
            Block::from_bytes(&vec![0; bytes], &params()),
            Err(BlockTooLong { bytes, max: bytes - 1 })
        );
        assert_eq!([0, 31, 32, 155, 156].map(records_in), [0, 0, 1, 1, 2]);
    }

    #[test]
    fn chunks_are_big_endian_and_padded_on_the_right() {
        let chunks = chunks(&[1], &params()).expect("the data fit");
        assert_eq!(chunks.len(), params().chunks());
        let mut word = [0; 32];
        word[1] = 1;
        assert_eq!(word::from_field(&chunks[0]), word);
        assert_eq!(chunks[1], Fr::from(0u8));
    }
}
