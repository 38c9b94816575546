//! The provisioning profile of an app bundle: without a valid one, macOS does not start a
//! program with the entitlement at all.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Finding;
use crate::flow::binary::bundle_of;
use crate::fs;

const SUBJECT: &str = "profile";
/// How large a profile may be.
const LARGEST: u64 = 1 << 20;
/// When to begin to say so, in days.
const SOON: i64 = 30;
const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;
const RENEW: &str = "make install SIGNING_IDENTITY=… PROVISIONING_PROFILE=…, with a new profile";

/// Looks at the profile of the bundle that `binary` is in, if it is in one.
pub(super) fn check(binary: &Path) -> Option<Finding> {
    let path = bundle_of(binary)?.join("embedded.provisionprofile");
    let bytes = match fs::read_capped(&path, LARGEST) {
        // A bundle needs none for what an ad-hoc signature can do.
        Ok(bytes) => bytes?,
        Err(failure) => return Some(Finding::of(SUBJECT, &failure)),
    };
    Some(judge(&bytes, today()))
}

#[expect(clippy::disallowed_methods, reason = "whether something has expired depends on it")]
fn today() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs() / SECONDS_OF_A_DAY).unwrap_or(i64::MAX)
}

/// Judges a profile on a day, counted from 1970. It is a signed property list, whose text
/// stands there as it is; macOS checks the signature, and here a date is enough.
pub fn judge(profile: &[u8], today: i64) -> Finding {
    let text = String::from_utf8_lossy(profile);
    let date = text.split_once("<key>ExpirationDate</key>").and_then(|(_, rest)| {
        let (_, rest) = rest.split_once("<date>")?;
        rest.split_once("</date>").map(|(date, _)| date.trim())
    });
    let Some((day, date)) = date.and_then(|date| Some((days(date)?, date.get(..10)?))) else {
        return Finding::warning(SUBJECT, "the bundle's profile does not say when it expires")
            .fix(RENEW);
    };
    let left = day.saturating_sub(today);
    if left < 0 {
        Finding::error(SUBJECT, format!("it expired on {date}")).fix(RENEW)
    } else if left < SOON {
        Finding::warning(SUBJECT, format!("it expires on {date}, in {left} days")).fix(RENEW)
    } else {
        Finding::ok(SUBJECT, format!("valid until {date}"))
    }
}

/// Counts the days from 1970 to a date such as `2027-01-31T12:00:00Z`. Years that begin with
/// March make the leap day the last one.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.get(..10)?.split('-').map(str::parse::<i64>);
    let mut part = || parts.next()?.ok();
    let (year, month, day) = (part()?, part()?, part()?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        for (date, want) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-03-01T", Some(59)),
            ("2000-02-29T", Some(11_016)),
            ("2024-12-31T23:59:59Z", Some(20_088)),
            ("2027-01-31T12:00:00Z", Some(20_849)),
            ("2027-13-01", None),
            ("soon", None),
            ("é-01-01-01-01", None),
        ] {
            assert_eq!(days(date), want, "{date}");
        }
    }

    #[test]
    fn a_profile_is_judged_by_its_day() {
        let profile = b"\x30\x82\xff<key>ExpirationDate</key>\n\t<date>2027-01-31T12:00:00Z</date>";
        for (today, want) in [
            (20_849 - 400, Severity::Ok),
            (20_849 - 29, Severity::Warning),
            (20_849, Severity::Warning),
            (20_850, Severity::Error),
        ] {
            assert_eq!(judge(profile, today).severity, want, "{today}");
        }
        assert_eq!(judge(b"", 0).severity, Severity::Warning);
    }
}
