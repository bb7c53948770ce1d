//! Terms as `cast` takes them: a tuple's type, and its value.

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::{SolStruct, SolValue as _},
};
use provery_types::Terms;

/// The types of the fields, in order.
fn types() -> Vec<String> {
    let named = <Terms as SolStruct>::eip712_root_type();
    let inside = named.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
    inside.split(',').filter_map(|field| field.split(' ').next()).map(str::to_owned).collect()
}

/// The tuple's type, such as `(address,bytes32,uint96)`.
pub(crate) fn tuple_type() -> String {
    format!("({})", types().join(","))
}

/// The tuple's value, as an argument on a command line.
pub(crate) fn tuple(terms: &Terms) -> String {
    let encoded = terms.abi_encode();
    // Every field is a word.
    let words = encoded.chunks(32).map(B256::right_padding_from);
    let shown = words.zip(types()).map(|(word, kind)| match kind.as_str() {
        "address" => Address::from_word(word).to_string(),
        "bytes32" => word.to_string(),
        _ => U256::from_be_bytes(word.0).to_string(),
    });
    format!("({})", shown.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::aliases::U96;

    use super::*;

    #[test]
    fn every_field_is_there_in_the_contracts_order() {
        let kind = tuple_type();
        assert!(kind.starts_with("(address,address,bytes32,bytes32,address,uint96,uint96,uint32"), "{kind}");
        let terms = Terms {
            requester: Address::repeat_byte(0x11),
            circuit: B256::repeat_byte(0x22),
            price: U96::from(7),
            circuitTerms: U256::from(9),
            ..Terms::default()
        };
        let value = tuple(&terms);
        let fields: Vec<&str> = value.trim_matches(['(', ')']).split(',').collect();
        assert_eq!(fields.len(), kind.split(',').count());
        assert_eq!(fields.len() * 32, terms.abi_encode().len(), "no field is longer than a word");
        assert_eq!(fields[0], Address::repeat_byte(0x11).to_string());
        assert_eq!(fields[3], B256::repeat_byte(0x22).to_string());
        assert_eq!((fields[5], fields[19]), ("7", "9"));
    }
}
