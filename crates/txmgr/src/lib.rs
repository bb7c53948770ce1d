//! The one owner of a key's nonces: a durable outbox of transactions.
//!
//! A call becomes a [`PendingTransaction`], which is signed and in the [`Journal`] before it is first broadcast, and stays there
//! until its receipt's block is too deep for a reorg. [`Sender::run`] polls the chain for all of them at every block; where no such
//! task runs, whoever waits for one polls for all.
//!
//! | module | what it holds |
//! |---|---|
//! | `order` | what is to be sent, what it may cost, and what became of it |
//! | `fees`, `decide` | which fees to offer, and what to do about a transaction: pure |
//! | `signer` | who signs: a key in this process, or a program elsewhere |
//! | `submit` | a nonce, a signature, the journal, the first broadcast |
//! | `poll` | a snapshot of the chain, and for each transaction what is to be done |
//! | `resubmit` | again, with higher fees, as a cancellation; gaps between nonces |
//! | `broadcast` | what an endpoint is asked and told |
//! | `pending` | the transactions in memory |
//! | `journal`, `outlay` | the transactions on disk, and what those that ended cost |

mod broadcast;
mod config;
mod decide;
mod error;
mod fees;
mod funding;
mod journal;
mod make_block;
mod order;
mod outbox;
mod outlay;
mod pending;
mod poll;
mod resubmit;
mod sender;
mod signer;
mod snapshot;
mod status;
mod submit;
#[cfg(test)]
mod tests;
mod transaction;
mod watch;

pub use config::SenderConfig;
pub use error::SendError;
pub use journal::{Journal, JournalError, Memory};
pub use make_block::make_block;
pub use order::{Landing, Mined, Order, SendTimings, Waiting};
pub use outlay::{DayOutlay, Outlay, Spent};
pub use sender::Sender;
pub use signer::{RemoteSigner, Signer, SignerError};
pub use status::OutboxStatus;
pub use transaction::{MinedAt, Paid, PendingTransaction, Signed, Spend};
