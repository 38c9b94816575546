//! `mima env`: a group's secrets as lines to evaluate.

use zeroize::Zeroizing;

use crate::cli::{Env, Syntax};
use crate::error::{Failure, Result};
use crate::flow::{Mima, Purpose, Wanted};
use crate::names::VarName;
use crate::secret::Secret;
use crate::shell::quote;
use crate::term;

pub(super) fn run(mima: &Mima, args: &Env) -> Result<()> {
    let wanted = Wanted::resolve(mima, &args.groups)?;
    let store = mima.store()?;
    wanted.check_exist(&*store)?;
    let secrets = wanted.read(
        mima,
        &*store,
        &Purpose { verb: "env", who: "standard output", is_use: true },
    )?;
    let syntax = args.shell.unwrap_or(Syntax::Bash);
    let text = if syntax == Syntax::Json { json(&secrets)? } else { lines(syntax, &secrets)? };
    if term::stdout_is_terminal() {
        term::note("these are the values, in the clear");
        term::hint(&format!("mima run {} -- CMD gives them to one command only", wanted.list()));
    }
    term::print(&text)
}

/// Renders one statement per variable; all or nothing.
fn lines(syntax: Syntax, secrets: &[(VarName, Secret)]) -> Result<Zeroizing<Vec<u8>>> {
    let mut parts = Vec::new();
    for (name, value) in secrets {
        let (before, between) = match syntax {
            Syntax::Fish => ("set -gx ", " "),
            Syntax::Dotenv => ("", "="),
            Syntax::Bash | Syntax::Zsh | Syntax::Json => ("export ", "="),
        };
        let quoted = match syntax {
            Syntax::Fish => quote::fish(value.expose()),
            Syntax::Dotenv => quote::dotenv(value.expose()).ok_or_else(|| no_dotenv(name))?,
            Syntax::Bash | Syntax::Zsh | Syntax::Json => quote::posix(value.expose()),
        };
        parts.push((before, name, between, quoted));
    }
    let size = parts.iter().map(|(b, n, m, q)| b.len() + n.as_str().len() + m.len() + q.len() + 2);
    let mut text = Zeroizing::new(Vec::with_capacity(size.sum()));
    // With a semicolon, lines also survive a command substitution that joins them.
    let end: &[u8] = if syntax == Syntax::Dotenv { b"\n" } else { b";\n" };
    for (before, name, between, quoted) in &parts {
        for part in [before.as_bytes(), name.as_str().as_bytes(), between.as_bytes(), quoted, end] {
            text.extend_from_slice(part);
        }
    }
    Ok(text)
}

fn no_dotenv(name: &VarName) -> Failure {
    Failure::failed(format!(
        "the value of {name} is no UTF-8, and a dotenv file takes nothing else"
    ))
    .hint("use --shell bash or fish, or mima run")
}

fn json(secrets: &[(VarName, Secret)]) -> Result<Zeroizing<Vec<u8>>> {
    let mut values = std::collections::BTreeMap::new();
    let mut size = 4;
    for (name, value) in secrets {
        let text = std::str::from_utf8(value.expose()).map_err(|_| {
            Failure::failed(format!("the value of {name} is no UTF-8, and JSON takes nothing else"))
                .hint("use --shell bash or fish, or mima run")
        })?;
        // The longest escape, `\u0000`, takes six bytes.
        size += name.as_str().len() + 6 * text.len() + 8;
        values.insert(name.as_str(), text);
    }
    let mut text = Zeroizing::new(Vec::with_capacity(size));
    serde_json::to_writer_pretty(&mut *text, &values)
        .map_err(|error| Failure::failed(format!("could not write JSON: {error}")))?;
    text.push(b'\n');
    Ok(text)
}
