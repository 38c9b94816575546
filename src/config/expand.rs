//! Variables in the values of a project file and of dotenv files: `${VAR}` and `${VAR:-default}`.
//!
//! `$$` is a dollar sign, and in a project file a `$` before anything else stays as it is, so
//! that a value without `${` or `$$` arrives as written. Nothing is ever run or split. What comes
//! out has a size that a process can be given, however often a value repeats what it refers to.

use super::parse::{Fault, Place, path_text};
use crate::error::Result;
use crate::names::VarName;

/// The longest value: Linux takes no longer string for an environment. (threat B9)
pub const MAX_VALUE_BYTES: usize = (128 << 10) - 1;
/// How deep defaults may be nested.
const MAX_DEPTH: usize = 16;

/// How a value is written: what beside `${VAR}` and `$$` has a meaning in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In a project file: nothing.
    Yaml,
    /// In a dotenv file, without quotes: `$VAR`, and `\$`.
    Bare,
    /// In a dotenv file, in double quotes: `$VAR`, and some backslashes.
    Double,
    /// In a dotenv file, in single quotes: nothing, `${` and `$$` included.
    Single,
}

/// Why a value cannot be expanded. Never holds any of it but the name of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The variable is not set, and there is no default.
    Unset(VarName),
    /// `${` begins neither `${VAR}` nor `${VAR:-default}`.
    Malformed,
    /// Defaults are nested too deeply.
    TooDeep,
    /// The result is longer than [`MAX_VALUE_BYTES`].
    TooLong,
}

impl Problem {
    /// Says what is wrong with the value at `place`, of the key at `path`.
    pub fn fault(&self, place: Place, path: &str) -> Fault {
        const FORM: &str = "write ${VAR} or ${VAR:-default}; for a dollar sign, $$";
        let (what, hint) = match self {
            Self::Unset(var) => {
                let var = path_text(&[var.as_str()]);
                (format!("{var} is not set"), format!("with a default: ${{{var}:-default}}"))
            }
            Self::Malformed => ("a `${` is not closed, or not a variable".into(), FORM.into()),
            Self::TooDeep => ("defaults are nested too deeply".into(), String::new()),
            Self::TooLong => {
                (format!("the value is longer than {MAX_VALUE_BYTES} bytes"), String::new())
            }
        };
        Fault::new(place, path, what).hint(hint)
    }
}

/// Expands the variables in `text`. An empty variable counts as unset where it has a default.
pub fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<u8>, Problem> {
    expand_as(Form::Yaml, text, lookup)
}

/// As [`expand`], of a text that is written in a certain form.
pub fn expand_as(
    form: Form,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, Problem> {
    let mut expander = Expander { form, rest: text, lookup, out: Vec::new() };
    if form == Form::Single {
        expander.push(text.as_bytes(), true)?;
    } else {
        expander.text(0, true)?;
    }
    Ok(expander.out)
}

struct Expander<'a> {
    form: Form,
    rest: &'a str,
    lookup: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    out: Vec<u8>,
}

impl<'a> Expander<'a> {
    /// Reads to the end of the text or, inside of a default, behind its closing bracket.
    /// What is not `wanted` must be well-formed all the same.
    fn text(&mut self, depth: usize, wanted: bool) -> Result<(), Problem> {
        let is_yaml = self.form == Form::Yaml;
        let stops = |c: char| c == '$' || c == '}' && depth > 0 || c == '\\' && !is_yaml;
        loop {
            let end = self.rest.find(stops).unwrap_or(self.rest.len());
            let (plain, rest) = self.rest.split_at(end);
            self.push(plain.as_bytes(), wanted)?;
            if let Some(rest) = rest.strip_prefix("${") {
                self.rest = rest;
                self.variable(depth + 1, wanted)?;
            } else if let Some(rest) = rest.strip_prefix('$').filter(|rest| self.is_name(rest)) {
                self.bare_variable(rest, wanted)?;
            } else if let Some(rest) = rest.strip_prefix("$$").or(rest.strip_prefix('$')) {
                self.rest = rest;
                self.push(b"$", wanted)?;
            } else if let Some(rest) = rest.strip_prefix('\\') {
                self.escape(rest, wanted)?;
            } else if let Some(rest) = rest.strip_prefix('}') {
                self.rest = rest;
                return Ok(());
            } else {
                return if depth == 0 { Ok(()) } else { Err(Problem::Malformed) };
            }
        }
    }

    /// Reads what comes after `${`.
    fn variable(&mut self, depth: usize, wanted: bool) -> Result<(), Problem> {
        if depth > MAX_DEPTH {
            return Err(Problem::TooDeep);
        }
        let end = self.rest.find(['}', ':']).ok_or(Problem::Malformed)?;
        let (name, rest) = self.rest.split_at(end);
        let var = VarName::parse(name).map_err(|_| Problem::Malformed)?;
        let value = if wanted { (self.lookup)(var.as_str()) } else { None };
        if let Some(rest) = rest.strip_prefix('}') {
            self.rest = rest;
            return match value {
                Some(value) => self.push(&value, wanted),
                None if wanted => Err(Problem::Unset(var)),
                None => Ok(()),
            };
        }
        self.rest = rest.strip_prefix(":-").ok_or(Problem::Malformed)?;
        let value = value.unwrap_or_default();
        self.push(&value, wanted)?;
        self.text(depth, wanted && value.is_empty())
    }

    /// Tells whether what comes after a `$` is a name that is meant.
    fn is_name(&self, rest: &str) -> bool {
        let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
        self.form != Form::Yaml && rest.starts_with(is_start)
    }

    /// Reads a name that comes after `$`, as far as it goes.
    fn bare_variable(&mut self, rest: &'a str, wanted: bool) -> Result<(), Problem> {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let var = VarName::parse(name).map_err(|_| Problem::Malformed)?;
        self.rest = rest;
        if !wanted {
            return Ok(());
        }
        let value = (self.lookup)(var.as_str()).ok_or(Problem::Unset(var))?;
        self.push(&value, wanted)
    }

    /// Reads what comes after a backslash. One that means nothing stays as it is.
    fn escape(&mut self, rest: &'a str, wanted: bool) -> Result<(), Problem> {
        let is_quoted = self.form == Form::Double;
        let mut chars = rest.chars();
        let meant: &[u8] = match chars.next() {
            Some('$') => b"$",
            Some('n') if is_quoted => b"\n",
            Some('r') if is_quoted => b"\r",
            Some('t') if is_quoted => b"\t",
            Some('\\') if is_quoted => b"\\",
            Some('"') if is_quoted => b"\"",
            _ => {
                self.rest = rest;
                return self.push(b"\\", wanted);
            }
        };
        self.rest = chars.as_str();
        self.push(meant, wanted)
    }

    fn push(&mut self, bytes: &[u8], wanted: bool) -> Result<(), Problem> {
        if !wanted {
            return Ok(());
        }
        if self.out.len() + bytes.len() > MAX_VALUE_BYTES {
            return Err(Problem::TooLong);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An environment with `A=a`, an empty `E`, bytes that are no text in `B`, and `L`, long.
    fn lookup(name: &str) -> Option<Vec<u8>> {
        match name {
            "A" => Some(b"a".to_vec()),
            "B" => Some(b"\xff\n".to_vec()),
            "D" => Some(b"${A}$$".to_vec()),
            "E" => Some(Vec::new()),
            "L" => Some(vec![b'l'; 50_000]),
            _ => None,
        }
    }

    fn expanded(text: &str) -> Result<Vec<u8>, Problem> {
        expand(text, &lookup)
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        for (text, want) in [
            ("${A}", "a"),
            ("x${A}y${A}", "xaya"),
            ("${E}", ""),
            ("${A:-d}", "a"),
            ("${E:-d}", "d"),
            ("${U:-d}", "d"),
            ("${U:-}", ""),
            ("${U:-${A}/b}", "a/b"),
            ("${U:-x${V:-y${A}}z}", "xyaz"),
            ("${U:-é:-{$$}}", "é:-{$}"),
            // The shell does not look at a default that it does not need either.
            ("${A:-${U}}!", "a!"),
            // A value is not expanded again.
            ("${D}", "${A}$$"),
        ] {
            assert_eq!(expanded(text).map(String::from_utf8), Ok(Ok(want.to_owned())), "{text}");
        }
        assert_eq!(expanded("${B}"), Ok(b"\xff\n".to_vec()));
    }

    #[test]
    fn a_dollar_that_means_nothing_stays() {
        for (text, want) in [
            ("$", "$"),
            ("$A $(id) $1", "$A $(id) $1"),
            ("a}b{c", "a}b{c"),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("$$$", "$$"),
            ("$$${A}", "$a"),
        ] {
            assert_eq!(expanded(text).map(String::from_utf8), Ok(Ok(want.to_owned())), "{text}");
        }
    }

    #[test]
    fn in_a_dotenv_file_a_bare_name_and_some_backslashes_have_a_meaning() {
        for (text, want) in [
            ("$A-$E|$$A|$1|$", Ok("a-|$A|$1|$")),
            (r"${U:-$A}\$A", Ok("a$A")),
            (r"$\$A", Ok("$$A")),
            (r"$$\$A", Ok("$$A")),
            (r"\${A}", Ok("${A}")),
            (r"\a\é\'\", Ok(r"\a\é\'\")),
            (r"${U:-\}", Ok(r"\")),
            ("${A:-$U}$$", Ok("a$")),
            ("x$A$U", Err("U")),
            ("$A_ ", Err("A_")),
        ] {
            let want = match want {
                Ok(value) => Ok(value.as_bytes().to_vec()),
                Err(name) => Err(Problem::Unset(VarName::parse(name).unwrap())),
            };
            assert_eq!(expand_as(Form::Bare, text, &lookup), want, "{text}");
            assert_eq!(expand_as(Form::Double, text, &lookup), want, "{text}");
            assert_eq!(expand_as(Form::Single, text, &lookup).unwrap(), text.as_bytes());
        }
        for (text, bare, double) in [
            (r#"\n\r\t\\\""#, r#"\n\r\t\\\""#, "\n\r\t\\\""),
            (r"\\$A", r"\$A", r"\a"),
            (r"\\n", r"\\n", r"\n"),
        ] {
            assert_eq!(expand_as(Form::Bare, text, &lookup).unwrap(), bare.as_bytes());
            assert_eq!(expand_as(Form::Double, text, &lookup).unwrap(), double.as_bytes());
        }
        let long = format!("${}", "A".repeat(129));
        assert_eq!(expand_as(Form::Bare, &long, &lookup), Err(Problem::Malformed));
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        assert_eq!(expand_as(Form::Single, &long, &lookup), Err(Problem::TooLong));
    }

    #[test]
    fn what_cannot_be_expanded_is_an_error() {
        let unset = |name| Problem::Unset(VarName::parse(name).unwrap());
        for (text, want) in [
            ("${U}", unset("U")),
            ("${A:-x}${U:-${V}}", unset("V")),
            ("${", Problem::Malformed),
            ("${A", Problem::Malformed),
            ("${}", Problem::Malformed),
            ("${:-x}", Problem::Malformed),
            ("${ A }", Problem::Malformed),
            ("${1}", Problem::Malformed),
            ("${é}", Problem::Malformed),
            ("${A-x}", Problem::Malformed),
            ("${A:x}", Problem::Malformed),
            ("${A:+x}", Problem::Malformed),
            ("${A:-x", Problem::Malformed),
            ("${A:-${}}", Problem::Malformed),
            ("${${A}}", Problem::Malformed),
            (&"${U:-".repeat(100_000), Problem::TooDeep),
        ] {
            assert_eq!(expanded(text), Err(want), "{text:.20}");
        }
    }

    #[test]
    fn no_value_explodes() {
        assert_eq!(expanded("${L}${L}").unwrap().len(), 100_000);
        assert_eq!(expanded("${L}${L}${L}"), Err(Problem::TooLong));
        assert_eq!(expanded(&"${L}".repeat(16_000)), Err(Problem::TooLong));
        assert_eq!(expanded(&"x".repeat(131_071)).unwrap().len(), 131_071);
        assert_eq!(expanded(&"x".repeat(131_072)), Err(Problem::TooLong));
    }

    #[test]
    fn t_c5_no_message_repeats_a_value() {
        let said = |text: &str| {
            let fault = expanded(text).unwrap_err().fault(Place::new(3, 6), "env.A");
            let mut out = Vec::new();
            fault.in_file("f").report(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            said("C4nary${U}"),
            "mima: f:3:6: env.A: U is not set\nhint: with a default: ${U:-default}\n"
        );
        assert_eq!(
            said("C4nary${C4nary-x}"),
            "mima: f:3:6: env.A: a `${` is not closed, or not a variable\n\
             hint: write ${VAR} or ${VAR:-default}; for a dollar sign, $$\n"
        );
        assert_eq!(
            said(&"C4nary".repeat(30_000)),
            "mima: f:3:6: env.A: the value is longer than 131071 bytes\n"
        );
        // What is long may be anything.
        assert!(!said(&format!("${{{}}}", "C4nary_".repeat(8))).contains("C4n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn text_without_a_dollar_is_unchanged(text in "[^$]{0,200}") {
            prop_assert_eq!(expanded(&text), Ok(text.into_bytes()));
        }

        #[test]
        fn doubled_dollars_halve(text in "([$]|[^$]){0,50}") {
            prop_assert_eq!(expanded(&text.replace('$', "$$")), Ok(text.into_bytes()));
        }

        #[test]
        fn t_c6_nothing_makes_it_panic_or_grow(text in "([$]|[{]|[}]|:|-|:-|[$][{]|A|B|L|U|é|[^$]){0,80}") {
            if let Ok(value) = expanded(&text) {
                prop_assert!(value.len() <= MAX_VALUE_BYTES);
            }
        }
    }
}
