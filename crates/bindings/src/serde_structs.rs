//! `Slot` and `Terms` as JSON: snake_case names, plain numbers, amounts as decimal strings.

use alloy::primitives::{
    Address, B256, U256,
    aliases::{U40, U96},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{Slot, Terms};

#[derive(Serialize, Deserialize)]
struct SlotRecord {
    market: U256,
    id: u64,
    statement: B256,
    prover: Address,
    #[serde(with = "wei")]
    price: U96,
    opened_at: u64,
    started_at: u64,
    exclusive_until: u64,
    capacity: u32,
    link: U256,
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            market,
            id,
            statement,
            prover,
            price,
            openedAt,
            startedAt,
            exclusiveUntil,
            capacity,
            link,
        } = self.clone();
        let (opened_at, started_at, exclusive_until) = (openedAt.to(), startedAt.to(), exclusiveUntil.to());
        SlotRecord {
            market,
            id,
            statement,
            prover,
            price,
            opened_at,
            started_at,
            exclusive_until,
            capacity,
            link,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SlotRecord {
            market,
            id,
            statement,
            prover,
            price,
            opened_at,
            started_at,
            exclusive_until,
            capacity,
            link,
        } = SlotRecord::deserialize(deserializer)?;
        let seconds = |value: u64| U40::try_from(value).map_err(D::Error::custom);
        Ok(Self {
            market,
            id,
            statement,
            prover,
            price,
            openedAt: seconds(opened_at)?,
            startedAt: seconds(started_at)?,
            exclusiveUntil: seconds(exclusive_until)?,
            capacity,
            link,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct TermsRecord {
    requester: Address,
    mechanism: Address,
    mechanism_params: B256,
    circuit: B256,
    verifier: Address,
    #[serde(with = "wei")]
    price: U96,
    #[serde(with = "wei")]
    bond: U96,
    fast_window: u32,
    exclusive_window: u32,
    expiry_window: u32,
    floor_bps: u16,
    rescuer_bps: u16,
    requester_bps: u16,
    forfeit_bps: u16,
    outputs: u8,
    callback_gas: u32,
    version: u32,
    #[serde(with = "wei")]
    least_rescue: U96,
    chain: u32,
    #[serde(default)]
    circuit_terms: U256,
}

impl Serialize for Terms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TermsRecord {
            requester: self.requester,
            mechanism: self.mechanism,
            mechanism_params: self.mechanismParams,
            circuit: self.circuit,
            verifier: self.verifier,
            price: self.price,
            bond: self.bond,
            fast_window: self.fastWindow,
            exclusive_window: self.exclusiveWindow,
            expiry_window: self.expiryWindow,
            floor_bps: self.floorBps,
            rescuer_bps: self.rescuerBps,
            requester_bps: self.requesterBps,
            forfeit_bps: self.forfeitBps,
            outputs: self.outputs,
            callback_gas: self.callbackGas,
            version: self.version,
            least_rescue: self.leastRescue,
            chain: self.chain,
            circuit_terms: self.circuitTerms,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Terms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = TermsRecord::deserialize(deserializer)?;
        Ok(Self {
            requester: record.requester,
            mechanism: record.mechanism,
            mechanismParams: record.mechanism_params,
            circuit: record.circuit,
            verifier: record.verifier,
            price: record.price,
            bond: record.bond,
            fastWindow: record.fast_window,
            exclusiveWindow: record.exclusive_window,
            expiryWindow: record.expiry_window,
            floorBps: record.floor_bps,
            rescuerBps: record.rescuer_bps,
            requesterBps: record.requester_bps,
            forfeitBps: record.forfeit_bps,
            outputs: record.outputs,
            callbackGas: record.callback_gas,
            version: record.version,
            leastRescue: record.least_rescue,
            chain: record.chain,
            circuitTerms: record.circuit_terms,
        })
    }
}

mod wei {
    use super::{Deserialize, Deserializer, Error, Serializer, U96};

    pub(super) fn serialize<S: Serializer>(value: &U96, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U96, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
