//! What is behind an error, in a few words.

use alloy::transports::{RpcError, TransportErrorKind};

/// Why a request has no answer, in a few words: of an answer that cannot be read not the answer, which may be long.
pub fn reason(error: &RpcError<TransportErrorKind>) -> String {
    match error {
        RpcError::ErrorResp(payload) => format!("{}: {}", payload.code, payload.message),
        RpcError::DeserError { err, .. } => err.to_string(),
        other => root_cause(other),
    }
}

/// The innermost error, which is the one that says what happened ("Connection refused").
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
