//! Durations as people write them in configurations.

use std::time::Duration;

/// The units, with their length in milliseconds; the longer suffix first, so that `ms` is not taken for `s`.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Reads a whole number with its unit, such as `500ms`, `10s`, `2m` or `1h`.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let unit = UNITS.into_iter().find_map(|(unit, millis)| Some((text.strip_suffix(unit)?, millis)));
    let (number, millis) = unit.ok_or("a duration ends with its unit; write it like 10s, 500ms or 2m")?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a duration is a whole number with its unit; write it like 10s, 500ms or 2m");
    }
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis));
    number.map(Duration::from_millis).ok_or("the duration is too long")
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn a_whole_number_with_its_unit_is_a_duration_and_nothing_else_is() {
        for (text, millis) in [("0s", 0), ("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "10", "s", "-1s", "+1s", "1.5s", " 1s", "1 s", "1S", "1d", "ten s", "18446744073709551615h"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
