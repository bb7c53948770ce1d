//! What a deployment counts in: the asset's decimals, and the unit in which stake gives weight.

use alloy::primitives::{Address, U256, aliases::U96};
use eyre::Result;
use provery_rpc::asset;

use crate::{
    amount::{self, Currency, Written},
    error::{Code, fail},
    session::Wire,
};

/// Whole units that a unit of stake may be at most, and how many units of stake a whole one may be.
const MOST: u64 = 1_000_000;

/// The asset's currency and the unit of stake, which nobody can change later.
pub(super) async fn checked(wire: &Wire, asset: Option<Address>, unit: &Written) -> Result<(Currency, U96)> {
    let (currency, supply) = match asset {
        Some(asset) => (asset::currency(&wire.rpc, asset).await?, asset::supply(&wire.rpc, asset).await?),
        None => (development()?, U256::ZERO),
    };
    let unit = stake_unit(unit, &currency, supply)?;
    Ok((currency, unit))
}

/// Of the token that `deploy` makes.
fn development() -> Result<Currency> {
    Currency::asset("DEV", 18).map_err(|error| fail(Code::Internal, error.0))
}

/// A unit of stake that provers can have. `supply`: base units that there are of the asset, if there are any yet.
fn stake_unit(written: &Written, asset: &Currency, supply: U256) -> Result<U96> {
    let unit = amount::required("--stake-unit", written, asset)?;
    let refuse = |why: String| {
        Err(fail(
            Code::Usage,
            format!(
                "--stake-unit: {unit} {why}; provers stake in multiples of it, so choose about the smallest stake, such as 1"
            ),
        ))
    };
    let (whole, most) = (asset.whole(), U256::from(MOST));
    if !supply.is_zero() && unit.base > supply {
        return refuse(format!("is more than there is of the asset, {}", asset.show(supply)));
    }
    if unit.base > whole.saturating_mul(most) {
        return refuse(format!("is more than {}", asset.show(whole.saturating_mul(most))));
    }
    if unit.base.saturating_mul(most) < whole {
        return refuse(format!("is less than a millionth of a whole {}", asset.symbol()));
    }
    unit.to_u96().map_err(|error| fail(Code::Usage, format!("--stake-unit: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str, decimals: u8, supply: u64) -> Result<u128, String> {
        let asset = Currency::asset("USDC", decimals).expect("a usual one");
        let written = text.parse().expect("is written well");
        let unit = stake_unit(&written, &asset, U256::from(supply) * asset.whole());
        unit.map(|unit| unit.to()).map_err(|error| error.to_string())
    }

    #[test]
    fn one_whole_token_is_a_unit_whatever_the_decimals() {
        assert_eq!(unit("1", 6, 50), Ok(1_000_000));
        assert_eq!(unit("1", 18, 0), Ok(1_000_000_000_000_000_000));
        assert_eq!(unit("1ether", 18, 0), unit("1", 18, 0));
        assert_eq!(unit("1", 0, 0), Ok(1));
    }

    #[test]
    fn an_absurd_stake_unit_is_refused() {
        for (text, decimals, supply, said) in [
            ("1ether", 6, 0, "own currency"),
            ("1000000000000000000", 6, 0, "without a unit"),
            ("1000000000000000000base", 6, 0, "is more than 1000000 USDC"),
            ("1000000.1", 18, 0, "is more than 1000000 USDC"),
            ("100", 6, 50, "is more than there is of the asset, 50 USDC"),
            ("999999999999base", 18, 0, "less than a millionth of a whole USDC"),
            ("0", 6, 0, "must be above 0"),
        ] {
            let error = unit(text, decimals, supply).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        assert_eq!(unit("1base", 6, 0), Ok(1));
        assert_eq!(unit("1000000", 6, 0), Ok(1_000_000_000_000));
    }
}
