//! `.envrc`, read and never run.
//!
//! What a line does is only said where it says so itself: plain commands of direnv, and exports
//! whose words need no shell. All else, and all that may be run or not, is left to the reader.
//! No text of the file is in a reason. (threat C5)

mod scan;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;

use super::imported::{Does, Piece, Statement, Value};
use super::parse::{self, Fault};
use crate::error::Result;
use crate::names::VarName;
use scan::Scanner;
use words::Word;

/// What has no counterpart.
const UNKNOWN: &str = "no key of a project file does this";
/// What depends on something.
const INSIDE: &str = "it is part of something larger";
/// What a variable would be set to is not known.
const REFERS: &str = "it refers to what a line that is not translated sets";
/// Another line may set it, or not.
const AGAIN: &str = "a line that is not translated sets it too";

/// Reads a file.
pub fn parse(bytes: &[u8]) -> Result<Vec<Statement>, Fault> {
    let text = parse::text(bytes)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut scanner = Scanner::new(text);
    let mut statements = Vec::new();
    let mut unsure = BTreeSet::new();
    while let Some(line) = scanner.next_line() {
        if line.is_blank() {
            continue;
        }
        let what = match words::split(line.text) {
            _ if line.is_inside => Err(INSIDE.to_owned()),
            Ok(words) => command(&words).map_err(str::to_owned),
            Err(why) => Err(why.to_owned()),
        };
        if what.is_err() {
            unsure.extend(assigned(line.text));
        }
        statements.push(Statement { first: line.first, last: line.last, what });
    }
    // What depends on what is not translated is none of it either, and so on.
    loop {
        let before = unsure.len();
        for statement in &mut statements {
            let Ok(Does::Set(vars)) = &statement.what else { continue };
            let refers = vars.iter().any(|(_, value)| value.vars().any(|var| unsure.contains(var)));
            let again = vars.iter().any(|(name, _)| unsure.contains(name.as_str()));
            if refers || again {
                unsure.extend(vars.iter().map(|(name, _)| name.to_string()));
                statement.what = Err(if again { AGAIN } else { REFERS }.to_owned());
            }
        }
        if unsure.len() == before {
            break;
        }
    }
    mark_unset(&mut statements);
    Ok(statements)
}

/// To a shell, a variable that is not set is empty, until it is told to be strict; to a project
/// file it is an error. So what the file itself has not set by then is allowed to be unset.
fn mark_unset(statements: &mut [Statement]) {
    let mut set: BTreeSet<String> = ["HOME", "MIMA_DIR", "PATH"].map(str::to_owned).into();
    for statement in statements {
        let values: Vec<&mut Value> = match &mut statement.what {
            Ok(Does::Nothing) => return,
            Ok(Does::Set(vars)) => vars.iter_mut().map(|(_, value)| value).collect(),
            Ok(Does::Prepend(_, dirs)) => dirs.iter_mut().collect(),
            _ => continue,
        };
        for piece in values.into_iter().flat_map(|value| &mut value.0) {
            if let Piece::Var { name, may_be_unset } = piece {
                *may_be_unset = !set.contains(name);
            }
        }
        if let Ok(Does::Set(vars)) = &statement.what {
            set.extend(vars.iter().map(|(name, _)| name.to_string()));
        }
    }
}

/// Returns the names before each `=` in a text, which it may set.
fn assigned(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, _) in text.match_indices('=') {
        let before = text.get(..at).unwrap_or_default().trim_end_matches('+');
        let start = before.rfind(|c| !is_name(c)).map_or(0, |c| c + 1);
        // A character that is none of a name may have several bytes.
        let start = (start..=before.len()).find(|start| before.is_char_boundary(*start));
        let name = before.get(start.unwrap_or(before.len())..).unwrap_or_default();
        names.extend((!name.is_empty()).then(|| name.to_owned()));
    }
    names
}

fn command(words: &[Word]) -> Result<Does, &'static str> {
    let (head, args) = words.split_first().ok_or(UNKNOWN)?;
    let texts = || -> Result<Vec<Value>, &'static str> {
        let fits = |word: &Word| !word.value.0.is_empty() && word.value.plain().is_some();
        let all = !args.is_empty() && args.iter().all(fits);
        let all = all.then(|| args.iter().map(|word| word.value.clone()).collect());
        all.ok_or("its words are not plain text")
    };
    let paths = |args: &[Word]| -> Result<Vec<Value>, &'static str> {
        let all = !args.is_empty() && args.iter().all(|w| !w.has_pattern && !w.value.0.is_empty());
        let all = all.then(|| args.iter().map(|word| in_project(word.value.clone())).collect());
        all.ok_or("its words are not plain paths")
    };
    let file = |key| match args {
        [] => Ok(Does::Append(key, vec![Value::text(".env")])),
        [file] if !file.has_pattern => texts().map(|_| Does::Append(key, vec![file.value.clone()])),
        _ => Err("it is about more than one file"),
    };
    match (head.bare.as_str(), args) {
        ("export", _) => export(args),
        ("dotenv", _) => file("dotenv"),
        ("dotenv_if_exists", _) => file("dotenv_if_exists"),
        ("PATH_add", _) => Ok(Does::Prepend("PATH".to_owned(), paths(args)?)),
        ("path_add", [list, args @ ..]) if VarName::parse(&list.bare).is_ok() => {
            Ok(Does::Prepend(list.bare.clone(), paths(args)?))
        }
        ("source_up" | "source_up_if_exists", []) => Ok(Does::SourceUp),
        ("use", [flake]) if flake.bare == "flake" => Ok(Does::UseFlake(Value::text("."))),
        ("use", [flake, which]) if flake.bare == "flake" && which.value.plain().is_some() => {
            Ok(Does::UseFlake(which.value.clone()))
        }
        ("layout", [_]) => Ok(Does::Append("layout", texts()?)),
        ("watch_file", _) => Ok(Does::Append("watch_file", texts()?)),
        ("env_vars_required", _) => Ok(Does::Append("env_vars_required", texts()?)),
        ("strict_env", []) => Ok(Does::Nothing),
        _ => Err(UNKNOWN),
    }
}

fn export(args: &[Word]) -> Result<Does, &'static str> {
    let mut vars = Vec::new();
    for word in args {
        let (name, _) = word.bare.split_once('=').ok_or("it sets no value")?;
        let name = VarName::parse(name).map_err(|_| "it sets no plain variable")?;
        let mut value = word.value.clone();
        if let Some(Piece::Text(text)) = value.0.first_mut() {
            text.drain(..=name.as_str().len());
        }
        let value = in_project(value);
        // A shell fills in all words of a line before it sets any.
        if value
            .vars()
            .any(|var| vars.iter().any(|(known, _): &(VarName, _)| known.as_str() == var))
        {
            return Err("it refers to what the same line sets");
        }
        if name.as_str() != "PATH" {
            vars.push((name, value));
            continue;
        }
        return match (args, before_path(&value)) {
            ([_], Some(dirs)) => Ok(Does::Prepend("PATH".to_owned(), dirs)),
            _ => Err("PATH is set to something else than directories and itself"),
        };
    }
    if vars.is_empty() { Err("it sets no value") } else { Ok(Does::Set(vars)) }
}

/// Returns the directories of `a:b:$PATH`.
fn before_path(value: &Value) -> Option<Vec<Value>> {
    let (Some(Piece::Var { name: path, .. }), before) =
        (value.0.last(), value.0.get(..value.0.len() - 1)?)
    else {
        return None;
    };
    let mut dirs = vec![Value::default()];
    for piece in before {
        match piece {
            Piece::Var { name, .. } => dirs.last_mut()?.push_var(name),
            Piece::Text(text) => {
                for (at, part) in text.split(':').enumerate() {
                    if at > 0 {
                        dirs.push(Value::default());
                    }
                    dirs.last_mut()?.push(part);
                }
            }
        }
    }
    // What follows the last colon is PATH itself.
    let is_apart = dirs.pop()?.0.is_empty() && path == "PATH";
    let are_dirs = dirs.iter().all(|dir| !dir.0.is_empty() && dir.vars().all(|v| v != "PATH"));
    (is_apart && are_dirs && !dirs.is_empty()).then_some(dirs)
}

/// direnv runs the file in its directory, which a project file has another name for.
fn in_project(mut value: Value) -> Value {
    for piece in &mut value.0 {
        if let Piece::Var { name, .. } = piece
            && name == "PWD"
        {
            "MIMA_DIR".clone_into(name);
        }
    }
    value
}
