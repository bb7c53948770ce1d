//! Memory and descriptors over the life of a process.
//!
//! Only processes that lived at least [`LEAST_MS`] after a warm-up count. The warm-up lasts until a node has forgotten all
//! that it began with twice over: its book has one and a half times [`KEEP_BLOCKS`] at the most; and until its follower, which
//! reads every block a last time after five minutes, has as many blocks before it as it ever has. The slope is the
//! least-squares line through the anonymous memory of the longest-living process of each node: pages of the program's own
//! file come and go.

use provery_node::store::KEEP_BLOCKS;

use super::node::Sample;

/// Blocks in which a process is left to warm up.
const WARM_BLOCKS: u64 = 3 * KEEP_BLOCKS;
/// And milliseconds.
const WARM_MS: u64 = 330_000;
/// A slope is a failure from here on, in MiB an hour, if the window is at least so many seconds long: in a shorter one,
/// one page of a cache is steep.
pub(super) const STEEP: f64 = 1.0;
pub(super) const STEEP_WINDOW_S: u64 = 1_800;
/// Milliseconds of samples that it takes at least.
pub(super) const LEAST_MS: u64 = 180_000;
/// Descriptors that come and go with connections and database pages.
const SLACK: u64 = 16;

/// The samples of the longest-living process, past its warm-up.
fn longest(samples: &[Sample], block_ms: u64) -> Vec<Sample> {
    let life = |of: &[Sample]| of.last().zip(of.first()).map_or(0, |(last, first)| last.at_ms - first.at_ms);
    let best =
        samples.chunk_by(|a, b| a.instance == b.instance).max_by_key(|of| life(of)).unwrap_or_default();
    let from = best.first().map_or(0, |first| first.at_ms + (WARM_BLOCKS * block_ms).max(WARM_MS));
    let warm: Vec<Sample> = best.iter().filter(|sample| sample.at_ms >= from).copied().collect();
    if life(&warm) >= LEAST_MS { warm } else { Vec::new() }
}

/// MiB an hour, and the seconds over which it was measured; `block_ms` are between two blocks.
pub(super) fn slope(samples: &[Sample], block_ms: u64) -> Option<(f64, u64)> {
    let samples = longest(samples, block_ms);
    let (first, last) = samples.first().zip(samples.last())?;
    let hours = |ms: u64| (ms - first.at_ms) as f64 / 3_600_000.0;
    let points: Vec<(f64, f64)> =
        samples.iter().map(|sample| (hours(sample.at_ms), sample.resident_kib as f64 / 1024.0)).collect();
    let count = points.len() as f64;
    let (mean_x, mean_y) =
        points.iter().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x / count, sum.1 + y / count));
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let shared: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    (spread > 0.0).then(|| (shared / spread, (last.at_ms - first.at_ms) / 1_000))
}

/// Descriptors gained, beyond what comes and goes: the least of the last third against the most of the first.
pub(super) fn leaked(samples: &[Sample], block_ms: u64) -> u64 {
    let samples = longest(samples, block_ms);
    let third = samples.len() / 3;
    let (Some(first), Some(last)) = (samples.get(..third), samples.get(samples.len() - third..)) else {
        return 0;
    };
    let most = first.iter().map(|sample| sample.descriptors).max().unwrap_or(0);
    let least = last.iter().map(|sample| sample.descriptors).min().unwrap_or(0);
    let gained = least.saturating_sub(most);
    if gained > SLACK { gained } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(mib_per_hour: f64, descriptors_per_hour: f64) -> Vec<Sample> {
        (0..600)
            .map(|i| {
                let hours = i as f64 * 2.0 / 3_600.0;
                Sample {
                    instance: 1,
                    at_ms: i * 2_000,
                    resident_kib: (102_400.0 + 1_024.0 * mib_per_hour * hours) as u64,
                    descriptors: (30.0 + descriptors_per_hour * hours) as u64 + i % 7,
                }
            })
            .collect()
    }

    #[test]
    fn a_line_has_its_slope() {
        let (slope, window) = slope(&samples(6.0, 0.0), 125).expect("is long enough");
        assert!((slope - 6.0).abs() < 0.1, "{slope}");
        assert_eq!(window, (599 * 2_000 - WARM_MS) / 1_000);
        assert!(super::slope(&samples(6.0, 0.0)[..60], 125).is_none(), "too short to tell");
    }

    #[test]
    fn a_leak_is_told_from_what_comes_and_goes() {
        assert_eq!(leaked(&samples(0.0, 0.0), 125), 0);
        assert!(leaked(&samples(0.0, 600.0), 125) > SLACK);
    }
}
