//! The contracts as Rust types: `sol!` over `abi/*.json`, which `cargo xtask contracts` writes from contracts/src.
//!
//! Solidity's file-level structs `Slot` and `Terms` are one Rust type each, the ones of [`ProofMarket`]. The rollup's
//! ABI repeats `Terms`; [`From`] leads across, field by field, so that a change of the struct stops the build.

mod convert;
mod errors;
mod serde_structs;

pub use errors::{DecodedError, decode_revert};
pub use market::{
    MarketState::Contracts as MarketContracts,
    ProofMarket::{self, Slot, Terms},
};
pub use mechanisms::*;
/// A registered circuit, and what registers one.
pub use others::circuits::ICircuitRegistry::{Circuit, Registration, Sample};
/// What a pool may do in a market.
pub use others::policies::IDelegationPoolPolicies::Policy;
/// A prover as the registry stores it.
pub use others::{
    block_verifier::BlockVerifier,
    circuits::CircuitRegistry,
    extension::ProofMarketExt,
    policies::DelegationPoolPolicies,
    pool::DelegationPool,
    pools::DelegationPools,
    registry::{
        IProverRegistry::{Params as RegistryConfig, Position, Prover},
        ProverRegistry,
    },
    rollup::TransferRollup,
    rules::TermsRules,
    slot_inputs::SlotInputs,
    slot_transfers::SlotTransfers,
    token::DevelopmentToken,
    verifier::IVerifier,
};
/// What every mechanism answers, and what those answer that keep bonds of their own.
pub use others::{bond_escrow::IBondEscrow, mechanism::IMechanism};

/// The one list of mechanisms: a module, its contract and the contract's ABI. Hands it to another macro: here it makes
/// the bindings and the table of errors, in `provery-mechanisms` the client's side of each.
#[macro_export]
macro_rules! for_each_mechanism {
    ($($then:tt)+) => {
        $($then)+! {
            stake_lottery: StakeLottery = "abi/StakeLottery.json",
            race: Race = "abi/Race.json",
            mining: Mining = "abi/Mining.json",
            reverse_dutch_auction: ReverseDutchAuction = "abi/ReverseDutchAuction.json",
            sealed_bid_auction: SealedBidAuction = "abi/SealedBidAuction.json",
            agreement: Agreement = "abi/Agreement.json",
            standing_asks: StandingAsks = "abi/StandingAsks.json",
        }
    };
}

/// The mechanism that keeps the epochs' seeds, as whoever brings them in and reads them knows it.
pub mod epoch_seeds {
    pub use crate::mechanisms::StakeLottery::{
        StakeLotteryEvents as Events, StakeLotteryInstance as Instance, *,
    };

    /// The contract's name in a deployment.
    pub const NAME: &str = "StakeLottery";
}

/// Each contract has a module of its own, since `sol!` puts types that contracts share next to the contract.
macro_rules! contract {
    ($module:ident, $name:ident, $json:literal) => {
        /// A contract as Rust types: its calls, structs, events and errors, and its ABI.
        #[allow(clippy::too_many_arguments, missing_debug_implementations, missing_docs, unreachable_pub)]
        pub mod $module {
            alloy::sol!(
                #[sol(rpc, abi, all_derives)]
                $name,
                $json
            );
        }
    };
}

contract!(market, ProofMarket, "abi/ProofMarket.json");

macro_rules! contracts {
    ($($module:ident: $name:ident = $json:literal),+ $(,)?) => {
        $(contract!($module, $name, $json);)+
    };
}

/// The mechanisms' contracts.
mod mechanisms {
    for_each_mechanism!(contracts);

    macro_rules! reexport {
        ($($module:ident: $name:ident = $json:literal),+ $(,)?) => {
            $(pub use $module::$name;)+

            /// Every error that a mechanism can revert with, by the mechanism's contract.
            pub fn mechanism_errors()
            -> Vec<(&'static str, std::collections::BTreeMap<String, Vec<alloy::json_abi::Error>>)> {
                vec![$((stringify!($name), $name::abi::errors())),+]
            }
        };
    }
    for_each_mechanism!(reexport);
}

mod others {
    contract!(bond_escrow, IBondEscrow, "abi/IBondEscrow.json");
    contract!(mechanism, IMechanism, "abi/IMechanism.json");
    contract!(block_verifier, BlockVerifier, "abi/BlockVerifier.json");
    contract!(circuits, CircuitRegistry, "abi/CircuitRegistry.json");
    contract!(extension, ProofMarketExt, "abi/ProofMarketExt.json");
    contract!(slot_inputs, SlotInputs, "abi/SlotInputs.json");
    contract!(slot_transfers, SlotTransfers, "abi/SlotTransfers.json");
    contract!(policies, DelegationPoolPolicies, "abi/DelegationPoolPolicies.json");
    contract!(pool, DelegationPool, "abi/DelegationPool.json");
    contract!(pools, DelegationPools, "abi/DelegationPools.json");
    contract!(registry, ProverRegistry, "abi/ProverRegistry.json");
    contract!(rules, TermsRules, "abi/TermsRules.json");
    contract!(rollup, TransferRollup, "abi/TransferRollup.json");
    contract!(token, DevelopmentToken, "abi/DevelopmentToken.json");
    contract!(verifier, IVerifier, "abi/IVerifier.json");
}
