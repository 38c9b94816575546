//! Rust source as far as the tests of the code's shape need to understand it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::leaks::files_below;

/// A source file, without its comments and without what is for `cfg(test)` only.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path below `src`: `store/vault/mod.rs`.
    pub(crate) path: String,
    /// The code, with empty strings.
    pub(crate) code: String,
    /// The code, with its strings.
    pub(crate) text: String,
}

impl Source {
    /// Reads everything below `src`.
    pub(crate) fn all() -> Vec<Self> {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
        let files: Vec<_> = files_below(&src).into_iter().filter(is_rust).collect();
        assert!(!files.is_empty(), "no source in {}", src.display());
        let read = |path: PathBuf| {
            let below = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
            Self::new(&below, &std::fs::read_to_string(path).unwrap())
        };
        files.into_iter().map(read).collect()
    }

    /// Takes source apart.
    pub(crate) fn new(path: &str, source: &str) -> Self {
        let (code, text) = without_comments(source);
        let gone = test_items(&code);
        Self { path: path.to_owned(), code: cut(&code, &gone), text: cut(&text, &gone) }
    }

    /// The module at the top that it belongs to: `store`.
    pub(crate) fn top(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// The modules at the top that it names as `crate::…`.
    pub(crate) fn imports(&self) -> BTreeSet<String> {
        self.named_after("crate::")
    }

    /// The names that come after `prefix` in the code: `b` and `c` after `a::` in
    /// `use a::{b, c::d}`.
    pub(crate) fn named_after(&self, prefix: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (at, _) in self.code.match_indices(prefix) {
            if is_word(self.code[..at].chars().next_back()) {
                continue;
            }
            let rest = &self.code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(list) => names.extend(first_names(list)),
                None => names.extend([word(rest).to_owned()]),
            }
        }
        names.remove("");
        names
    }

    /// Tells whether the code has `word`, not as a part of another.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        self.code.match_indices(word).any(|(at, _)| {
            !is_word(self.code[..at].chars().next_back())
                && !is_word(self.code[at + word.len()..].chars().next())
        })
    }

    /// How many lines hold code.
    pub(crate) fn lines(&self) -> usize {
        self.code.lines().filter(|line| !line.trim().is_empty()).count()
    }
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn word(text: &str) -> &str {
    let end = text.find(|c| !is_word(Some(c))).unwrap_or(text.len());
    &text[..end]
}

/// Returns the first name of each path in `a, b::{c, d}, e}`.
fn first_names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut start) = (0, true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && is_word(Some(c)) => {
                names.push(word(&list[at..]).to_owned());
                start = false;
            }
            _ => {}
        }
    }
    names
}

/// Replaces comments by spaces; in the first result also what is inside of strings and
/// characters. Lines and offsets stay.
fn without_comments(source: &str) -> (String, String) {
    let bytes = source.as_bytes();
    let (mut code, mut text) = (bytes.to_vec(), bytes.to_vec());
    let mut at = 0;
    while at < bytes.len() {
        let end = at + token(&bytes[at..], is_word(source[..at].chars().next_back()));
        let (comment, string) =
            (bytes[at..].starts_with(b"//") || bytes[at..].starts_with(b"/*"), end > at + 1);
        if string {
            blank(&mut code[at..end]);
        }
        if comment {
            blank(&mut text[at..end]);
        }
        at = end;
        while at < bytes.len() && !source.is_char_boundary(at) {
            at += 1;
        }
    }
    (String::from_utf8_lossy(&code).into_owned(), String::from_utf8_lossy(&text).into_owned())
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Returns the length of the comment, string or character that begins here; else 1.
fn token(rest: &[u8], in_word: bool) -> usize {
    let find = |from: usize, what: &[u8]| {
        let found = rest[from..].windows(what.len()).position(|part| part == what);
        found.map_or(rest.len(), |at| from + at + what.len())
    };
    let hashes = rest.iter().skip(1).take_while(|byte| **byte == b'#').count();
    match rest {
        [b'/', b'/', ..] => find(2, b"\n") - 1,
        [b'/', b'*', ..] => find(2, b"*/"),
        [b'r', ..] if !in_word && rest.get(1 + hashes) == Some(&b'"') => {
            find(2 + hashes, &[b"\"", "#".repeat(hashes).as_bytes()].concat())
        }
        [b'"', ..] => quoted(rest, b'"'),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        // Not a lifetime: those have no second quote after one character.
        [b'\'', ..] => match rest.iter().take(6).skip(2).position(|byte| *byte == b'\'') {
            Some(more) if more == 0 || rest[1] >= 0x80 => more + 3,
            _ => 1,
        },
        _ => 1,
    }
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Returns where the items are that `#[cfg(test)]` keeps out of the program.
fn test_items(code: &str) -> Vec<std::ops::Range<usize>> {
    let end_of = |start: usize| {
        let mut depth = 0;
        for (at, c) in code[start..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(c, '}' | ';') {
                return start + at + 1;
            }
        }
        code.len()
    };
    code.match_indices("#[cfg(test)]").map(|(start, _)| start..end_of(start)).collect()
}

fn cut(code: &str, gone: &[std::ops::Range<usize>]) -> String {
    let keep = |(at, c): (usize, char)| {
        let inside = gone.iter().any(|range| range.contains(&at));
        (!inside || c == '\n').then_some(c)
    };
    code.char_indices().filter_map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"
//! crate::comment
use crate::{fs, term::{self, path}, error::Result};
/* crate::block */
fn f<'a>(x: &'a str) -> char {
    let _ = ("crate::string \" // x", r#"crate::raw " "#, '"', '\'', 'ß');
    crate::sys::call() // crate::end
}
#[cfg(test)]
mod tests {
    use crate::tested;
    fn g() { unsafe {} }
}
fn not_unsafe_code() { xcrate::no(); "/dev/tty" }
"##;

    #[test]
    fn only_real_code_counts() {
        let source = Source::new("store/vault/mod.rs", SOURCE);
        assert_eq!(Vec::from_iter(source.imports()), ["error", "fs", "sys", "term"]);
        assert_eq!(source.top(), "store");
        assert!(!source.has_word("unsafe") && source.has_word("not_unsafe_code"));
        assert!(source.text.contains("/dev/tty") && !source.code.contains("/dev/tty"));
        assert!(source.text.contains("crate::raw") && !source.text.contains("crate::end"));
        assert_eq!(source.lines(), 6);
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_left_out_too() {
        let source = Source::new("a.rs", "#[cfg(test)]\n#[path = \"b.rs\"]\nmod tests;\nfn f() {}");
        assert_eq!(source.code.trim(), "fn f() {}");
    }
}
