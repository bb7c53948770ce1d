//! What a deployment consists of, in the order in which it comes into being.
//!
//! Registry, slot transfers, extension and market know each other from birth, so the first three are told the address that the
//! market will have: the deployer's, four transactions on. Should another transaction of the deployer's come in between, the four
//! are made once more.

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, Bytes, keccak256},
    sol_types::SolValue,
};
use eyre::Result;
use provery_bindings::{
    CircuitRegistry, DelegationPool, DelegationPoolPolicies, DelegationPools, DevelopmentToken,
    MarketContracts, ProofMarket, ProofMarketExt, ProverRegistry, RegistryConfig, SlotTransfers, TermsRules,
};
use provery_mechanisms::{Mechanism, Parts};
use provery_txmgr::Sender;
use provery_types::{
    CIRCUIT_REGISTRY, DELEGATION_POOL, DELEGATION_POOL_POLICIES, DELEGATION_POOLS, PROOF_MARKET,
    PROOF_MARKET_EXT, PROVER_REGISTRY, PUZZLE_VERIFIER, SLOT_TRANSFERS, TERMS_RULES,
};

use super::gas;
use crate::{
    error::{Code, fail},
    output::{Output, Steps},
    session::{Deployed, Wire},
};

pub(super) const TOKEN: &str = "DevelopmentToken";
/// Those that are told of each other before they are there.
const RING: [&str; 4] = [PROVER_REGISTRY, SLOT_TRANSFERS, PROOF_MARKET_EXT, PROOF_MARKET];
/// Each is told of the one before.
const POOLS: [&str; 3] = [DELEGATION_POOL_POLICIES, DELEGATION_POOL, DELEGATION_POOLS];

/// What is deployed, and with what.
pub(super) struct Blueprint {
    /// Its asset is not read: see `asset`.
    pub params: RegistryConfig,
    /// None for a token of its own.
    pub asset: Option<Address>,
    /// The creation code of the mining puzzle's verifier.
    pub puzzle: Option<Bytes>,
    /// What gives mechanisms their randomness; none for the chain's blocks.
    pub randomness: Option<Address>,
    pub mechanisms: Vec<&'static dyn Mechanism>,
}

/// What a contract's creation is called in the journal.
pub(super) fn tag(name: &str) -> String {
    format!("deploy:{name}")
}

/// The nonce from which on those that know each other are made, one after the other, given which of them were sent with which nonce
/// and the next that is free: the first one's, unless something else came in between.
fn ring_start(sent: &[Option<u64>], next: u64) -> u64 {
    let Some(start) = sent.first().copied().flatten() else { return next };
    let unbroken = (start..).zip(sent).take_while(|(nonce, sent)| **sent == Some(*nonce)).count();
    let whole = unbroken == sent.len();
    if whole || start + unbroken as u64 == next { start } else { next }
}

/// Where contracts are, or will be.
#[derive(Debug, Clone, Default)]
pub(super) struct Site(BTreeMap<&'static str, Address>);

impl Site {
    fn at(&self, name: &str) -> Address {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The contracts in this order, if nothing comes in between.
    fn foresee(&mut self, deployer: Address, nonce: u64, names: &[&'static str]) {
        self.0.extend((nonce..).zip(names).map(|(nonce, name)| (*name, deployer.create(nonce))));
    }
}

impl Blueprint {
    /// What decides about the deployment, by the flags that people know.
    pub(super) fn choices(&self) -> BTreeMap<String, String> {
        let params = &self.params;
        // Other contracts are another deployment, whatever the flags.
        let plain = Self {
            params: RegistryConfig::default(),
            asset: None,
            puzzle: None,
            randomness: None,
            mechanisms: self.mechanisms.clone(),
        };
        let codes: Vec<u8> =
            plain.names().into_iter().flat_map(|name| plain.code(name, &Site::default())).collect();
        [
            ("--asset", self.asset.map_or("a new token".to_owned(), |asset| asset.to_string())),
            ("--stake-unit", params.stakeUnit.to_string()),
            ("--epoch-length", params.epochLength.to_string()),
            ("--freeze", params.freeze.to_string()),
            ("--suspend-after", params.suspendAfter.to_string()),
            ("--open-after", params.openAfter.to_string()),
            ("--unbonding", params.unbonding.to_string()),
            ("--max-window", params.maxWindow.to_string()),
            ("--randomness", self.randomness.map_or("the chain's".to_owned(), |at| at.to_string())),
            (
                "the puzzle's keys",
                self.puzzle.as_ref().map_or("none".to_owned(), |code| keccak256(code).to_string()),
            ),
            ("the contracts' code", keccak256(codes).to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn before(&self) -> Vec<&'static str> {
        let token = self.asset.is_none().then_some(TOKEN);
        token.into_iter().chain([CIRCUIT_REGISTRY, TERMS_RULES]).collect()
    }

    fn after(&self) -> Vec<&'static str> {
        let puzzle = self.puzzle.is_some().then_some(PUZZLE_VERIFIER);
        let mechanisms = self.mechanisms.iter().map(|mechanism| mechanism.name());
        POOLS.into_iter().chain(puzzle).chain(mechanisms).collect()
    }

    /// Every contract, in order.
    pub(super) fn names(&self) -> Vec<&'static str> {
        [self.before(), RING.to_vec(), self.after()].concat()
    }

    /// What the creation of each contract that is not under way carries, if the deployer sends nothing else.
    pub(super) fn foreseen(
        &self,
        deployer: Address,
        nonce: u64,
        sent: &BTreeMap<&'static str, u64>,
    ) -> Vec<(&'static str, Bytes)> {
        let mut site = Site(sent.iter().map(|(name, nonce)| (*name, deployer.create(*nonce))).collect());
        let mut names = self.names();
        names.retain(|name| !sent.contains_key(name));
        site.foresee(deployer, nonce, &names);
        names.into_iter().map(|name| (name, self.code(name, &site))).collect()
    }

    /// Where each contract is, or will be, if the deployer sends nothing else.
    pub(super) fn foreseen_addresses(
        &self,
        deployer: Address,
        nonce: u64,
        sent: &BTreeMap<&'static str, u64>,
    ) -> BTreeMap<&'static str, Address> {
        let names = self.names();
        let rest = names.iter().filter(|name| !sent.contains_key(*name));
        let fresh = (nonce..).zip(rest).map(|(nonce, name)| (*name, deployer.create(nonce)));
        fresh.chain(sent.iter().map(|(name, nonce)| (*name, deployer.create(*nonce)))).collect()
    }

    /// The contracts that an earlier run sent, and with which nonces.
    pub(super) fn sent(&self, sender: &Sender) -> BTreeMap<&'static str, u64> {
        let nonce = |name| sender.nonce_of(&tag(name)).map(|nonce| (name, nonce));
        self.names().into_iter().filter_map(nonce).collect()
    }

    pub(super) fn asset(&self, site: &Site) -> Address {
        self.asset.unwrap_or_else(|| site.at(TOKEN))
    }

    /// A contract's creation code with its constructor's arguments.
    fn code(&self, name: &str, site: &Site) -> Bytes {
        let market = site.at(PROOF_MARKET);
        let contracts = || MarketContracts {
            circuits: site.at(CIRCUIT_REGISTRY),
            registry: site.at(PROVER_REGISTRY),
            rules: site.at(TERMS_RULES),
            slotTransfers: site.at(SLOT_TRANSFERS),
        };
        let (code, arguments): (&[u8], Vec<u8>) = match name {
            TOKEN => (&DevelopmentToken::BYTECODE, Vec::new()),
            CIRCUIT_REGISTRY => (&CircuitRegistry::BYTECODE, Vec::new()),
            TERMS_RULES => (&TermsRules::BYTECODE, Vec::new()),
            PROVER_REGISTRY => {
                let params = RegistryConfig { asset: self.asset(site), ..self.params.clone() };
                (&ProverRegistry::BYTECODE, (params, market).abi_encode_params())
            }
            SLOT_TRANSFERS => {
                (&SlotTransfers::BYTECODE, (market, site.at(PROVER_REGISTRY)).abi_encode_params())
            }
            PROOF_MARKET_EXT => (&ProofMarketExt::BYTECODE, (contracts(),).abi_encode_params()),
            PROOF_MARKET => {
                (&ProofMarket::BYTECODE, (contracts(), site.at(PROOF_MARKET_EXT)).abi_encode_params())
            }
            DELEGATION_POOL_POLICIES => (&DelegationPoolPolicies::BYTECODE, (market,).abi_encode_params()),
            DELEGATION_POOL => {
                (&DelegationPool::BYTECODE, (site.at(DELEGATION_POOL_POLICIES),).abi_encode_params())
            }
            DELEGATION_POOLS => (&DelegationPools::BYTECODE, (site.at(DELEGATION_POOL),).abi_encode_params()),
            PUZZLE_VERIFIER => (self.puzzle.as_ref().map_or(&[], |code| code.as_ref()), Vec::new()),
            _ => match self.mechanisms.iter().find(|mechanism| mechanism.name() == name) {
                Some(mechanism) => {
                    let parts = Parts {
                        registry: site.at(PROVER_REGISTRY),
                        market,
                        puzzle: site.at(PUZZLE_VERIFIER),
                        randomness: self.randomness.unwrap_or_default(),
                    };
                    (mechanism.code(), mechanism.constructor(&parts))
                }
                None => (&[], Vec::new()),
            },
        };
        [code, &arguments].concat().into()
    }
}

/// What is on the chain now.
pub(super) struct Built {
    pub asset: Address,
    pub contracts: BTreeMap<&'static str, Deployed>,
    /// What all creations took together.
    pub gas: u64,
}

/// Puts contracts up one after the other.
struct Builder<'a> {
    wire: &'a Wire,
    blueprint: &'a Blueprint,
    block_gas: u64,
    steps: Steps,
    site: Site,
    built: BTreeMap<&'static str, Deployed>,
    gas: u64,
}

/// Create every contract of a blueprint.
pub(super) async fn put_up(
    wire: &Wire,
    out: &Output,
    blueprint: &Blueprint,
    block_gas: u64,
) -> Result<Built> {
    let mut builder = Builder {
        wire,
        blueprint,
        block_gas,
        steps: out.steps(blueprint.names().len()),
        site: Site::default(),
        built: BTreeMap::new(),
        gas: 0,
    };
    for name in blueprint.before() {
        builder.create(name).await?;
    }
    let sent = RING.map(|name| wire.sender.nonce_of(&tag(name)));
    let next = wire.nonce().await?.max(sent.iter().flatten().max().map_or(0, |nonce| nonce + 1));
    if !builder.ring(ring_start(&sent, next)).await? {
        out.warn(
            "another transaction of the deployer's came in between; making the market's contracts once more",
        );
        if !builder.ring(wire.nonce().await?).await? {
            return Err(fail(
                Code::Unsent,
                format!(
                    "transactions of {} came in between twice, and the market's contracts must come one after the \
                     other; stop whatever else uses this key, and run this again",
                    wire.sender.address()
                ),
            ));
        }
    }
    for name in blueprint.after() {
        builder.create(name).await?;
    }
    Ok(Built { asset: blueprint.asset(&builder.site), contracts: builder.built, gas: builder.gas })
}

impl Builder<'_> {
    async fn create(&mut self, name: &'static str) -> Result<Address> {
        let step = self.steps.start(name);
        let (tag, code) = (tag(name), self.blueprint.code(name, &self.site));
        // An order that is under way already has its own.
        let gas = gas::limit(self.wire, &code, self.block_gas).await;
        let deployed = self.wire.create(&tag, &code, gas).await?;
        step.finish(&format!("{} ({} gas)", deployed.address, deployed.gas));
        self.site.0.insert(name, deployed.address);
        self.built.insert(name, deployed);
        self.gas += deployed.gas;
        Ok(deployed.address)
    }

    /// Whether those that know each other are where they were to be, from a nonce on.
    async fn ring(&mut self, start: u64) -> Result<bool> {
        let deployer = self.wire.sender.address();
        self.site.foresee(deployer, start, &RING);
        let foreseen = self.site.clone();
        for name in RING {
            match self.create(name).await {
                Ok(address) if address == foreseen.at(name) => {}
                Ok(_) => return Ok(false),
                Err(error) if name == PROOF_MARKET && is_mismatch(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The market found itself at another address than the contracts before it were told.
fn is_mismatch(error: &eyre::Report) -> bool {
    error
        .downcast_ref::<provery_txmgr::SendError>()
        .is_some_and(|error| error.revert_name() == Some("ContractsMismatch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYER: Address = Address::repeat_byte(7);

    fn blueprint(asset: Option<Address>) -> Blueprint {
        Blueprint {
            params: RegistryConfig::default(),
            asset,
            puzzle: None,
            randomness: None,
            mechanisms: provery_mechanisms::registry().to_vec(),
        }
    }

    #[test]
    fn the_market_is_where_the_others_were_told() {
        for asset in [None, Some(Address::repeat_byte(9))] {
            let blueprint = blueprint(asset);
            let names = blueprint.names();
            let place = names.iter().position(|name| *name == PROOF_MARKET).expect("is there");
            let market = DEPLOYER.create(5 + place as u64);
            for (name, code) in blueprint.foreseen(DEPLOYER, 5, &BTreeMap::new()) {
                let told = code.windows(20).any(|window| window == market.as_slice());
                let alone = [
                    TOKEN,
                    CIRCUIT_REGISTRY,
                    TERMS_RULES,
                    PROOF_MARKET,
                    PROOF_MARKET_EXT,
                    DELEGATION_POOL,
                    DELEGATION_POOLS,
                ];
                assert_eq!(told, !alone.contains(&name), "{name}");
            }
            assert_eq!(names[place - 3..=place], RING);
        }
    }

    #[test]
    fn what_comes_after_another_is_told_where_it_is() {
        let randomness = Address::repeat_byte(8);
        let blueprint = Blueprint { randomness: Some(randomness), ..blueprint(None) };
        let names = blueprint.names();
        let codes: BTreeMap<_, _> = blueprint.foreseen(DEPLOYER, 5, &BTreeMap::new()).into_iter().collect();
        let at = |name| {
            DEPLOYER.create(5 + names.iter().position(|found| *found == name).expect("is there") as u64)
        };
        for (name, told) in
            [(DELEGATION_POOL, at(DELEGATION_POOL_POLICIES)), (DELEGATION_POOLS, at(DELEGATION_POOL))]
        {
            assert!(codes[name].ends_with(told.as_slice()), "{name}");
        }
        let drawing = provery_mechanisms::registry().iter().filter(|mechanism| mechanism.wants_randomness());
        for name in drawing.map(|mechanism| mechanism.name()) {
            assert!(codes[name].ends_with(randomness.as_slice()), "{name}");
        }
    }

    #[test]
    fn what_was_sent_stays_where_it_is() {
        let blueprint = blueprint(None);
        let sent = [(TOKEN, 2), (CIRCUIT_REGISTRY, 3)].into();
        let codes = blueprint.foreseen(DEPLOYER, 9, &sent);
        assert!(codes.iter().all(|(name, _)| !sent.contains_key(name)));
        let told =
            |address: Address, code: &Bytes| code.windows(20).any(|window| window == address.as_slice());
        let registry = codes.iter().find(|(name, _)| *name == PROVER_REGISTRY).expect("is there");
        assert!(told(DEPLOYER.create(2), &registry.1), "the token's place");
        assert!(
            told(DEPLOYER.create(13), &registry.1),
            "the market's: rules, registry, slot transfers, extension before it"
        );
    }

    #[test]
    fn those_that_know_each_other_go_on_only_if_nothing_came_in_between() {
        let start = |sent: [Option<u64>; 4], next| ring_start(&sent, next);
        assert_eq!(start([None; 4], 7), 7, "none was sent");
        assert_eq!(start([Some(3), Some(4), None, None], 5), 3, "go on");
        assert_eq!(start([Some(3), Some(4), None, None], 6), 6, "another transaction came in between");
        assert_eq!(start([Some(3), Some(5), None, None], 6), 6);
        assert_eq!(start([Some(3), Some(4), Some(5), Some(6)], 20), 3, "all were sent");
        assert_eq!(start([None, Some(4), None, None], 5), 5);
    }

    #[test]
    fn every_contract_has_code() {
        let codes = blueprint(None).foreseen(DEPLOYER, 0, &BTreeMap::new());
        assert!(codes.iter().all(|(_, code)| code.len() > 100), "{:?}", codes.last());
    }
}
