//! Amounts as people write them: a wei integer, or a decimal with a unit (`1.5ether`, `20gwei`). Never a float.

use alloy::primitives::{U256, utils::parse_units};

const UNITS: &[(&str, usize)] = &[("ether", 18), ("gwei", 9), ("wei", 0)];

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AmountError(pub String);

/// Wei of a text such as `12`, `1.5ether` or `20gwei`.
pub fn parse_wei(text: &str) -> Result<U256, AmountError> {
    let text = text.trim();
    let (number, unit, decimals) = UNITS
        .iter()
        .find_map(|(unit, decimals)| Some((text.strip_suffix(unit)?.trim_end(), *unit, *decimals)))
        .unwrap_or((text, "wei", 0));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
        return Err(AmountError(format!(
            "`{text}` is not an amount: write wei as a whole number, or a decimal with a unit, such \
             as 1.5ether or 20gwei"
        )));
    }
    // parse_units would cut off the digits that do not fit.
    if fraction.len() > decimals {
        return Err(AmountError(format!("`{text}` is finer than 1 wei: {unit} has {decimals} decimals")));
    }
    parse_units(number, unit)
        .map(Into::into)
        .map_err(|_| AmountError(format!("`{text}` does not fit 256 bits")))
}
