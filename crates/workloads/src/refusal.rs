//! Why a slot cannot be proven, or a market not be served.

use alloy::primitives::B256;
use provery_types::{CircuitTerms, Terms};

/// A sentence in the workload's words, and which kind of reason it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which kind of reason it is.
    pub why: Why,
    message: String,
}

/// What others decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// No workload tracks the market.
    Untracked,
    /// This program does not know the workload that the deployment file names.
    UnknownWorkload,
    /// The workload is proven with no circuit of the name that the file gives, or what is registered is another one, or what the
    /// market's terms name.
    Circuit,
    /// At the address that the file gives is another contract than it says, or none.
    Contract,
    /// The keys' secrets are known, and the chain is no development chain.
    DevelopmentKeys,
    /// The workload's own parameters in the deployment file cannot be read.
    Parameters,
    /// The market's beginning is not known.
    NotBegun,
    /// The requester has not said what the slot is about.
    NotPosted,
    /// The slot states something else than what was said about it.
    Mismatch,
    /// Nobody who follows the chain can have the inputs.
    Hidden,
    /// Its inputs are elsewhere, and were not had from there.
    Unfetched,
    /// No machine makes a proof of its inputs.
    Unprovable,
    /// Under the market's terms no proof can come in time.
    Delay,
    /// The circuit's files are not here, or cannot be used.
    Files,
    /// What was said makes no sense, so none of it is believed.
    Nonsense,
    /// The inputs are there, and no job can be made of them.
    Unusable,
    /// A proof takes longer than the market allows.
    TooSlow,
}

impl Refusal {
    /// Unless slots under these terms are proven by the circuit that is registered as `circuit`.
    pub(crate) fn unless_of(circuit: B256, terms: &Terms) -> Result<(), Self> {
        if terms.circuit == circuit {
            return Ok(());
        }
        let message = format!(
            "version {} of the market's terms names circuit {}, and the deployment file {circuit}: its slots cannot be proven here",
            terms.version, terms.circuit
        );
        Err(Self::new(Why::Circuit, message))
    }

    /// Unless a holder has some of its window left to show a proof in.
    pub(crate) fn unless_in_time(terms: &Terms) -> Result<(), Self> {
        let (circuit, window) = (CircuitTerms::read(terms), u64::from(terms.exclusiveWindow));
        if circuit.payee_bound() || circuit.margin() < window {
            return Ok(());
        }
        let message = format!(
            "version {} of the market's terms has an exclusive window of {window} s and a reveal delay of {} blocks, for which {} s of \
             it are needed: a proof could not be shown in time",
            terms.version,
            circuit.reveal_delay,
            circuit.margin()
        );
        Err(Self::new(Why::Delay, message))
    }

    /// `message` is a sentence for people, in the workload's words.
    pub fn new(why: Why, message: impl Into<String>) -> Self {
        Self { why, message: message.into() }
    }
}

impl Why {
    /// A stable word.
    pub fn code(self) -> &'static str {
        match self {
            Self::Untracked => "no_rollup",
            Self::UnknownWorkload => "unknown_workload",
            Self::Circuit => "other_circuit",
            Self::Contract => "other_contract",
            Self::DevelopmentKeys => "development_keys",
            Self::Parameters => "bad_parameters",
            Self::NotBegun => "no_state",
            Self::NotPosted => "not_posted",
            Self::Mismatch => "statement_mismatch",
            Self::Hidden => "inputs_hidden",
            Self::Unfetched => "inputs_unfetched",
            Self::Unprovable => "unprovable",
            Self::Delay => "reveal_delay",
            Self::Files => "no_keys",
            Self::Nonsense => "quarantined",
            Self::Unusable => "unusable",
            Self::TooSlow => "too_slow",
        }
    }
}
