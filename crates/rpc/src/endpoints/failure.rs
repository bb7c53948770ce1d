//! What a failed request is to those who asked.

use alloy::transports::{RpcError, TransportErrorKind};
use provery_bindings::decode_revert;

use super::{
    refusal::{About, about},
    wire::Fault,
};
use crate::{cause::root_cause, error::ChainError};

impl ChainError {
    pub(crate) fn rpc(url: &str, method: &'static str, error: RpcError<TransportErrorKind>) -> Self {
        let url = url.to_string();
        match error {
            RpcError::ErrorResp(payload) => {
                if let Some(error) = payload.as_revert_data().and_then(|data| decode_revert(&data)) {
                    return Self::Reverted { method, error };
                }
                let (code, message) = (payload.code, payload.message.to_string());
                match about(method, &payload) {
                    About::Pruned => Self::Pruned { url, method, message: format!("{code}: {message}") },
                    _ => Self::Refused { url, method, code, message },
                }
            }
            RpcError::DeserError { err, .. } => Self::Inconsistent { url, method, reason: err.to_string() },
            RpcError::NullResp => Self::Inconsistent { url, method, reason: "null".to_string() },
            RpcError::Transport(TransportErrorKind::Custom(fault))
                if fault.downcast_ref().is_some_and(Fault::is_senseless) =>
            {
                Self::Inconsistent { url, method, reason: fault.to_string() }
            }
            other => Self::Unreachable { url, reason: root_cause(&other) },
        }
    }

    pub(crate) fn contract(url: &str, method: &'static str, error: alloy::contract::Error) -> Self {
        match error {
            alloy::contract::Error::TransportError(error) => Self::rpc(url, method, error),
            other => Self::Inconsistent { url: url.to_string(), method, reason: other.to_string() },
        }
    }
}
