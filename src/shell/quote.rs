//! The quoters: bytes in, a word out that the shell reads back as those bytes.
//!
//! Everything is quoted, also what looks harmless: a bare `=ls` is a path to zsh. Tested
//! against the real shells in `tests/quoting.rs`. (threat B7)

use std::io::Write;

use zeroize::Zeroizing;

/// Quotes for bash, zsh, dash and every other POSIX shell.
///
/// Single quotes take everything but themselves literally. `$'…'` would be shorter for
/// some values, but dash does not know it.
pub fn posix(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = buffer(4 * value.len() + 2);
    out.push(b'\'');
    for &byte in value {
        match byte {
            b'\'' => out.extend_from_slice(br"'\''"),
            _ => out.push(byte),
        }
    }
    out.push(b'\'');
    out
}

/// Quotes for fish, in whose single quotes `\\` and `\'` are escapes.
///
/// No backslash stands inside of the quotes: fish reads by the locale, and in GBK or `Shift_JIS`
/// it would be the second half of a character that begins with whatever stands before it.
/// Bytes that are no UTF-8, and the code points that fish uses for itself (U+FDD0–U+FDEF,
/// U+F600–U+F6FF), are written as `\XHH`.
pub fn fish(value: &[u8]) -> Zeroizing<Vec<u8>> {
    // `'\XHH'` is six bytes.
    let mut out = buffer(6 * value.len() + 2);
    out.push(b'\'');
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).as_bytes();
            match c {
                '\'' => out.extend_from_slice(br"'\''"),
                '\\' => out.extend_from_slice(br"'\\'"),
                '\u{f600}'..='\u{f6ff}' | '\u{fdd0}'..='\u{fdef}' => {
                    escape_for_fish(&mut out, bytes);
                }
                _ => out.extend_from_slice(bytes),
            }
        }
        escape_for_fish(&mut out, chunk.invalid());
    }
    out.push(b'\'');
    out
}

fn escape_for_fish(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a vector cannot fail.
        write!(out, r"'\X{byte:02x}'").ok();
    }
}

/// Quotes for a dotenv file, so that mima reads these bytes back; `None` if they are no UTF-8.
///
/// Single quotes, where all readers of such files agree that what is in them is literal. Else
/// double quotes, in which most know these escapes.
pub fn dotenv(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(value).ok()?;
    // To some, a backslash saves a quote or another backslash in single quotes too.
    let is_literal = !text.contains(['\'', '\r']) && !text.contains(r"\\") && !text.ends_with('\\');
    let mut out = buffer(2 * value.len() + 2);
    out.push(if is_literal { b'\'' } else { b'"' });
    for &byte in value {
        match byte {
            _ if is_literal => out.push(byte),
            b'\\' | b'"' | b'$' => out.extend_from_slice(&[b'\\', byte]),
            // At the end of a line it would be taken for a part of the line break.
            b'\r' => out.extend_from_slice(br"\r"),
            _ => out.push(byte),
        }
    }
    out.push(if is_literal { b'\'' } else { b'"' });
    Some(out)
}

/// A buffer that need not grow: growing would leave a copy of a secret behind.
fn buffer(capacity: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(capacity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_b7_nothing_stays_bare() {
        for (value, want_posix, want_fish) in [
            (&b"=ls"[..], &b"'=ls'"[..], &b"'=ls'"[..]),
            (b"it's", br"'it'\''s'", br"'it'\''s'"),
            (br"\'; id; #", br"'\'\''; id; #'", br"''\\''\''; id; #'"),
            (b"a\xffb", b"'a\xffb'", br"'a'\Xff'b'"),
            (b"", b"''", b"''"),
            ("\u{fdd0}".as_bytes(), "'\u{fdd0}'".as_bytes(), br"''\Xef''\Xb7''\X90''"),
        ] {
            assert_eq!(posix(value).as_slice(), want_posix);
            assert_eq!(fish(value).as_slice(), want_fish);
        }
    }

    #[test]
    fn a_dotenv_value_is_literal_where_readers_agree_on_that() {
        let quoted = |value: &str| {
            dotenv(value.as_bytes()).map(|out| String::from_utf8(out.to_vec()).unwrap())
        };
        for (value, want) in [
            ("", "''"),
            ("a b#c$d `e` \"f\" \\n\n", "'a b#c$d `e` \"f\" \\n\n'"),
            ("it's", r#""it's""#),
            ("it's $5 \"\n", "\"it's \\$5 \\\"\n\""),
            ("end\\", r#""end\\""#),
            (r"a\\b$", r#""a\\\\b\$""#),
            ("a\r\nb\r", "\"a\\r\nb\\r\""),
        ] {
            assert_eq!(quoted(value).as_deref(), Some(want));
        }
        assert_eq!(dotenv(b"a\xff"), None);
    }
}
