//! The contracts as Rust types: `sol!` over `abi/*.json`, which `cargo xtask contracts` writes from contracts/src.
//!
//! Solidity's file-level structs `Slot` and `Terms` are one Rust type each, the ones of [`ProofMarket`]. The rollup's
//! ABI repeats `Terms`; [`From`] leads across, field by field, so that a change of the struct stops the build.

mod convert;
mod errors;
mod serde_structs;

pub use errors::{DecodedError, decode_revert};
pub use market::ProofMarket;
pub use market::ProofMarket::{Slot, Terms};
/// A registered circuit.
pub use others::circuits::ICircuitRegistry::Circuit;
/// A prover as the registry stores it.
pub use others::registry::IProverRegistry::Prover;
pub use others::{
    agreement::Agreement, block_verifier::BlockVerifier, circuits::CircuitRegistry,
    dutch::ReverseDutchAuction, lottery::StakeLottery, mining::Mining, pool::DelegationPool,
    pools::DelegationPools, race::Race, registry::ProverRegistry, rollup::TransferRollup,
    sealed_bid::SealedBidAuction, token::DevelopmentToken, verifier::IVerifier,
};

/// Each contract has a module of its own, since `sol!` puts types that contracts share next to the contract.
macro_rules! contract {
    ($module:ident, $name:ident, $json:literal) => {
        #[allow(clippy::too_many_arguments, missing_debug_implementations)]
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

mod others {
    contract!(agreement, Agreement, "abi/Agreement.json");
    contract!(block_verifier, BlockVerifier, "abi/BlockVerifier.json");
    contract!(circuits, CircuitRegistry, "abi/CircuitRegistry.json");
    contract!(dutch, ReverseDutchAuction, "abi/ReverseDutchAuction.json");
    contract!(lottery, StakeLottery, "abi/StakeLottery.json");
    contract!(mining, Mining, "abi/Mining.json");
    contract!(pool, DelegationPool, "abi/DelegationPool.json");
    contract!(pools, DelegationPools, "abi/DelegationPools.json");
    contract!(race, Race, "abi/Race.json");
    contract!(registry, ProverRegistry, "abi/ProverRegistry.json");
    contract!(rollup, TransferRollup, "abi/TransferRollup.json");
    contract!(sealed_bid, SealedBidAuction, "abi/SealedBidAuction.json");
    contract!(token, DevelopmentToken, "abi/DevelopmentToken.json");
    contract!(verifier, IVerifier, "abi/IVerifier.json");
}
