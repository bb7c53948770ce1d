//! Amounts on the command line: what is written means something once the asset is known.

use eyre::Result;
pub(crate) use provery_types::amount::{Amount, Currency, SignedWritten, Wei, Written};

use crate::error::{Code, fail};

/// What a flag gives, in an asset.
pub(crate) fn given(flag: &str, written: &Written, asset: &Currency) -> Result<Amount> {
    written.of(asset).map_err(|error| fail(Code::Usage, format!("{flag}: {error}")))
}

/// The same, where it must be something.
pub(crate) fn required(flag: &str, written: &Written, asset: &Currency) -> Result<Amount> {
    let amount = given(flag, written, asset)?;
    if amount.is_zero() {
        return Err(fail(Code::Usage, format!("{flag} must be above 0")));
    }
    Ok(amount)
}
