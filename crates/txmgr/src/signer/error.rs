//! Why there is no signature.

use alloy::primitives::Address;

/// Each says what happened and what to do. `signer` is the scheme, host and port that was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The key in this process.
    #[error("the key does not sign: {0}")]
    Key(String),
    /// Its URL is none.
    #[error("the remote signer's URL is of no use ({0}); give one like http://127.0.0.1:9000")]
    Url(String),
    /// Nothing could be asked.
    #[error(
        "the remote signer at {signer} cannot be reached ({reason}); start it, or correct --remote-signer"
    )]
    Unreachable {
        /// Who was asked.
        signer: String,
        /// What the connection says.
        reason: String,
    },
    /// It took longer than anybody waits.
    #[error("the remote signer at {signer} did not answer within {seconds} s; look at its log")]
    Timeout {
        /// Who was asked.
        signer: String,
        /// Seconds that were waited.
        seconds: u64,
    },
    /// HTTP's word for no.
    #[error(
        "the remote signer at {signer} answered with HTTP status {status}; look at its log, or correct --remote-signer"
    )]
    Status {
        /// Who was asked.
        signer: String,
        /// The status.
        status: u16,
    },
    /// No answer to the question.
    #[error(
        "the remote signer at {signer} answered with what is none ({what}); is it one? correct --remote-signer"
    )]
    Senseless {
        /// Who was asked.
        signer: String,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// It said no.
    #[error(
        "the remote signer at {signer} refused {method} ({code}: {message}); see that it may sign for {account} on this chain"
    )]
    Refused {
        /// Who was asked.
        signer: String,
        /// For what.
        method: &'static str,
        /// The JSON-RPC error's code.
        code: i64,
        /// The JSON-RPC error's message, cut short.
        message: String,
        /// Whose signature was asked for.
        account: Address,
    },
    /// It said no to a message, which not every signer signs.
    #[error(
        "the remote signer at {signer} does not sign messages ({code}: {message}), which it needs eth_signTypedData for; sign with a \
         keystore, or make the offer in a transaction where there is one"
    )]
    MessageRefused {
        /// Who was asked.
        signer: String,
        /// The JSON-RPC error's code.
        code: i64,
        /// The JSON-RPC error's message, cut short.
        message: String,
    },
    /// It signs for others.
    #[error(
        "the remote signer at {signer} has no key of {account}, but {others} other(s); add it there, or correct --sender"
    )]
    AccountMissing {
        /// Who was asked.
        signer: String,
        /// Whose key was looked for.
        account: Address,
        /// How many accounts it named.
        others: usize,
    },
    /// It signed something else, so nothing was sent.
    #[error(
        "the remote signer at {signer} signed another transaction than it was given ({what} differs), so nothing was sent; see that \
         it is for this chain and changes nothing"
    )]
    Altered {
        /// Who was asked.
        signer: String,
        /// The first part that differs.
        what: &'static str,
    },
    /// Another key signed, so nothing was sent.
    #[error(
        "the remote signer at {signer} signed with the key of another account than {account}, so nothing was sent; correct --sender, or its keys"
    )]
    WrongKey {
        /// Who was asked.
        signer: String,
        /// Whose signature was asked for.
        account: Address,
    },
}

impl SignerError {
    pub(super) fn key(error: alloy::signers::Error) -> Self {
        Self::Key(error.to_string())
    }

    /// Whether asking again later may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}
