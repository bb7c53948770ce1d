//! How long the parts of a block are.

use crate::keys::SIGNATURE_BYTES;

/// Bytes of a field element's worth of data: the most that always fits below the modulus.
pub const CHUNK_BYTES: usize = 31;
/// Bytes before the first record.
pub const HEADER_BYTES: usize = CHUNK_BYTES;
/// Bytes of a transfer with its signature.
pub const RECORD_BYTES: usize = 4 * CHUNK_BYTES;
/// Bytes of a transfer without its signature.
pub const TRANSFER_BYTES: usize = RECORD_BYTES - SIGNATURE_BYTES;
