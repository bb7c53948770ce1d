//! Addresses, and ids of circuits, as people give them: one way to read them for every argument and every key of the configuration.

use alloy::primitives::{Address, B256};

/// An address that is somebody's. Where letters are of both cases they are its checksum (EIP-55), and must be right.
pub(crate) fn parse(text: &str) -> Result<Address, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let Some(digits) = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) else {
        return Err(match text.contains('.') {
            true => {
                "names are not resolved; give the address itself: 0x and 40 hexadecimal digits".to_owned()
            }
            false => "it is no address: 0x and 40 hexadecimal digits".to_owned(),
        });
    };
    if digits.len() != 40 {
        return Err(format!("an address has 40 hexadecimal digits after 0x, and this has {}", digits.len()));
    }
    let address: Address = format!("0x{digits}").parse().map_err(|_| "it is no address".to_owned())?;
    let mixed = digits.bytes().any(|byte| byte.is_ascii_lowercase())
        && digits.bytes().any(|byte| byte.is_ascii_uppercase());
    if mixed && address.to_checksum(None)[2..] != *digits {
        return Err(
            "its checksum (EIP-55) is wrong, so a digit is: copy it once more from where it came".to_owned()
        );
    }
    if address.is_zero() {
        return Err("the zero address is nobody's: what it is given is lost".to_owned());
    }
    Ok(address)
}

/// The id of a registered circuit.
pub(crate) fn circuit_id(text: &str) -> Result<B256, String> {
    word(text, "a circuit's id", ", as `provery circuit register` says it")
}

/// The hash of a verifying key.
pub(crate) fn key_hash(text: &str) -> Result<B256, String> {
    word(text, "a key's hash", ", as `provery circuit show` says it")
}

fn word(text: &str, what: &str, from: &str) -> Result<B256, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let hexadecimal = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some(digits) = digits.filter(hexadecimal) else {
        return Err(format!("it is not {what}: 0x and 64 hexadecimal digits{from}"));
    };
    if digits.len() != 64 {
        return Err(format!(
            "{what} has 64 hexadecimal digits after 0x{from}, and this has {}",
            digits.len()
        ));
    }
    format!("0x{digits}").parse().map_err(|_| format!("it is not {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

    #[test]
    fn an_address_of_both_cases_keeps_its_checksum() {
        let address: Address = RIGHT.parse().expect("parses");
        assert_eq!(parse(RIGHT), Ok(address));
        assert_eq!(parse(&RIGHT.to_lowercase()), Ok(address));
        assert_eq!(parse(&format!("0x{}", RIGHT[2..].to_uppercase())), Ok(address));
        for wrong in [RIGHT.replace("79C8", "79c8"), RIGHT.replace("0x70", "0x71")] {
            assert!(parse(&wrong).expect_err("is wrong").contains("EIP-55"), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_what_one_is() {
        for (text, said) in [
            ("vitalik.eth", "names are not resolved"),
            ("0x", "40"),
            ("0x1234", "has 4"),
            ("", "no address"),
            ("70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x and 40"),
            ("0x0000000000000000000000000000000000000000", "nobody"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_circuits_id_has_all_its_digits() {
        let right = format!("0x{}", "ab".repeat(32));
        assert_eq!(circuit_id(&right), Ok(B256::repeat_byte(0xab)));
        assert!(circuit_id(&right[..60]).expect_err("short").contains("this has 58"));
        for bad in ["", "membership", RIGHT, &right[2..], "0xzz"] {
            assert!(circuit_id(bad).expect_err(bad).contains("circuit register"), "{bad}");
        }
    }
}
