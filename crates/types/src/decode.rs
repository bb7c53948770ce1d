//! Logs as [`Event`]s.

use alloy::{
    primitives::{Address, LogData, U256, aliases::I96},
    sol_types::SolEventInterface,
};
use provery_bindings::{CircuitRegistry, ProofMarket, ProverRegistry, SlotTransfers, epoch_seeds};

use crate::Event;

/// The contract a log came from: it decides which events the log may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The market and its extension, whose events come from one address.
    Market,
    /// The contract with the offers of slot transfers.
    SlotTransfers,
    /// The provers' registry.
    Registry,
    /// The mechanism that keeps the seeds of epochs.
    Seeds,
    /// The registry of circuits.
    Circuits,
    /// What opens slots in a market, or what its workload reads beside that: logs are kept as they are, for the workload's own
    /// code to read. Anybody may have written such a contract.
    Workload,
    /// Another mechanism: its logs are kept as they are, for the mechanism's own code to read.
    Mechanism,
}

/// A log that does not decode: the deployment file and the chain disagree about what a contract is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It has an event's topic, and other topics or data than that event.
    #[error(
        "a log of the {source_name} contract does not decode ({reason}); is the deployment file of another version?"
    )]
    Malformed {
        /// Name of the contract, as in the deployment.
        source_name: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A number that this client keeps in 64 bits has more.
    #[error("a log carries {field} = {value}, more than this client can count")]
    TooLarge {
        /// The argument's name in the contracts' ABI.
        field: &'static str,
        /// What the log has.
        value: U256,
    },
}

impl Source {
    /// The source that the contract `name` of a deployment is, if its logs are followed.
    pub fn of_contract(name: &str) -> Option<Self> {
        [Self::Market, Self::SlotTransfers, Self::Registry, Self::Seeds, Self::Circuits]
            .into_iter()
            .find(|source| source.name() == name)
    }

    /// The contract's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Market => "ProofMarket",
            Self::SlotTransfers => "SlotTransfers",
            Self::Registry => "ProverRegistry",
            Self::Seeds => epoch_seeds::NAME,
            Self::Circuits => "CircuitRegistry",
            Self::Workload => "workload",
            Self::Mechanism => "mechanism",
        }
    }
}

impl Event {
    /// Decode a log of the contract `source`; `None` for an event that this client does not know.
    pub fn decode(source: Source, log: &LogData) -> Result<Option<Self>, DecodeError> {
        match source {
            Source::Market => {
                parse(source, log, ProofMarket::ProofMarketEvents::SELECTORS)?.map(market).transpose()
            }
            Source::SlotTransfers => {
                Ok(parse(source, log, SlotTransfers::SlotTransfersEvents::SELECTORS)?.map(slot_transfers))
            }
            Source::Registry => {
                parse(source, log, ProverRegistry::ProverRegistryEvents::SELECTORS)?.map(registry).transpose()
            }
            Source::Seeds => parse(source, log, epoch_seeds::Events::SELECTORS)?.map(seeds).transpose(),
            Source::Circuits => {
                Ok(parse(source, log, CircuitRegistry::CircuitRegistryEvents::SELECTORS)?.map(circuits))
            }
            Source::Workload => Ok(Some(Self::WorkloadLog { log: log.clone() })),
            Source::Mechanism => Ok(mechanism(log)),
        }
    }
}

fn parse<E: SolEventInterface>(
    source: Source,
    log: &LogData,
    known: &[[u8; 32]],
) -> Result<Option<E>, DecodeError> {
    if !log.topics().first().is_some_and(|topic| known.contains(&topic.0)) {
        return Ok(None);
    }
    E::decode_raw_log(log.topics(), &log.data)
        .map(Some)
        .map_err(|error| DecodeError::Malformed { source_name: source.name(), reason: error.to_string() })
}

fn count(field: &'static str, value: U256) -> Result<u64, DecodeError> {
    u64::try_from(value).map_err(|_| DecodeError::TooLarge { field, value })
}

fn address_or_none(address: Address) -> Option<Address> {
    (!address.is_zero()).then_some(address)
}

/// 96 bits always fit.
fn signed(price: I96) -> i128 {
    i128::try_from(price).unwrap_or_default()
}

/// By convention a mechanism's event about a slot has the market and the slot as its first two indexed arguments. Others are
/// not followed.
fn mechanism(log: &LogData) -> Option<Event> {
    let &[_, market, slot, ..] = log.topics() else { return None };
    let slot = u64::try_from(U256::from_be_bytes(slot.0)).ok()?;
    Some(Event::MechanismLog { market: U256::from_be_bytes(market.0), slot, log: log.clone() })
}

fn market(event: ProofMarket::ProofMarketEvents) -> Result<Event, DecodeError> {
    use ProofMarket::ProofMarketEvents as E;
    Ok(match event {
        E::MarketCreated(e) => {
            let (market, creator, capacity, origin) = (e.market, e.creator, e.capacity, e.origin);
            Event::MarketCreated { market, creator, capacity, origin }
        }
        E::TermsSet(e) => Event::TermsSet {
            market: e.market,
            terms_hash: e.termsHash,
            from: count("from", e.from)?,
            terms: e.terms,
        },
        E::Funded(e) => Event::Funded { market: e.market, from: e.from, amount: e.amount },
        E::Defunded(e) => Event::Defunded { market: e.market, to: e.to, amount: e.amount },
        E::SlotOpened(e) => {
            Event::SlotOpened { slot: e.slot, terms_hash: e.termsHash, statement_inputs: e.statementInputs }
        }
        E::SlotAssigned(e) => Event::SlotAssigned { slot: e.slot },
        E::SlotProven(e) => Event::SlotProven {
            market: e.market,
            id: e.id,
            payee: e.payee,
            reward: e.reward,
            premium: e.premium,
            missed_by: address_or_none(e.missedBy),
        },
        E::BondSlashed(e) => Event::BondSlashed {
            market: e.market,
            id: e.id,
            prover: e.prover,
            to_rescuer: e.toRescuer,
            to_requester: e.toRequester,
            burned: e.burned,
        },
        E::SlotExpired(e) => Event::SlotExpired { market: e.market, id: e.id, forfeited: e.forfeited },
        E::SlotCancelled(e) => Event::SlotCancelled { market: e.market, id: e.id },
        E::SlotDropped(e) => Event::SlotDropped { market: e.market, id: e.id, fee: e.fee },
        E::SlotPending(e) => {
            Event::SlotPending { market: e.market, id: e.id, payee: e.payee, right: e.right, claim: e.claim }
        }
        E::SlotResolved(e) => Event::SlotResolved { market: e.market, id: e.id, premium: e.premium },
        E::RoyaltyPaid(e) => {
            Event::RoyaltyPaid { market: e.market, id: e.id, author: e.author, amount: e.amount }
        }
        E::ProofCommitted(e) => Event::ProofCommitted { commitment: e.commitment, sender: e.sender },
        E::SlotEstablished(e) => Event::SlotEstablished { market: e.market, id: e.id, claim: e.claim },
        E::ChainCut(e) => Event::ChainCut { market: e.market, id: e.id, head: e.head, claim: e.claim },
        E::CallbackFailed(e) => Event::CallbackFailed { market: e.market, id: e.id },
        E::HookFailed(e) => Event::HookFailed { market: e.market, id: e.id },
        E::SlotTransferred(e) => {
            Event::SlotTransferred { slot: e.slot, from: e.from, price: signed(e.price) }
        }
        E::Withdrawn(e) => Event::Withdrawn { account: e.account, to: e.to, amount: e.amount },
        E::BurnedSwept(e) => Event::BurnedSwept { amount: e.amount },
    })
}

fn slot_transfers(event: SlotTransfers::SlotTransfersEvents) -> Event {
    use SlotTransfers::SlotTransfersEvents as E;
    match event {
        E::TransferOffered(e) => Event::TransferOffered {
            market: e.market,
            id: e.id,
            prover: e.prover,
            digest: e.digest,
            to: address_or_none(e.offer.to),
            price: signed(e.offer.price),
            valid_until: e.offer.validUntil.to(),
        },
        E::TransferRevoked(e) => Event::TransferRevoked { prover: e.prover, digest: e.digest },
    }
}

fn registry(event: ProverRegistry::ProverRegistryEvents) -> Result<Event, DecodeError> {
    use ProverRegistry::ProverRegistryEvents as E;
    Ok(match event {
        E::ProverRegistered(e) => Event::ProverRegistered { prover: e.prover, id: e.id, uri: e.uri },
        E::UriSet(e) => Event::UriSet { prover: e.prover, uri: e.uri },
        E::SubmitterNominated(e) => Event::SubmitterNominated { prover: e.prover, submitter: e.submitter },
        E::SubmitterSet(e) => {
            Event::SubmitterSet { prover: e.prover, submitter: e.submitter, allowed: e.allowed }
        }
        E::Staked(e) => Event::Staked { prover: e.prover, amount: e.amount },
        E::UnstakeRequested(e) => Event::UnstakeRequested {
            prover: e.prover,
            amount: e.amount,
            ready_at: count("readyAt", e.readyAt)?,
        },
        E::Unstaked(e) => Event::Unstaked { prover: e.prover, to: e.to, amount: e.amount },
        E::AllocationSet(e) => Event::AllocationSet {
            prover: e.prover,
            market: e.market,
            units: count("units", e.units)?,
            exposure: count("exposure", e.exposure)?,
            from_version: e.fromVersion,
            to_version: e.toVersion,
        },
        E::WeightSet(e) => Event::WeightSet {
            market: e.market,
            id: e.id,
            weight: count("weight", e.weight)?,
            epoch: count("epoch", e.epoch)?,
        },
        E::ProverPaused(e) => Event::ProverPaused { prover: e.prover },
        E::ProverResumed(e) => Event::ProverResumed { prover: e.prover },
        E::ProverSuspended(e) => Event::ProverSuspended { prover: e.prover, market: e.market },
        E::ProverReinstated(e) => Event::ProverReinstated { prover: e.prover, market: e.market },
        E::BondSlashed(e) => Event::StakeSlashed { prover: e.prover, market: e.market, amount: e.amount },
    })
}

fn seeds(event: epoch_seeds::Events) -> Result<Event, DecodeError> {
    use epoch_seeds::Events as E;
    Ok(match event {
        E::EpochSeeded(e) => Event::EpochSeeded { epoch: count("epoch", e.epoch)?, seed: e.seed },
        E::EpochSeedless(e) => Event::EpochSeedless { epoch: count("epoch", e.epoch)? },
        E::ProversPassedOver(e) => {
            Event::ProversPassedOver { market: e.market, slot: e.slot, count: count("count", e.count)? }
        }
    })
}

fn circuits(event: CircuitRegistry::CircuitRegistryEvents) -> Event {
    use CircuitRegistry::CircuitRegistryEvents as E;
    match event {
        E::CircuitRegistered(e) => Event::CircuitRegistered {
            circuit: e.circuit,
            verifier: e.verifier,
            author: e.author,
            key_hash: e.registered.keyHash,
            descriptor_hash: e.registered.descriptorHash,
            development: e.registered.development,
            uri: e.uri,
        },
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{B256, Bytes},
        sol_types::SolEvent,
    };

    use super::*;

    #[test]
    fn a_log_is_decoded_only_as_its_own_contracts() {
        let event = ProverRegistry::WeightSet {
            market: U256::from(1),
            id: 2,
            weight: U256::from(3),
            epoch: U256::from(4),
        };
        let log = event.encode_log_data();
        let decoded = Event::decode(Source::Registry, &log).expect("well-formed");
        assert_eq!(decoded, Some(Event::WeightSet { market: U256::from(1), id: 2, weight: 3, epoch: 4 }));
        let told = Event::decode(Source::Workload, &log);
        assert_eq!(told, Ok(Some(Event::WorkloadLog { log })), "a rollup cannot speak for the registry");
    }

    #[test]
    fn the_two_slashing_events_are_told_apart() {
        let prover = Address::repeat_byte(1);
        let stake = ProverRegistry::BondSlashed { prover, market: U256::from(1), amount: U256::from(2) };
        let decoded = Event::decode(Source::Registry, &stake.encode_log_data()).expect("well-formed");
        assert!(matches!(decoded, Some(Event::StakeSlashed { .. })));
        assert_eq!(Event::decode(Source::Market, &stake.encode_log_data()), Ok(None));
    }

    #[test]
    fn a_mechanisms_log_is_kept_if_it_is_about_a_slot() {
        let word = |number: u64| B256::from(U256::from(number));
        let log = |topics: Vec<B256>| LogData::new_unchecked(topics, Bytes::from(vec![7]));
        let about = log(vec![B256::repeat_byte(9), word(1), word(2), word(3)]);
        let kept = Event::MechanismLog { market: U256::from(1), slot: 2, log: about.clone() };
        assert_eq!(Event::decode(Source::Mechanism, &about), Ok(Some(kept)));
        for other in [vec![], vec![word(1), word(2)], vec![word(9), word(1), B256::repeat_byte(0xff)]] {
            assert_eq!(Event::decode(Source::Mechanism, &log(other)), Ok(None));
        }
    }

    #[test]
    fn cut_data_and_numbers_too_large_are_errors() {
        let event =
            epoch_seeds::EpochSeeded { epoch: U256::MAX, seed: U256::from(1), blockNumber: U256::ZERO };
        let mut log = event.encode_log_data();
        assert!(matches!(
            Event::decode(Source::Seeds, &log),
            Err(DecodeError::TooLarge { field: "epoch", .. })
        ));
        log.data = Bytes::new();
        assert!(matches!(Event::decode(Source::Seeds, &log), Err(DecodeError::Malformed { .. })));
    }
}
