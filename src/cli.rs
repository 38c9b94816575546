//! The command line: clap types and nothing else. `--help`, the completions and the man
//! page are all generated from here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Give one group of secrets to one process.
#[derive(Debug, Parser)]
#[command(name = "mima", version, max_term_width = 100, subcommand_value_name = "COMMAND")]
#[command(after_help = "\
Environment:
  MIMA_HOME     keep everything in this directory (yours, mode 0700)
  MIMA_ASKPASS  a program that prints the passphrase, instead of asking on the terminal
  MIMA_STORE    where values lie: vault, env, keychain (macOS) or secret-service (Linux)
  MIMA_QUIET    set to anything: the hook does not say what it loads and unloads
  MIMA_DIR      set by the hook: the directory of the project that is loaded
  MIMA_GROUPS   set by the hook: the groups of that project, for prompts
  NO_COLOR      no color

Exit status:
  0 success, 1 failure, 2 usage. `run` and `exec` are as env(1): 125 for mima's own failure,
  126 found but not executable, 127 not found, else the status of the command.
  `status --check` adds 3 for a project file that is not allowed, and 4 for none.")]
pub struct Cli {
    /// Work as root in the home directory of another user
    #[arg(long)]
    pub as_root: bool,

    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Verb {
    /// Store a value and link it: the everyday verb
    Set(Set),
    /// Add, list, print, remove, rename and move secrets
    #[command(subcommand)]
    Secret(Secret),
    /// Say which variables a group sets, from which secrets
    #[command(subcommand)]
    Group(Group),
    /// Run a command with the secrets of a group
    Run(Run),
    /// Ask once, and then not again in this shell for a while
    Unlock(Unlock),
    /// Forget what was unlocked in this terminal
    Lock(Lock),
    /// Look after what keeps unlocked values for a while
    #[command(subcommand)]
    Session(Session),
    /// Print the secrets of a group as lines for `eval`
    Env(Env),
    /// Print the hook for a shell's rc file
    Hook(Hook),
    /// Write a starter .mima.yaml here, and allow it
    Init,
    /// Turn a .env, an .envrc or a file for `op run` into secrets and a .mima.yaml
    Import(Import),
    /// Show what a project file asks for, and let it
    Allow(Allow),
    /// Never load a project file, nor mention it
    Deny(ProjectPath),
    /// Edit a project file, and allow what was edited
    Edit(ProjectPath),
    /// Forget the approvals of files that are gone, old environments of flakes, and what the
    /// keychain no longer has
    Prune,
    /// Show which project file counts here, and what is loaded
    Status(Status),
    /// Say who sets a variable, and what it was before
    Explain(Explain),
    /// Look for what is wrong with the stores and the install, and say what mends it
    Doctor(Json),
    /// Unload the project in this shell, and load none until `mima on`
    Off,
    /// Load projects in this shell again
    On,
    /// Load the project anew in this shell
    Reload,
    /// Run a command with the public environment of a project
    Exec(Exec),
    /// Print what the hook evaluates
    Export(Export),
    /// Make the vault, change its passphrase, confirm its recipients
    #[command(subcommand)]
    Vault(Vault),
    /// Print a completion script
    Completions(Completions),
    /// Print what a word may become; the completion scripts call it
    #[command(hide = true)]
    Complete(Complete),
    /// Print a JSON schema of .mima.yaml, for editors
    Schema(Schema),
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Set {
    /// The group
    pub group: String,
    /// The variable
    pub var: String,
    #[command(flatten)]
    /// Where the value comes from
    pub source: Source,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Source {
    /// Take the value from this file
    #[arg(long, value_name = "PATH")]
    pub from_file: Option<PathBuf>,
    /// Keep a trailing newline
    #[arg(long)]
    pub raw: bool,
    /// Replace an existing secret without asking
    #[arg(long, short)]
    pub force: bool,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub enum Secret {
    /// Store a value, asked for on the terminal or read from a pipe
    Add(SecretAdd),
    /// List the names, never a value
    List(Json),
    /// Print a value
    Get(SecretGet),
    /// Remove a secret
    Rm(SecretName),
    /// Rename a secret
    Rename(SecretRename),
    /// Move secrets from the store in use to another
    Move(SecretMove),
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Secret`")]
pub struct SecretAdd {
    /// The secret's name
    pub name: String,
    /// The value; ends up in the shell's history, so better leave it out
    #[arg(hide = true, conflicts_with = "from_file")]
    pub value: Option<OsString>,
    #[command(flatten)]
    /// Where the value comes from
    pub source: Source,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Secret`")]
pub struct SecretGet {
    /// The secret's name
    pub name: String,
    /// Print `export VAR='…'` instead of the bare value
    #[arg(long)]
    pub export: bool,
    /// The variable for --export [default: the name in upper case]
    #[arg(long = "as", value_name = "VAR", requires = "export")]
    pub var: Option<String>,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Secret`")]
pub struct SecretName {
    /// The secret's name
    pub name: String,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Secret`")]
pub struct SecretRename {
    /// The name it has
    pub old: String,
    /// The name it gets
    pub new: String,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Secret`")]
pub struct SecretMove {
    /// The store they go to
    #[arg(long, value_name = "STORE")]
    pub to: String,
    /// Replace another value that is there under the same name
    #[arg(long, short)]
    pub force: bool,
    /// The secrets [default: all of them]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub enum Group {
    /// Let a group set a variable from a secret
    Link(GroupLink),
    /// Take a variable out of a group
    Unlink(GroupUnlink),
    /// Remove a group; its secrets stay
    Rm(GroupRm),
    /// List groups, variables and secret names
    List(GroupList),
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Group`")]
pub struct GroupLink {
    /// The group
    pub group: String,
    /// The variable
    pub var: String,
    /// The secret's name
    pub secret: String,
    /// Edit the nearest .mima.yaml instead of the user file
    #[arg(long)]
    pub project: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Group`")]
pub struct GroupUnlink {
    /// The group
    pub group: String,
    /// The variable
    pub var: String,
    /// Edit the nearest .mima.yaml instead of the user file
    #[arg(long)]
    pub project: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Group`")]
pub struct GroupRm {
    /// The group
    pub group: String,
    /// Edit the nearest .mima.yaml instead of the user file
    #[arg(long)]
    pub project: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Group`")]
pub struct GroupList {
    /// Only this group
    pub group: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
#[command(override_usage = "mima run [OPTIONS] <GROUP[,GROUP…]> [--] [CMD]...")]
pub struct Run {
    /// Start from an empty environment: PATH, HOME, TERM, USER, SHELL and the group
    #[arg(long)]
    pub scrub: bool,
    /// Keep this variable too under --scrub
    #[arg(long, value_name = "VAR", requires = "scrub")]
    pub keep: Vec<String>,
    /// Fail instead of asking for the passphrase
    #[arg(long)]
    pub no_prompt: bool,
    /// Let everything that the command starts use these groups without asking, until it ends
    #[arg(long, value_name = "GROUP[,GROUP…]", requires = "command")]
    pub grant: Option<String>,
    /// The groups, separated by commas
    #[arg(value_name = "GROUP[,GROUP…]")]
    pub groups: String,
    /// The command; without one, list the variables by name
    #[arg(value_name = "CMD", trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Unlock {
    /// The groups, separated by commas
    #[arg(value_name = "GROUP[,GROUP…]")]
    pub groups: String,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Lock {
    /// And everywhere else
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub enum Session {
    /// Show what is unlocked, where, and for how long
    Status(Json),
    /// Forget everything, and end the agent
    Stop,
    /// Let systemd or launchd start the agent
    Install(SessionInstall),
    /// Be the agent; nobody needs to type this
    Serve,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Session`")]
pub struct SessionInstall {
    /// Take away what this put there
    #[arg(long)]
    pub remove: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Env {
    /// The groups, separated by commas
    #[arg(value_name = "GROUP[,GROUP…]")]
    pub groups: String,
    /// The form of the lines [default: export lines for any POSIX shell]
    #[arg(long)]
    pub shell: Option<Syntax>,
    /// Fail instead of asking for the passphrase
    #[arg(long)]
    pub no_prompt: bool,
}

/// A form to print variables in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Syntax {
    /// export lines
    Zsh,
    /// export lines
    Bash,
    /// `set -gx` lines
    Fish,
    /// one JSON object
    Json,
    /// lines of a dotenv file
    Dotenv,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Hook {
    /// The shell
    pub shell: HookShell,
}

/// A shell that has a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "clap would show it beside each name")]
pub enum HookShell {
    Zsh,
    Bash,
    Fish,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct ProjectPath {
    /// A project file, or a directory: the nearest file upwards [default: .]
    pub path: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Allow {
    /// A project file, or a directory: the nearest file upwards [default: .]
    pub path: Option<PathBuf>,
    /// Do not ask: for where there is no terminal
    #[arg(long, short)]
    pub yes: bool,
    /// Only in this shell, until it ends
    #[arg(long)]
    pub session: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
#[command(override_usage = "mima import [OPTIONS] --group <GROUP> <FILE>")]
pub struct Import {
    /// The file: as direnv reads it if its name begins with .envrc, else as dotenv
    pub file: PathBuf,
    /// The group that gets the secrets
    #[arg(long)]
    pub group: String,
    /// Take out of the file what was imported, and remove it if nothing is left
    #[arg(long)]
    pub rewrite: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take the guesses, and do not ask: for where there is no terminal
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 0 if a project file is allowed and loads, 3 if it is not allowed, 4 if there is none
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Explain {
    /// The variable
    pub var: String,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
#[command(override_usage = "mima exec <DIR> [--] <CMD>...")]
pub struct Exec {
    /// The project's directory, or one below it
    pub dir: PathBuf,
    /// The command
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Export {
    /// The shell; or json: an object of variables, null for one to unset
    pub format: ExportFormat,
    /// What the hook was told last
    #[arg(long, hide = true, value_name = "TOKEN")]
    pub have: Option<String>,
    /// A person has just typed `cd`, and can be asked
    #[arg(long, hide = true)]
    pub typed: bool,
    /// Load again what is loaded
    #[arg(long, hide = true)]
    pub reload: bool,
    /// The shell compares times by the second
    #[arg(long, hide = true)]
    pub coarse: bool,
    /// Unload, and load nothing
    #[arg(long, hide = true)]
    pub off: bool,
}

/// A form of what `mima export` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "clap would show it beside each name")]
pub enum ExportFormat {
    Zsh,
    Bash,
    Fish,
    Json,
}

#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub enum Vault {
    /// Make the vault
    Init(VaultInit),
    /// Change the vault's passphrase
    Passwd,
    /// Show who can read what is added, and confirm a change
    Recipients(VaultRecipients),
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Vault`")]
pub struct VaultInit {
    /// Unlock with age-plugin-NAME (a YubiKey, TPM, Secure Enclave) instead of a passphrase
    #[arg(long, value_name = "NAME")]
    pub plugin: Option<String>,
    /// The plugin's identity file [default: the identity without data, as `age -j`]
    #[arg(long, value_name = "PATH", requires = "plugin")]
    pub identity: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Vault`")]
pub struct VaultRecipients {
    /// Confirm the recipients as they are now; unlocks the vault
    #[arg(long)]
    pub accept: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Schema {
    /// Of the user file instead
    #[arg(long)]
    pub user: bool,
}

#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it instead of the line in `Verb`")]
pub struct Complete {
    /// The words after `mima`, the last of which is to be completed
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}
