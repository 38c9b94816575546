//! Whether the shell has the hook: this one, as far as it tells, and the next one, by its
//! startup file.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::env::state::State;
use crate::flow::{Told, environment};
use crate::fs::{self, Forgery};
use crate::paths::named_dir;
use crate::term;
use crate::term::word;

const SUBJECT: &str = "hook";
/// How large a startup file may be.
const LARGEST: u64 = 4 << 20;
/// Other programs with a line in a startup file, by the two words of it.
const OTHERS: [(&str, &str); 6] = [
    ("direnv", "hook"),
    ("starship", "init"),
    ("zoxide", "init"),
    ("atuin", "init"),
    ("oh-my-posh", "init"),
    ("mise", "activate"),
];

pub(super) fn check() -> Vec<Finding> {
    let mut found = vec![here()];
    let Some(home) = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
    else {
        return found;
    };
    let shell = std::env::var_os("SHELL").map(PathBuf::from).unwrap_or_default();
    let shell = shell.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for (name, files) in startup_files(&home) {
        let hooked: Vec<_> = files.iter().filter_map(|path| read(name, path, &home)).collect();
        let is_hooked = hooked.iter().any(|file| !file.ours.is_empty());
        found.extend(hooked.iter().flat_map(StartupFile::findings));
        if let (false, true, Some(file)) = (is_hooked, name == shell, files.first()) {
            found.push(
                Finding::note(
                    SUBJECT,
                    format!("{} does not load the hook, unless by another file", term::path(file)),
                )
                .fix(append(name, file)),
            );
        }
    }
    found
}

/// Whether the shell that started this mima has the hook. Only its function can tell.
fn here() -> Finding {
    let vars = environment();
    let Some(told) = Told::of(&vars) else {
        return if State::of(&vars).is_some() {
            Finding::ok(SUBJECT, "a project is loaded, so a shell around this has the hook")
        } else {
            Finding::note(
                SUBJECT,
                "this was not started from a shell with the hook, as far as can be told",
            )
        };
    };
    let (shell, calls) = (told.shell, &told.calls);
    let mut order: Vec<(usize, &str)> =
        CALLS.iter().filter_map(|(name, call)| Some((calls.find(call)?, *name))).collect();
    order.sort_unstable();
    let order: Vec<_> = order.into_iter().map(|(_, name)| name).collect();
    if told.is_off() {
        return Finding::note(SUBJECT, format!("this {shell} has it, and it is switched off"))
            .fix("mima on");
    }
    // Whoever took the call over may make it all the same, so what has happened counts too.
    if !told.has_run() && !order.contains(&"mima") {
        return Finding::warning(
            SUBJECT,
            format!("this {shell} has it, but nothing calls it at a prompt: something later in the startup file replaced what it had set"),
        )
        .fix(line(shell));
    }
    let order = if order.len() > 1 {
        format!(", in this order: {}", order.join(", "))
    } else {
        String::new()
    };
    Finding::ok(SUBJECT, format!("this {shell} has it{order}"))
}

/// What programs let the shell call at a prompt.
const CALLS: [(&str, &str); 5] = [
    ("mima", "__mima_pr"),
    ("direnv", "_direnv_hook"),
    ("starship", "starship_precmd"),
    ("zoxide", "__zoxide_hook"),
    ("mise", "_mise_hook"),
];

/// The line that loads the hook.
fn line(shell: &str) -> String {
    match shell {
        "fish" => "mima hook fish | source".to_owned(),
        _ => format!("eval \"$(mima hook {shell})\""),
    }
}

fn append(shell: &str, file: &Path) -> String {
    format!("echo '{}' >> {}", line(shell), word(file))
}

/// The startup files of each shell, the usual one first.
fn startup_files(home: &Path) -> Vec<(&'static str, Vec<PathBuf>)> {
    let below = |dir: PathBuf, names: &[&str]| names.iter().map(|name| dir.join(name)).collect();
    let zsh = named_dir("ZDOTDIR", home.to_owned());
    let fish = named_dir("XDG_CONFIG_HOME", home.join(".config")).join("fish");
    let mut of_fish: Vec<_> = std::fs::read_dir(fish.join("conf.d"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    of_fish.retain(|path| path.extension().is_some_and(|extension| extension == "fish"));
    of_fish.sort();
    of_fish.insert(0, fish.join("config.fish"));
    vec![
        ("zsh", below(zsh, &[".zshrc", ".zshenv", ".zprofile", ".zlogin"])),
        ("bash", below(home.to_owned(), &[".bashrc", ".bash_profile", ".bash_login", ".profile"])),
        ("fish", of_fish),
    ]
}

/// A startup file, as far as it concerns mima.
struct StartupFile {
    shell: &'static str,
    path: PathBuf,
    /// The lines with `mima hook`: number, program, the shell they name.
    ours: Vec<(usize, String, String)>,
    /// The lines of others.
    others: Vec<(usize, &'static str)>,
    /// The last line that forgets what the shell calls at a prompt.
    replaces: Option<usize>,
    home: PathBuf,
}

fn read(shell: &'static str, path: &Path, home: &Path) -> Option<StartupFile> {
    // A file that cannot be read concerns nobody here: the shell will say so.
    let bytes = fs::read_capped(path, LARGEST).ok().flatten()?;
    let mut file = StartupFile {
        shell,
        path: path.to_owned(),
        ours: Vec::new(),
        others: Vec::new(),
        replaces: None,
        home: home.to_owned(),
    };
    for (number, text) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
        if text.trim_start().starts_with('#') {
            continue;
        }
        let words: Vec<_> = text
            .split(|c: char| c.is_whitespace() || "()\"'`|;&<>{}=".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        for (at, word) in words.iter().enumerate() {
            let after = |offset: usize| words.get(at + offset).copied().unwrap_or_default();
            let program = word.rsplit('/').next().unwrap_or_default();
            if program == "mima" && after(1) == "hook" {
                file.ours.push((number, (*word).to_owned(), after(2).to_owned()));
            }
            let other = OTHERS.iter().find(|other| (program, after(1)) == **other);
            file.others.extend(other.map(|(name, _)| (number, *name)));
        }
        if replaces(shell, text) {
            file.replaces = Some(number);
        }
    }
    Some(file)
}

/// Tells whether a line forgets what the shell called at a prompt before. One that is
/// indented may be for another case than this.
fn replaces(shell: &str, line: &str) -> bool {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let variable = match shell {
        "bash" => "PROMPT_COMMAND",
        "zsh" => "precmd_functions",
        _ => return false,
    };
    let value = line.strip_prefix(variable).and_then(|rest| rest.strip_prefix('='));
    value.is_some_and(|value| !value.contains(variable))
}

impl StartupFile {
    fn findings(&self) -> Vec<Finding> {
        let Some((last, ..)) = self.ours.last() else { return Vec::new() };
        let name = term::path(&self.path);
        let mut found = Vec::new();
        let forgery = std::fs::metadata(&self.path).ok().and_then(|meta| Forgery::of(&meta));
        match forgery {
            Some(Forgery::Writable) => found.push(
                Finding::error(
                    SUBJECT,
                    format!("others can write to {name}, which your shell runs"),
                )
                .fix(format!("chmod go-w {}", word(&self.path))),
            ),
            Some(Forgery::Foreign(uid)) => found.push(
                Finding::error(
                    SUBJECT,
                    format!("{name}, which your shell runs, belongs to another user (uid {uid})"),
                )
                .fix(format!("sudo chown \"$(id -un)\" {}", word(&self.path))),
            ),
            None => {}
        }
        for (number, program, shell) in &self.ours {
            if shell != self.shell && ["bash", "zsh", "fish"].contains(&shell.as_str()) {
                found.push(
                    Finding::error(
                        SUBJECT,
                        format!(
                            "line {number} of {name} loads the hook of {shell} into {}",
                            self.shell
                        ),
                    )
                    .fix(format!(
                        "sed -i.bak '{number}s/hook {shell}/hook {}/' {}",
                        self.shell,
                        word(&self.path)
                    )),
                );
            }
            if let Some(missing) = self.missing(program) {
                found.push(
                    Finding::error(
                        SUBJECT,
                        format!(
                            "line {number} of {name} starts {}, which is not there",
                            term::path(&missing)
                        ),
                    )
                    .fix(format!(
                        "sed -i.bak '{number}s|[^\"(` ]*/mima |mima |' {}",
                        word(&self.path)
                    )),
                );
            }
        }
        if let Some(number) = self.replaces.filter(|number| number > last) {
            found.push(
                Finding::warning(SUBJECT, format!("line {number} of {name} replaces what is called at a prompt, and so takes the hook of line {last} away"))
                    .fix(append(self.shell, &self.path)),
            );
        }
        if found.is_empty() {
            let mut order: Vec<_> = self.others.clone();
            order.extend(self.ours.iter().map(|(number, ..)| (*number, "mima")));
            order.sort_unstable();
            let order: Vec<_> =
                order.iter().map(|(number, name)| format!("{name} in line {number}")).collect();
            found.push(Finding::ok(SUBJECT, format!("{name} loads it: {}", order.join(", "))));
        }
        found
    }

    /// Returns the program that a line starts by its path, if it is not there.
    fn missing(&self, program: &str) -> Option<PathBuf> {
        let below_home = program.strip_prefix("~/").or_else(|| program.strip_prefix("$HOME/"));
        let path = match below_home {
            Some(rest) => self.home.join(rest),
            None => PathBuf::from(program),
        };
        // What another variable leads to cannot be told.
        (path.is_absolute() && !path.exists()).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::replaces;

    #[test]
    fn a_line_that_forgets_what_was_called_at_a_prompt_is_known() {
        for (shell, line, want) in [
            ("bash", "PROMPT_COMMAND=x", true),
            ("bash", "export PROMPT_COMMAND='history -a'", true),
            ("bash", "PROMPT_COMMAND=\"x;$PROMPT_COMMAND\"", false),
            ("bash", "PROMPT_COMMAND+=(x)", false),
            ("bash", "    PROMPT_COMMAND=x", false),
            ("zsh", "precmd_functions=(x)", true),
            ("zsh", "precmd_functions=(x $precmd_functions)", false),
            ("zsh", "PROMPT_COMMAND=x", false),
        ] {
            assert_eq!(replaces(shell, line), want, "{line}");
        }
    }
}
