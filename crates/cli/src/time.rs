//! Times as people read them: by the machine's clock and zone. JSON has unix seconds.

use jiff::{Timestamp, tz::TimeZone};

/// A moment of the chain's, in unix seconds, in the machine's zone.
pub(crate) fn when(seconds: u64) -> String {
    shown(seconds, &TimeZone::system())
}

/// A day in UTC, of days since 1970.
pub(crate) fn date(day: u64) -> String {
    let moment = moment(day.saturating_mul(86_400));
    moment.map_or_else(
        || format!("day {day}"),
        |it| it.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string(),
    )
}

fn shown(seconds: u64, zone: &TimeZone) -> String {
    let moment =
        moment(seconds).map(|it| it.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string());
    // Later than calendars go: a stranger's number.
    moment.unwrap_or_else(|| format!("unix second {seconds}"))
}

fn moment(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_their_own_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(shown(1_764_287_672, &TimeZone::UTC), "2025-11-27 23:54:32 UTC");
        assert_eq!(shown(1_764_287_672, &zone), "2025-11-28 01:54:32 +02");
        assert_eq!(shown(u64::MAX, &zone), format!("unix second {}", u64::MAX));
    }

    #[test]
    fn days_are_utc() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(20_419), "2025-11-27");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(u64::MAX), format!("day {}", u64::MAX));
    }
}
