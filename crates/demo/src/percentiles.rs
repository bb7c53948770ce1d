//! Percentiles of what was measured.

use serde::Serialize;

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Percentiles {
    pub p50: u64,
    pub p95: u64,
}

/// Nearest-rank percentiles; zeros for no values.
pub(crate) fn percentiles(values: impl Iterator<Item = u64>) -> Percentiles {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let rank = |percent: usize| {
        values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0)
    };
    Percentiles { p50: rank(50), p95: rank(95) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let percentiles = percentiles([5, 1, 4, 2, 3].into_iter());
        assert_eq!((percentiles.p50, percentiles.p95), (3, 5));
        assert_eq!(super::percentiles([].into_iter()).p50, 0);
    }
}
