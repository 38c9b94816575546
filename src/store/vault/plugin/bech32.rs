//! As much of Bech32 as a plugin's identity needs: `AGE-PLUGIN-NAME-1…` without data made,
//! and one that was given checked and read for its plugin's name.

/// The alphabet of the data part.
const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// How many characters the checksum has.
const CHECKSUM: usize = 6;

/// Encodes `prefix` (lower case) without any data, in upper case, as age writes identities.
pub(super) fn encode_empty(prefix: &str) -> String {
    let sum = polymod(expand(prefix).chain([0; CHECKSUM])) ^ 1;
    let digits = (0..CHECKSUM).rev().filter_map(|at| {
        let digit = usize::try_from((sum >> (5 * at)) & 31).ok()?;
        ALPHABET.get(digit).copied().map(char::from)
    });
    format!("{prefix}1{}", digits.collect::<String>()).to_ascii_uppercase()
}

/// Returns the prefix (lower case) of an upper-case text whose checksum is right.
pub(super) fn prefix(text: &str) -> Option<String> {
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte.is_ascii_lowercase()) {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let (prefix, data) = text.rsplit_once('1')?;
    if prefix.is_empty() || data.len() < CHECKSUM {
        return None;
    }
    let digits: Option<Vec<u8>> = data
        .bytes()
        .map(|byte| ALPHABET.iter().position(|digit| *digit == byte))
        .map(|digit| u8::try_from(digit?).ok())
        .collect();
    (polymod(expand(prefix).chain(digits?)) == 1).then(|| prefix.to_owned())
}

/// The prefix as the checksum sees it.
fn expand(prefix: &str) -> impl Iterator<Item = u8> {
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    high.chain([0]).chain(low)
}

/// The checksum of BIP 173.
fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let shifted = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1)
            .fold(shifted, |sum, (_, generator)| sum ^ generator)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_as_age_makes_them() {
        // From BIP 173.
        assert_eq!(encode_empty("a"), "A12UEL5L");
        let made = encode_empty("age-plugin-x-");
        assert_eq!(prefix(&made).as_deref(), Some("age-plugin-x-"));
    }

    #[test]
    fn real_keys_pass_and_edited_ones_do_not() {
        use age::secrecy::ExposeSecret;
        let key = age::x25519::Identity::generate().to_string();
        assert_eq!(prefix(key.expose_secret()).as_deref(), Some("age-secret-key-"));
        let edited = key.expose_secret().replacen('Q', "P", 1);
        if edited != key.expose_secret() {
            assert_eq!(prefix(&edited), None);
        }
        for bad in ["", "1", "AGE", "AGE-PLUGIN-X-1", "age-plugin-x-1qqqqqq", "É1QQQQQQ"] {
            assert_eq!(prefix(bad), None, "{bad}");
        }
    }
}
