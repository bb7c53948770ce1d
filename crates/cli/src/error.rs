//! What can go wrong, as stable codes and one sentence each: what happened, and what to do.

use std::fmt;

use eyre::Report;

/// Stable names of failures, as `--json` prints them. A code never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Usage,
    Config,
    Io,
    NoKey,
    BadKey,
    WrongPassword,
    SignerUnavailable,
    SignerRefused,
    KeystoreExists,
    RpcUnavailable,
    RpcRejected,
    WrongChain,
    ChainUnsupported,
    DeploymentNotFound,
    DeploymentInvalid,
    DeploymentExists,
    WrongContract,
    NotDevelopmentChain,
    DevelopmentKey,
    InsufficientBalance,
    InsufficientGasFunds,
    GasTooHigh,
    Foreseeable,
    InsufficientStake,
    InsufficientFunds,
    InsufficientCredit,
    StakeBelowBond,
    TooSlow,
    NotRegistered,
    AlreadyRegistered,
    NotReady,
    MarketNotFound,
    RollupNotFound,
    RollupExists,
    CircuitNotFound,
    CircuitExists,
    DescriptorInvalid,
    CircuitMismatch,
    PayeeUnbound,
    ArtifactUnavailable,
    SlotNotFound,
    SlotProven,
    SlotExpired,
    SlotCancelled,
    SlotDropped,
    SlotNotAssigned,
    PoolNotFound,
    NotOperator,
    InsufficientShares,
    RevisionChanged,
    BeyondPolicy,
    NothingToClaim,
    SlotNotHeld,
    NotHolder,
    NotTaker,
    OfferNotFound,
    OfferExpired,
    OfferInvalid,
    TermsNotAccepted,
    WrongTime,
    AlreadyDone,
    ProofInvalid,
    ProofForAnother,
    TermsRejected,
    KeyFileMissing,
    KeyFileInvalid,
    KeyHashMismatch,
    Compiler,
    DataDirBusy,
    DataDirInvalid,
    NatsUnavailable,
    LeftInDraws,
    AddressInUse,
    NodeUnavailable,
    Reverted,
    Unsent,
    Unfinished,
    Cancelled,
    Internal,
}

impl Code {
    #[cfg(test)]
    pub(crate) const ALL: &'static [Self] = &[
        Self::Usage,
        Self::Config,
        Self::Io,
        Self::NoKey,
        Self::BadKey,
        Self::WrongPassword,
        Self::SignerUnavailable,
        Self::SignerRefused,
        Self::KeystoreExists,
        Self::RpcUnavailable,
        Self::RpcRejected,
        Self::WrongChain,
        Self::ChainUnsupported,
        Self::DeploymentNotFound,
        Self::DeploymentInvalid,
        Self::DeploymentExists,
        Self::WrongContract,
        Self::NotDevelopmentChain,
        Self::DevelopmentKey,
        Self::InsufficientBalance,
        Self::InsufficientGasFunds,
        Self::GasTooHigh,
        Self::Foreseeable,
        Self::InsufficientStake,
        Self::InsufficientFunds,
        Self::InsufficientCredit,
        Self::StakeBelowBond,
        Self::TooSlow,
        Self::NotRegistered,
        Self::AlreadyRegistered,
        Self::NotReady,
        Self::MarketNotFound,
        Self::RollupNotFound,
        Self::RollupExists,
        Self::CircuitNotFound,
        Self::CircuitExists,
        Self::DescriptorInvalid,
        Self::CircuitMismatch,
        Self::PayeeUnbound,
        Self::ArtifactUnavailable,
        Self::SlotNotFound,
        Self::SlotProven,
        Self::SlotExpired,
        Self::SlotCancelled,
        Self::SlotDropped,
        Self::SlotNotAssigned,
        Self::PoolNotFound,
        Self::NotOperator,
        Self::InsufficientShares,
        Self::RevisionChanged,
        Self::BeyondPolicy,
        Self::NothingToClaim,
        Self::SlotNotHeld,
        Self::NotHolder,
        Self::NotTaker,
        Self::OfferNotFound,
        Self::OfferExpired,
        Self::OfferInvalid,
        Self::TermsNotAccepted,
        Self::WrongTime,
        Self::AlreadyDone,
        Self::ProofInvalid,
        Self::ProofForAnother,
        Self::TermsRejected,
        Self::KeyFileMissing,
        Self::KeyFileInvalid,
        Self::KeyHashMismatch,
        Self::Compiler,
        Self::DataDirBusy,
        Self::DataDirInvalid,
        Self::NatsUnavailable,
        Self::LeftInDraws,
        Self::AddressInUse,
        Self::NodeUnavailable,
        Self::Reverted,
        Self::Unsent,
        Self::Unfinished,
        Self::Cancelled,
        Self::Internal,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Config => "config",
            Self::Io => "io",
            Self::NoKey => "no_key",
            Self::BadKey => "bad_key",
            Self::WrongPassword => "wrong_password",
            Self::SignerUnavailable => "signer_unavailable",
            Self::SignerRefused => "signer_refused",
            Self::KeystoreExists => "keystore_exists",
            Self::RpcUnavailable => "rpc_unavailable",
            Self::RpcRejected => "rpc_rejected",
            Self::WrongChain => "wrong_chain",
            Self::ChainUnsupported => "chain_unsupported",
            Self::DeploymentNotFound => "deployment_not_found",
            Self::DeploymentInvalid => "deployment_invalid",
            Self::DeploymentExists => "deployment_exists",
            Self::WrongContract => "wrong_contract",
            Self::NotDevelopmentChain => "not_development_chain",
            Self::DevelopmentKey => "development_key",
            Self::InsufficientBalance => "insufficient_balance",
            Self::InsufficientGasFunds => "insufficient_gas_funds",
            Self::GasTooHigh => "gas_too_high",
            Self::Foreseeable => "foreseeable_randomness",
            Self::InsufficientStake => "insufficient_stake",
            Self::InsufficientFunds => "insufficient_funds",
            Self::InsufficientCredit => "insufficient_credit",
            Self::StakeBelowBond => "stake_below_bond",
            Self::TooSlow => "too_slow",
            Self::NotRegistered => "not_registered",
            Self::AlreadyRegistered => "already_registered",
            Self::NotReady => "not_ready",
            Self::MarketNotFound => "market_not_found",
            Self::RollupNotFound => "rollup_not_found",
            Self::RollupExists => "rollup_exists",
            Self::CircuitNotFound => "circuit_not_found",
            Self::CircuitExists => "circuit_exists",
            Self::DescriptorInvalid => "descriptor_invalid",
            Self::CircuitMismatch => "circuit_mismatch",
            Self::PayeeUnbound => "payee_unbound",
            Self::ArtifactUnavailable => "artifact_unavailable",
            Self::SlotNotFound => "slot_not_found",
            Self::SlotProven => "slot_proven",
            Self::SlotExpired => "slot_expired",
            Self::SlotCancelled => "slot_cancelled",
            Self::SlotDropped => "slot_dropped",
            Self::SlotNotAssigned => "slot_not_assigned",
            Self::PoolNotFound => "pool_not_found",
            Self::NotOperator => "not_operator",
            Self::InsufficientShares => "insufficient_shares",
            Self::RevisionChanged => "revision_changed",
            Self::BeyondPolicy => "beyond_policy",
            Self::NothingToClaim => "nothing_to_claim",
            Self::SlotNotHeld => "slot_not_held",
            Self::NotHolder => "not_holder",
            Self::NotTaker => "not_taker",
            Self::OfferNotFound => "offer_not_found",
            Self::OfferExpired => "offer_expired",
            Self::OfferInvalid => "offer_invalid",
            Self::TermsNotAccepted => "terms_not_accepted",
            Self::WrongTime => "wrong_time",
            Self::AlreadyDone => "already_done",
            Self::ProofInvalid => "proof_invalid",
            Self::ProofForAnother => "proof_for_another",
            Self::TermsRejected => "terms_rejected",
            Self::KeyFileMissing => "key_file_missing",
            Self::KeyFileInvalid => "key_file_invalid",
            Self::KeyHashMismatch => "key_hash_mismatch",
            Self::Compiler => "compiler",
            Self::DataDirBusy => "data_dir_busy",
            Self::DataDirInvalid => "data_dir_invalid",
            Self::NatsUnavailable => "nats_unavailable",
            Self::LeftInDraws => "left_in_draws",
            Self::AddressInUse => "address_in_use",
            Self::NodeUnavailable => "node_unavailable",
            Self::Reverted => "reverted",
            Self::Unsent => "unsent",
            Self::Unfinished => "unfinished",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// A failure as the user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub code: Code,
    pub message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": { "code": self.code.as_str(), "message": self.message } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// It did not go well, and the result says so: nothing is left to be said but the exit code.
#[derive(Debug)]
pub(crate) struct Told;

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("see above")
    }
}

impl std::error::Error for Told {}

/// `fail(Code::X, "…")` as the error of any command.
pub(crate) fn fail(code: Code, message: impl Into<String>) -> Report {
    Report::new(Failure::new(code, message))
}
