//! The version of mima that a project file needs.

use super::parse::Fault;
use super::parse::outline::Node;
use crate::error::Result;

/// The version of this mima.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// Reads `>=MAJOR.MINOR.PATCH`, of which the end may be left out, and refuses the file if this
/// mima is older.
pub(super) fn at_least(node: &Node) -> Result<String, Fault> {
    let text = node.scalar()?;
    let wanted = text.strip_prefix(">=").map(str::trim_start);
    let Some(numbers) = wanted.and_then(numbers) else {
        return Err(node.fault("this is no version").hint("mima_version: \">=0.1\""));
    };
    let own = self::numbers(OWN);
    if own.is_some_and(|own| own < numbers) {
        let [major, minor, patch] = numbers;
        return Err(node
            .fault(format!("the project needs mima {major}.{minor}.{patch}, and this is {OWN}"))
            .hint("install a newer mima, then: mima reload"));
    }
    Ok(text.to_owned())
}

fn numbers(text: &str) -> Option<[u32; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split('.');
    for (at, number) in numbers.iter_mut().enumerate() {
        let Some(part) = parts.next() else { return (at > 0).then_some(numbers) };
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_to_three_numbers() {
        for (text, want) in [
            ("0", Some([0, 0, 0])),
            ("1.2", Some([1, 2, 0])),
            ("0.10.3", Some([0, 10, 3])),
            ("", None),
            ("1.", None),
            (".1", None),
            ("1.2.3.4", None),
            ("+1", None),
            ("1.2-rc", None),
            ("1.99999999999", None),
        ] {
            assert_eq!(numbers(text), want, "{text}");
        }
        assert!(numbers("0.10") > numbers("0.9.9") && numbers(OWN).is_some());
    }
}
