//! What an account signs that is no transaction (EIP-712).

use alloy::{
    primitives::B256,
    sol_types::{Eip712Domain, SolStruct},
};
use serde_json::{Map, Value, json};

/// A message to sign: what is hashed of it, and the whole of it for a signer that hashes for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedData {
    /// The hash that the signature is over.
    pub digest: B256,
    /// As `eth_signTypedData` takes it: `types`, `primaryType`, `domain` and `message`.
    pub document: Value,
}

impl TypedData {
    /// Of a struct that has no other struct in it. `message`: its fields, as JSON, numbers as decimal text.
    pub fn new<S: SolStruct>(signed: &S, domain: &Eip712Domain, message: Value) -> Self {
        let mut fields = vec![];
        let mut known = Map::new();
        let mut add = |name: &str, kind: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.push(json!({ "name": name, "type": kind }));
                known.insert(name.to_owned(), value);
            }
        };
        add("name", "string", domain.name.as_ref().map(|name| json!(name)));
        add("version", "string", domain.version.as_ref().map(|version| json!(version)));
        // A number, as every signer takes it; no chain's id is longer than JSON's numbers are exact.
        add("chainId", "uint256", domain.chain_id.map(|id| json!(id.saturating_to::<u64>())));
        add("verifyingContract", "address", domain.verifying_contract.map(|at| json!(at)));
        add("salt", "bytes32", domain.salt.map(|salt| json!(salt)));
        Self {
            digest: signed.eip712_signing_hash(domain),
            document: json!({
                "types": { "EIP712Domain": fields, S::NAME: members(&S::eip712_root_type()) },
                "primaryType": S::NAME,
                "domain": known,
                "message": message,
            }),
        }
    }
}

/// `Offer(address prover,uint32 capacity)` as a list of names and types.
fn members(encoded: &str) -> Vec<Value> {
    let inside = encoded.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
    let members = inside.split(',').filter_map(|member| member.split_once(' '));
    members.map(|(kind, name)| json!({ "name": name, "type": kind })).collect()
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{Address, U256, keccak256},
        sol_types::eip712_domain,
    };

    use super::*;

    alloy::sol! {
        struct Note {
            address to;
            int96 price;
            uint40 until;
            bytes32 about;
        }
    }

    /// By the words of EIP-712 alone, as a signer elsewhere does it: only for the types that are used here.
    fn hash_struct(document: &Value, name: &str, values: &Value) -> B256 {
        let members: Vec<(&str, &str)> = document["types"][name]
            .as_array()
            .expect("a list")
            .iter()
            .map(|member| (member["name"].as_str().expect("named"), member["type"].as_str().expect("typed")))
            .collect();
        let listed: Vec<String> = members.iter().map(|(name, kind)| format!("{kind} {name}")).collect();
        let mut encoded = keccak256(format!("{name}({})", listed.join(","))).to_vec();
        for (name, kind) in members {
            let text = values[name].as_str().map_or_else(|| values[name].to_string(), str::to_owned);
            let word: B256 = match kind {
                "string" => keccak256(&text),
                "address" => text.parse::<Address>().expect("an address").into_word(),
                "bytes32" => text.parse().expect("a word"),
                _ => match text.strip_prefix('-') {
                    Some(below) => U256::ZERO.wrapping_sub(below.parse().expect("a number")).into(),
                    None => text.parse::<U256>().expect("a number").into(),
                },
            };
            encoded.extend(word);
        }
        keccak256(encoded)
    }

    #[test]
    fn a_signer_that_hashes_the_document_signs_the_digest() {
        let note = Note {
            to: Address::repeat_byte(7),
            price: alloy::primitives::aliases::I96::try_from(-5).expect("fits"),
            until: alloy::primitives::aliases::U40::from(9u64),
            about: B256::repeat_byte(3),
        };
        let contract = Address::repeat_byte(1);
        let domain = eip712_domain! {
            name: "Provery",
            version: "1",
            chain_id: 31337,
            verifying_contract: contract,
        };
        let message = json!({ "to": note.to, "price": "-5", "until": "9", "about": note.about });
        let data = TypedData::new(&note, &domain, message);
        let document = &data.document;
        assert_eq!(document["primaryType"], "Note");
        let domain = hash_struct(document, "EIP712Domain", &document["domain"]);
        let message = hash_struct(document, "Note", &document["message"]);
        let digest = keccak256([&[0x19, 0x01], domain.as_slice(), message.as_slice()].concat());
        assert_eq!(digest, data.digest);
    }
}
