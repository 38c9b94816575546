//! `mima man`: the manual page, generated from the clap types.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::config::{project, user};
use crate::error::{Context, Result};
use crate::term;

/// The files that people write: what each is called, whose it is, and one that has every key.
const FILES: [(&str, &str, &str); 2] = [
    ("~/.mima.yaml", "The user's own file.", user::EXAMPLE),
    (
        ".mima.yaml",
        "The file of a project. What is in .mima.local.yaml beside it is laid over it.",
        project::EXAMPLE,
    ),
];

pub(super) fn run() -> Result<()> {
    term::print(&page().context("could not make the manual page")?)
}

/// Renders one page for all verbs, because one page is searched in one go.
fn page() -> io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    render_verbs(&command, "mima", &mut page)?;
    writeln!(page, ".SH FILES")?;
    for (name, what, example) in FILES {
        writeln!(page, ".SS {name}\n{what}\n.PP\n.nf")?;
        example.lines().try_for_each(|line| writeln!(page, "\\&{}", escaped(line)))?;
        writeln!(page, ".fi")?;
    }
    writeln!(page, ".SH \"ENVIRONMENT AND EXIT STATUS\"")?;
    page.extend(body(|out| man.render_extra_section(out))?);
    Ok(page)
}

/// Renders every verb that has no verbs of its own below it.
fn render_verbs(command: &Command, path: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    for verb in verbs.filter(|verb| verb.get_name() != "help") {
        let path = format!("{path} {}", verb.get_name());
        if verb.has_subcommands() {
            render_verbs(verb, &path, page)?;
            continue;
        }
        let man = Man::new(verb.clone().bin_name(&path));
        writeln!(page, ".SS {path}")?;
        page.extend(body(|out| man.render_description_section(out))?);
        writeln!(page, ".PP")?;
        page.extend(body(|out| man.render_synopsis_section(out))?);
        page.extend(body(|out| man.render_options_section(out))?);
    }
    Ok(())
}

/// Keeps what roff would take for something else. That a line starts with a dot is left to
/// whoever writes it.
fn escaped(line: &str) -> String {
    line.replace('\\', "\\e").replace('-', "\\-")
}

/// Renders a section without its heading.
fn body(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut section = Vec::new();
    render(&mut section)?;
    Ok(section
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(b".SH"))
        .flatten()
        .copied()
        .collect())
}
