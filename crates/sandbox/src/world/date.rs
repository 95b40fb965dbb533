//! Days in Beijing: numbers since 1970, and `YYYY-MM-DD`.

const HOUR: i64 = 3_600_000;

/// The day of a time in Unix milliseconds.
pub(crate) const fn day_of(now: i64) -> i64 {
    (now + 8 * HOUR).div_euclid(24 * HOUR)
}

/// The hour of that day, 0 to 23.
pub(crate) const fn hour_of(now: i64) -> i64 {
    (now + 8 * HOUR).rem_euclid(24 * HOUR) / HOUR
}

/// Year, month from 0 and day of the month from 0, of a day. Years begin in March here, so that the odd day is their last.
const fn since_march(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    (year + era * 400, month, of_year - (153 * month + 2) / 5)
}

/// A number of its own for every month of the calendar, of a day in it.
pub(crate) const fn month_of(day: i64) -> i64 {
    let (year, month, _) = since_march(day);
    year * 12 + month
}

/// A day as `YYYY-MM-DD`.
pub(crate) fn date(day: i64) -> String {
    let (year, month, of_month) = since_march(day);
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{:02}", year + next, of_month + 1)
}

/// The day of a date; `None` if it isn't one.
pub(crate) fn day(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, of_month) = (parts.next()?, parts.next()?, parts.next()?);
    let widths = (year.len(), month.len(), of_month.len()) == (4, 2, 2) && parts.next().is_none();
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok())?;
    let (year, month, of_month) = (number(year)?, number(month)?, number(of_month)?);
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + of_month - 1;
    let of_era = 365 * year.rem_euclid(400) + year.rem_euclid(400) / 4 - year.rem_euclid(400) / 100 + of_year;
    let found = year.div_euclid(400) * 146_097 + of_era - 719_468;
    // Back again, so that no 31 April is one.
    (widths && date(found) == text).then_some(found)
}

/// The Monday of a day's week.
pub(crate) const fn monday(day: i64) -> i64 {
    day - (day + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates() {
        for (number, text) in [
            (0, "1970-01-01"),
            (20_455, "2026-01-02"),
            (19_782, "2024-02-29"),
            (19_783, "2024-03-01"),
            (11_016, "2000-02-29"),
        ] {
            assert_eq!((date(number).as_str(), day(text)), (text, Some(number)));
        }
        for wrong in ["", "2026-1-2", "2026-02-29", "2026-13-01", "20260102", "2026-01-02-03", "2026-0a-01"] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
        assert_eq!((date(monday(20_455)).as_str(), monday(monday(20_455))), ("2025-12-29", monday(20_455)));
        assert_eq!((day_of(1_767_339_000_000), hour_of(1_767_339_000_000)), (20_455, 15));
    }
}
