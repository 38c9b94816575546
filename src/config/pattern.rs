//! Patterns for the files to watch: `src/*.toml`, `**/Cargo.lock`.

use glob::Pattern;

use super::parse::Fault;
use super::parse::outline::Node;
use crate::error::Result;

/// A path of which some parts stand for many names.
#[derive(Debug)]
pub struct Paths {
    /// What is before the first of these: a directory, or nothing.
    pub base: String,
    /// That part, and all after it.
    pub parts: Vec<Part>,
}

/// A part of a path.
#[derive(Debug)]
pub enum Part {
    /// Itself.
    Name(String),
    /// What fits, in the directory before it.
    Names(Pattern),
    /// That directory, and every directory below it.
    Any,
}

/// Tells whether a name is one that a pattern means. As in a shell, one that begins with a dot
/// is meant only where the pattern says so.
pub fn fits(pattern: &Pattern, name: &str) -> bool {
    (!name.starts_with('.') || pattern.as_str().starts_with('.')) && pattern.matches(name)
}

/// Tells whether a directory with that name is among those that `**` stands for.
pub fn is_open(name: &str) -> bool {
    !name.starts_with('.')
}

/// Takes a pattern apart. `Ok(None)` if the text is the path of one file, and `Err` if it looks
/// like a pattern and is none.
pub fn parse(text: &str) -> Result<Option<Paths>, glob::PatternError> {
    let Some(first) = text.find(['*', '?', '[']) else { return Ok(None) };
    let (before, _) = text.split_at(first);
    let base = before.rfind('/').map_or(0, |slash| slash + 1);
    let (base, rest) = text.split_at(base);
    let names = rest.split('/').filter(|name| !["", "."].contains(name));
    let mut parts = names.map(part).collect::<Result<Vec<_>, _>>()?;
    if matches!(parts.last(), Some(Part::Any)) {
        parts.push(Part::Names(Pattern::new("*")?));
    }
    Ok(Some(Paths { base: base.to_owned(), parts }))
}

fn part(name: &str) -> Result<Part, glob::PatternError> {
    Ok(match name {
        "**" => Part::Any,
        name if name.contains(['*', '?', '[']) => Part::Names(Pattern::new(name)?),
        name => Part::Name(name.to_owned()),
    })
}

/// Reads a path or pattern. Whether it is a well-formed one is found now, what matches it when
/// it is loaded.
pub(super) fn path_or_pattern(node: &Node) -> Result<String, Fault> {
    let text = node.string()?;
    match parse(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(node.fault("this is no pattern").hint(
            "* ? [ab] stand for parts of a name, **/ for any directories, and [[] for a bracket",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let Some(paths) = parse(text).unwrap() else { return "-".to_owned() };
        let parts = paths.parts.iter().map(|part| match part {
            Part::Name(name) => format!("={name}"),
            Part::Names(pattern) => pattern.to_string(),
            Part::Any => "any".to_owned(),
        });
        format!("{}|{}", paths.base, parts.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_pattern_is_taken_apart() {
        for (text, want) in [
            ("Cargo.toml", "-"),
            ("../a b/{c}", "-"),
            ("*", "|*"),
            ("/*", "/|*"),
            ("src/*.toml", "src/|*.toml"),
            ("/a/b/c?/d/../e", "/a/b/|c? =d =.. =e"),
            ("~/x/[a-c]*", "~/x/|[a-c]*"),
            ("**/Cargo.lock", "|any =Cargo.lock"),
            ("a/**", "a/|any *"),
            ("./a//**/./*.rs/", "./a//|any *.rs"),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
        for bad in ["[", "a/b[c", "a**", "**b/c", "***", "a/[]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_fits_as_in_a_shell() {
        for (pattern, name, want) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", false),
            ("*.toml", "a.tomlx", false),
            (".*", ".env", true),
            ("?", "é", true),
            ("[!a]b", "cb", true),
            ("[!a]b", "ab", false),
            ("[[]id[]].tsx", "[id].tsx", true),
            ("*A*", "xay", false),
        ] {
            assert_eq!(fits(&Pattern::new(pattern).unwrap(), name), want, "{pattern} {name}");
        }
        // None of many stars takes forever.
        let slow = Pattern::new(&format!("{}b", "*a".repeat(100))).unwrap();
        assert!(!fits(&slow, &"a".repeat(250)));
    }
}
