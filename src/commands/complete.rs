//! `mima complete`: what a word of a command line may become, for the completion scripts.
//!
//! It reads files, and the list of a store's names. Nobody is asked, nothing is started, and
//! what is wrong is no matter here. The first line says what follows: `names`, each with what
//! it stands for behind a tab; `files`, `directories`, or `command` and the place of its name,
//! which the shell knows better. Nothing at all where the script itself knows: verbs and flags.
//!
//! Of a project file that is not allowed nothing is offered: whoever completes its groups would
//! take them for usable. And what is offered follows the rules for names, which leave no room
//! for anything that a shell or a terminal would act on.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory, ValueHint};

use crate::cli::{Cli, Complete};
use crate::config::groups::Groups;
use crate::config::user::StoreKind;
use crate::error::Result;
use crate::flow::doctor::can_list;
use crate::flow::{Look, Mima, environment, working_directory};
use crate::names::{GroupName, SecretName, VarName};
use crate::term;

/// How much of what a group holds is shown beside it, in characters.
const MOST_SHOWN: usize = 60;

pub(super) fn run(mima: &Mima, args: &Complete) -> Result<()> {
    let mut root = Cli::command();
    root.build();
    let words: Vec<_> = args.words.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match Spot::find(&root, &words) {
        None => Ok(()),
        Some(Spot::Command(at)) => term::print_lines([format!("command {at}")]),
        Some(Spot::Value { path, arg, given, before, typed }) => {
            let found = Known { mima, given: &given, typed }.values(&path, arg);
            match found {
                None => Ok(()),
                Some(Found::Files) => term::print_lines(["files"]),
                Some(Found::Paths) => term::print_lines(["paths"]),
                Some(Found::Directories) => term::print_lines(["directories"]),
                Some(Found::Names(names)) => {
                    let mut text = "names\n".to_owned();
                    for (name, what) in names {
                        // Writing to a string cannot fail.
                        write!(text, "{before}{name}").ok();
                        if !what.is_empty() {
                            write!(text, "\t{what}").ok();
                        }
                        text.push('\n');
                    }
                    term::print(text.as_bytes())
                }
            }
        }
    }
}

/// What the last word of a command line is.
enum Spot<'a> {
    /// A part of the command of `mima run`, whose name is that word of the whole line.
    Command(usize),
    /// The value of a flag or argument.
    Value {
        path: String,
        arg: &'a Arg,
        /// The values of the arguments before it.
        given: Vec<&'a str>,
        /// What stands before the value in the same word: `--to=`.
        before: String,
        /// What there is of it already.
        typed: &'a str,
    },
}

impl<'a> Spot<'a> {
    /// Goes through the words behind `mima`.
    fn find(root: &'a Command, words: &[&'a str]) -> Option<Self> {
        let (typed, done) = words.split_last()?;
        let mut command = root;
        let (mut path, mut given) = (Vec::new(), Vec::new());
        let mut option: Option<&Arg> = None;
        let mut has_ended = false;
        for (at, word) in done.iter().enumerate() {
            if option.is_some() {
                // bash parts `--to=x` at the sign.
                option = option.filter(|_| *word == "=");
            } else if !has_ended && *word == "--" {
                has_ended = true;
            } else if !has_ended && word.starts_with('-') {
                option = with_value(command, word);
            } else if let Some(verb) = command.find_subcommand(word) {
                command = verb;
                path.push(verb.get_name());
            } else if argument(command, given.len()).is_some_and(is_command) {
                return Some(Self::Command(at + 1));
            } else {
                given.push(*word);
            }
        }
        let path = path.join(" ");
        if let Some(arg) = option {
            return Some(Self::Value { path, arg, given, before: String::new(), typed });
        }
        if !has_ended && typed.starts_with('-') {
            let (flag, typed) = typed.split_once('=')?;
            let arg = with_value(command, flag)?;
            return Some(Self::Value { path, arg, given, before: format!("{flag}="), typed });
        }
        let arg = argument(command, given.len())?;
        if is_command(arg) {
            return Some(Self::Command(words.len()));
        }
        Some(Self::Value { path, arg, given, before: String::new(), typed })
    }
}

/// Finds the flag that a word is, if its value comes next.
fn with_value<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = word.strip_prefix("--")?;
    let mut args = command.get_opts().filter(|arg| !arg.is_hide_set());
    args.find(|arg| arg.get_long() == Some(name))
}

/// Finds the argument in a certain place. The last one may take all that follow.
fn argument(command: &Command, at: usize) -> Option<&Arg> {
    let args: Vec<_> = command.get_positionals().filter(|arg| !arg.is_hide_set()).collect();
    let last = || args.last().filter(|arg| arg.get_num_args().is_some_and(|n| n.max_values() > 1));
    args.get(at).or_else(last).copied()
}

fn is_command(arg: &Arg) -> bool {
    arg.get_id() == "command"
}

/// What may stand in a place.
enum Found {
    /// These, each with what it stands for.
    Names(Vec<(String, String)>),
    /// A project file.
    Files,
    /// Any file.
    Paths,
    /// A directory.
    Directories,
}

/// What is known to complete with.
struct Known<'a> {
    mima: &'a Mima,
    given: &'a [&'a str],
    typed: &'a str,
}

impl Known<'_> {
    fn values(&self, path: &str, arg: &Arg) -> Option<Found> {
        let fixed = arg.get_possible_values();
        if !fixed.is_empty() {
            return Some(bare(fixed.iter().map(|value| value.get_name().to_owned())));
        }
        let first = self.given.first().copied().unwrap_or_default();
        Some(match (path, arg.get_id().as_str()) {
            ("allow" | "deny" | "edit", "path") => Found::Files,
            ("exec", "dir") => Found::Directories,
            (
                "set" | "import" | "group link" | "group unlink" | "group rm" | "group list",
                "group",
            ) => self.groups(""),
            ("run" | "unlock" | "env", "groups") | ("run", "grant") => {
                let chosen = self.typed.rsplit_once(',').map_or("", |(chosen, _)| chosen);
                self.groups(chosen)
            }
            ("set" | "group link" | "group unlink", "var") => self.variables_of(first),
            ("secret get" | "secret rm", "name")
            | ("secret rename", "old")
            | ("secret move", "names")
            | ("group link", "secret") => bare(self.secrets()),
            ("secret add", "name") => bare(self.missing_secrets()),
            ("secret move", "to") => bare(StoreKind::names().map(str::to_owned)),
            ("explain", "var") => bare(self.variables()),
            ("run", "keep") => bare(exported()),
            // What is new, or free.
            ("secret rename", "new") | ("secret get", "var") | ("vault init", "plugin") => {
                bare(std::iter::empty())
            }
            // bash would take what clap's script finds as it is, whatever is in a name.
            _ if arg.get_value_hint() == ValueHint::AnyPath => Found::Paths,
            _ => return None,
        })
    }

    /// The groups, but for those that are chosen already.
    fn groups(&self, chosen: &str) -> Found {
        let before = if chosen.is_empty() { String::new() } else { format!("{chosen},") };
        let known = self.known();
        let others =
            known.iter().filter(|(group, _)| !chosen.split(',').any(|c| c == group.as_str()));
        let named = others.map(|(group, links)| {
            let vars: Vec<_> = links.iter().map(|(var, _)| var.as_str()).collect();
            let mut vars = vars.join(", ");
            if vars.len() > MOST_SHOWN {
                vars.truncate(MOST_SHOWN);
                vars.push('…');
            }
            (format!("{before}{group}"), vars)
        });
        Found::Names(named.collect())
    }

    /// The variables of a group, each with its secret.
    fn variables_of(&self, group: &str) -> Found {
        let known = self.known();
        let group = GroupName::parse(group).ok();
        let links = group.and_then(|group| known.get(&group).map(<[_]>::to_vec));
        let named = links.into_iter().flatten();
        Found::Names(named.map(|(var, secret)| (var.to_string(), secret.to_string())).collect())
    }

    /// The variables that somebody sets, and those that are set.
    fn variables(&self) -> impl Iterator<Item = String> {
        let look = look(self.mima);
        let env = look.layers.iter().flat_map(|layer| &layer.file.env);
        let mut names: Vec<_> = env.map(|(name, _)| name.to_string()).collect();
        let known = self.known();
        names.extend(known.iter().flat_map(|(_, links)| links).map(|(name, _)| name.to_string()));
        names.extend(exported());
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    fn secrets(&self) -> impl Iterator<Item = String> {
        let names = if can_list(self.mima) {
            self.mima.store().and_then(|store| store.names()).unwrap_or_default()
        } else {
            Vec::new()
        };
        let others = names.into_iter().map(|name| name.to_string());
        let given: Vec<_> = self.given.iter().map(|name| (*name).to_owned()).collect();
        others.filter(move |name| !given.contains(name))
    }

    /// The secrets that a group names, and that are not there.
    fn missing_secrets(&self) -> impl Iterator<Item = String> {
        let there: Vec<_> = self.secrets().collect();
        let known = self.known();
        let mut names: Vec<_> = known
            .iter()
            .flat_map(|(_, links)| links)
            .map(|(_, name)| SecretName::to_string(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter(move |name| !there.contains(name))
    }

    /// The groups that count here. A project that is not allowed takes no part.
    fn known(&self) -> Groups {
        let user = self.mima.user_file().map(|file| file.groups.clone()).unwrap_or_default();
        let layers = look(self.mima).layers.into_iter();
        layers.fold(user, |groups, layer| groups.hidden_by(layer.file.groups))
    }
}

fn look(mima: &Mima) -> Look {
    working_directory().map(|here| mima.look(&here)).unwrap_or_default()
}

/// The variables of the environment whose names are well-formed.
fn exported() -> impl Iterator<Item = String> {
    let names = environment().into_keys().filter_map(|name| name.into_string().ok());
    names.filter(|name| VarName::parse(name).is_ok_and(|name| !name.is_own()))
}

fn bare(names: impl Iterator<Item = String>) -> Found {
    Found::Names(names.map(|name| (name, String::new())).collect())
}
