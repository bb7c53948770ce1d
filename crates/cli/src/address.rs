//! Addresses as people give them: one way to read them for every argument and every key of the configuration.

use alloy::primitives::Address;

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
}
