//! From whatever went wrong to one code and one sentence.

use eyre::Report;
use provery_node::{NodeError, monitor::ServeError, store::StoreError, supervisor::SupervisorError};
use provery_proving::{KeyError, ProveError, import::ImportError, solidity::SolidityError};
use provery_rpc::ChainError;
use provery_txmgr::{SendError, SignerError};
use provery_types::{DeploymentError, SlotState};
use provery_worker::{NatsError, lease::LeaderError, stdio::StdioError};
use provery_workloads::{Refusal, Why};

use crate::error::{Code, Failure};

mod reverts;
#[cfg(test)]
mod tests;

use reverts::of_revert;

/// The failure that a report is about: the first cause that has a code.
pub(crate) fn explain(report: &Report) -> Failure {
    report
        .chain()
        .find_map(known)
        .unwrap_or_else(|| Failure::new(Code::Internal, one_line(&format!("{report:#}"))))
}

fn known(cause: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.clone());
    }
    let code = if let Some(error) = cause.downcast_ref::<SendError>() {
        return Some(of_send(error));
    } else if let Some(error) = cause.downcast_ref::<ChainError>() {
        return Some(of_chain(error));
    } else if let Some(error) = cause.downcast_ref::<NodeError>() {
        return Some(of_node(error));
    } else if let Some(error) = cause.downcast_ref::<SignerError>() {
        of_signer(error)
    } else if let Some(error) = cause.downcast_ref::<DeploymentError>() {
        of_deployment(error)
    } else if let Some(refusal) = cause.downcast_ref::<Refusal>() {
        of_refusal(refusal)
    } else if let Some(error) = cause.downcast_ref::<KeyError>() {
        of_key(error)
    } else if let Some(error) = cause.downcast_ref::<ProveError>() {
        of_proof(error)
    } else if let Some(error) = cause.downcast_ref::<NatsError>() {
        of_nats(error)
    } else if let Some(error) = cause.downcast_ref::<LeaderError>() {
        match error {
            LeaderError::Nats(error) => of_nats(error),
            LeaderError::Lease(_) => Code::Config,
        }
    } else if cause.downcast_ref::<StdioError>().is_some() {
        Code::Config
    } else if let Some(error) = cause.downcast_ref::<ImportError>() {
        if matches!(error, ImportError::Io { .. }) { Code::Io } else { Code::KeyFileInvalid }
    } else if cause.downcast_ref::<SolidityError>().is_some() {
        Code::KeyFileInvalid
    } else {
        return None;
    };
    Some(Failure::new(code, one_line(&cause.to_string())))
}

fn of_chain(error: &ChainError) -> Failure {
    let code = match error {
        ChainError::UrlInvalid { .. } => Code::Config,
        ChainError::Unreachable { .. } => Code::RpcUnavailable,
        ChainError::Refused { .. }
        | ChainError::Pruned { .. }
        | ChainError::Inconsistent { .. }
        | ChainError::BlockNotFound(_) => Code::RpcRejected,
        ChainError::WrongChain { .. } | ChainError::ChainsDiffer { .. } => Code::WrongChain,
        ChainError::CodeMissing { .. }
        | ChainError::CodeDiffers { .. }
        | ChainError::AssetUnusable { .. }
        | ChainError::DecimalsDiffer { .. } => Code::WrongContract,
        ChainError::DeploymentUnreadable { .. } => Code::DeploymentNotFound,
        ChainError::Deployment(error) => of_deployment(error),
        ChainError::Reverted { error, .. } => return of_revert("the request", &error.name, &error.detail()),
        ChainError::MarketNotFound(market) => {
            return Failure::new(
                Code::MarketNotFound,
                format!("market {market} does not exist; `provery market list` shows those that do"),
            );
        }
        ChainError::TermsNotFound { .. } => Code::RpcRejected,
        ChainError::ReorgTooDeep { .. } => Code::DataDirInvalid,
        ChainError::Decode(_) => Code::WrongContract,
    };
    Failure::new(code, one_line(&error.to_string()))
}

fn of_refusal(refusal: &Refusal) -> Code {
    match refusal.why {
        Why::Untracked => Code::RollupNotFound,
        Why::UnknownWorkload | Why::Circuit | Why::Parameters => Code::DeploymentInvalid,
        Why::Contract => Code::WrongContract,
        Why::DevelopmentKeys => Code::DevelopmentKey,
        Why::Mismatch | Why::NotPosted => Code::ProofForAnother,
        Why::TooSlow => Code::TooSlow,
        Why::Unfetched => Code::ArtifactUnavailable,
        Why::Delay => Code::TermsRejected,
        Why::Files => Code::KeyFileMissing,
        Why::Unprovable => Code::ProofInvalid,
        Why::NotBegun | Why::Hidden | Why::Nonsense | Why::Unusable => Code::Internal,
    }
}

fn of_node(error: &NodeError) -> Failure {
    let code = match error {
        NodeError::Chain(error) => return of_chain(error),
        NodeError::Send(error) => return of_send(error),
        NodeError::Task(SupervisorError::Failed { source, .. }) => {
            return source
                .downcast_ref::<NodeError>()
                .map(of_node)
                .or_else(|| source.downcast_ref::<ChainError>().map(of_chain))
                .unwrap_or_else(|| Failure::new(Code::Internal, one_line(&error.to_string())));
        }
        NodeError::Store(error) => of_store(error),
        NodeError::Prove(error) => of_proof(error),
        NodeError::Workload(refusal) => of_refusal(refusal),
        NodeError::Snapshot(_) => Code::DataDirInvalid,
        NodeError::NoBackend { .. } => Code::KeyFileMissing,
        NodeError::SlotNotFound(_) => Code::SlotNotFound,
        NodeError::SlotEnded { state: SlotState::Proven, .. } => Code::SlotProven,
        NodeError::SlotEnded { state: SlotState::Cancelled, .. } => Code::SlotCancelled,
        NodeError::SlotEnded { state: SlotState::Dropped, .. } => Code::SlotDropped,
        NodeError::SlotEnded { .. } | NodeError::SlotOver { .. } => Code::SlotExpired,
        NodeError::SlotHeld { .. } => Code::SlotNotAssigned,
        NodeError::Serve(ServeError::Bind { .. }) => Code::AddressInUse,
        NodeError::Serve(_) => Code::Internal,
        NodeError::LeftInDraws { .. } => Code::LeftInDraws,
        NodeError::Stopped => Code::Cancelled,
        NodeError::Task(_) | NodeError::TermsNotFound(_) => Code::Internal,
    };
    Failure::new(code, one_line(&error.to_string()))
}

fn of_store(error: &StoreError) -> Code {
    match error {
        StoreError::InUse { .. } => Code::DataDirBusy,
        StoreError::Directory { .. } => Code::Io,
        _ => Code::DataDirInvalid,
    }
}

fn of_send(error: &SendError) -> Failure {
    let code = match error {
        SendError::Reverted { kind, name, detail, .. } => return of_revert(kind, name, detail),
        SendError::Rpc(error) => return of_chain(error),
        SendError::Underfunded { .. } => Code::InsufficientGasFunds,
        SendError::AssetUnderfunded { .. } => Code::InsufficientBalance,
        SendError::Rejected { .. } | SendError::Unseen { .. } => Code::RpcRejected,
        SendError::Unsupported { .. } => Code::ChainUnsupported,
        SendError::GasTooHigh { .. }
        | SendError::NonceTaken { .. }
        | SendError::TimedOut { .. }
        | SendError::TooDear { .. }
        | SendError::Abandoned { .. } => Code::Unsent,
        SendError::Journal(_) => Code::Io,
        SendError::Signing { error, .. } => of_signer(error),
        SendError::Incomplete { .. } => Code::Internal,
    };
    Failure::new(code, one_line(&error.to_string()))
}

fn of_signer(error: &SignerError) -> Code {
    match error {
        SignerError::Key(_) => Code::BadKey,
        SignerError::Url(_) => Code::Config,
        SignerError::Unreachable { .. }
        | SignerError::Timeout { .. }
        | SignerError::Status { .. }
        | SignerError::Senseless { .. } => Code::SignerUnavailable,
        SignerError::Refused { .. }
        | SignerError::MessageRefused { .. }
        | SignerError::AccountMissing { .. }
        | SignerError::Altered { .. }
        | SignerError::WrongKey { .. } => Code::SignerRefused,
    }
}

fn of_deployment(error: &DeploymentError) -> Code {
    match error {
        DeploymentError::Syntax(_) | DeploymentError::Missing(_) | DeploymentError::SharedAddress { .. } => {
            Code::DeploymentInvalid
        }
        DeploymentError::DevelopmentKeys(_) => Code::DevelopmentKey,
        DeploymentError::UnknownRollup { .. } => Code::RollupNotFound,
    }
}

fn of_key(error: &KeyError) -> Code {
    match error {
        KeyError::Missing { .. } => Code::KeyFileMissing,
        KeyError::Hash { .. } | KeyError::KeyHash { .. } | KeyError::Another { .. } => Code::KeyHashMismatch,
        KeyError::Io { .. } => Code::Io,
        _ => Code::KeyFileInvalid,
    }
}

fn of_nats(error: &NatsError) -> Code {
    match error {
        NatsError::Address(_) | NatsError::Prefix(_) | NatsError::Credentials { .. } => Code::Config,
        NatsError::Unavailable { .. } | NatsError::Malformed { .. } => Code::NatsUnavailable,
        NatsError::Key(error) => of_key(error),
        NatsError::Io { .. } => Code::Io,
    }
}

fn of_proof(error: &ProveError) -> Code {
    match error {
        ProveError::Cancelled => Code::Cancelled,
        ProveError::Circuit { .. } | ProveError::Shape { .. } => Code::KeyFileInvalid,
        _ => Code::ProofInvalid,
    }
}

/// Errors of compilers and nodes may bring their own line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
