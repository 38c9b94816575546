//! An age plugin that wraps `identity.age`: a security key, a TPM, the Secure Enclave.
//!
//! The plugin is used once per unlock, never once per secret. It is found on `PATH` once,
//! when its owner chooses it, and from then on started by its absolute path: a
//! `node_modules/.bin` in front of `PATH` must not be able to take its place.

mod bech32;
mod wire;

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use age::{DecryptError, EncryptError};
use age_core::format::{FileKey, Stanza};
use age_core::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::envelope;
use crate::error::{Context, Failure, Kind, Result};
use crate::prompt::{Prompter, Reason};
use crate::secret::Secret;
use crate::term;

use wire::{Message, Wire};

/// How every plugin's identity starts, in lower case.
const PREFIX: &str = "age-plugin-";
/// How much of a plugin's message is shown.
const LONGEST_MESSAGE: usize = 500;

/// What a plugin is given to find its key: `AGE-PLUGIN-NAME-1…`.
pub(super) struct PluginIdentity {
    text: String,
    name: String,
}

impl PluginIdentity {
    /// The identity without data, as `age -j NAME` uses it.
    pub(super) fn default_of(name: &str) -> Result<Self> {
        let text = bech32::encode_empty(&format!("{PREFIX}{name}-"));
        Self::parse(&text).filter(|identity| identity.name == name).ok_or_else(|| {
            Failure::new(Kind::Usage, format!("`{}` is no name for a plugin", term::sanitize(name)))
                .hint("for age-plugin-yubikey, it is `yubikey`")
        })
    }

    /// Returns the first plugin identity among the lines of `file`.
    pub(super) fn among(lines: &[u8]) -> Option<Self> {
        String::from_utf8_lossy(lines).lines().find_map(|line| Self::parse(line.trim()))
    }

    fn parse(text: &str) -> Option<Self> {
        let prefix = bech32::prefix(text)?;
        let name = prefix.strip_prefix(PREFIX)?.strip_suffix('-')?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
            return None;
        }
        Some(Self { name: name.to_owned(), text: text.to_owned() })
    }

    /// The plugin's name, less `age-plugin-`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The identity itself.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Finds the plugin `name` in the absolute directories of `PATH`, and returns its canonical
/// path.
pub(super) fn find(name: &str) -> Result<PathBuf> {
    let program = format!("{PREFIX}{name}");
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(&program))
        .find(|path| is_executable(path))
        .ok_or_else(|| {
            Failure::new(Kind::NotFound, format!("there is no `{program}` on PATH"))
                .hint(format!("install {program}"))
        })?;
    let path = found.canonicalize().context(format!("could not find {}", term::path(&found)))?;
    // The pins are lines of text.
    match path.to_str() {
        Some(text) if !text.contains('\n') => Ok(path),
        _ => Err(Failure::failed(format!("{} is no path to remember", term::path(&path)))),
    }
}

/// Tells whether a program is at `path`.
pub(super) fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// One use of a plugin.
pub(super) struct Plugin<'a> {
    path: &'a Path,
    identity: &'a PluginIdentity,
    prompter: &'a Prompter,
    reason: &'a Reason,
    /// What went wrong, since age's errors cannot hold it.
    failure: RefCell<Option<Failure>>,
}

impl<'a> Plugin<'a> {
    /// Prepares to use the plugin at `path`.
    pub(super) fn new(
        path: &'a Path,
        identity: &'a PluginIdentity,
        prompter: &'a Prompter,
        reason: &'a Reason,
    ) -> Self {
        Self { path, identity, prompter, reason, failure: RefCell::default() }
    }

    /// Wraps the vault's key.
    pub(super) fn seal(&self, text: &Secret) -> Result<Vec<u8>> {
        envelope::seal(&[self], text.expose()).map_err(|error| self.explain(&error))
    }

    /// Unwraps the vault's key from `sealed`, the content of `file`.
    pub(super) fn open(&self, sealed: &[u8], file: &Path) -> Result<Secret> {
        let damaged = || Failure::new(Kind::Damaged, format!("{} is damaged", term::path(file)));
        let decryptor = envelope::parse(sealed).map_err(|_| damaged())?;
        let reader = envelope::unwrap(decryptor, self).map_err(|error| match error {
            DecryptError::Io(error) => self.explain(&error),
            DecryptError::NoMatchingKeys => Failure::new(
                Kind::WrongKey,
                format!("{} does not have the vault's key", self.program()),
            ),
            _ => damaged(),
        })?;
        envelope::read(reader, sealed.len()).map_err(|_| damaged())
    }

    fn program(&self) -> String {
        format!("{PREFIX}{}", self.identity.name)
    }

    fn explain(&self, error: &impl ToString) -> Failure {
        self.failure.take().unwrap_or_else(|| self.failed(error))
    }

    fn failed(&self, why: &impl ToString) -> Failure {
        Failure::failed(format!("{} failed: {}", self.program(), why.to_string()))
    }

    fn start(&self, state_machine: &str) -> Result<Wire> {
        if std::env::var_os("AGEDEBUG").is_some() {
            return Err(Failure::failed(format!(
                "AGEDEBUG is set, which makes {} print keys",
                self.program()
            ))
            .hint("unset AGEDEBUG"));
        }
        // Also the question whether anybody may be asked: the plugin will want a touch.
        self.prompter.show(&format!("{}: asking {}", self.reason.what(), self.program()))?;
        Wire::start(self.path, state_machine)
            .context(format!("could not start {}", term::path(self.path)))
    }

    fn wrap(&self, key: &FileKey) -> Result<Vec<Stanza>> {
        let mut wire = self.start("recipient-v1")?;
        let sent = wire
            .send(&["add-identity", &self.identity.text], &[])
            .and_then(|()| wire.send(&["wrap-file-key"], key.expose_secret()))
            .and_then(|()| wire.send(&["done"], &[]));
        sent.map_err(|error| self.died(&error))?;
        let mut stanzas = Vec::new();
        let complaint = self.converse(wire, |message| {
            let ("recipient-stanza", [index, tag, args @ ..]) =
                (message.tag.as_str(), message.args.as_slice())
            else {
                return false;
            };
            if index == "0" {
                let (tag, args, body) = (tag.clone(), args.to_vec(), message.body.to_vec());
                stanzas.push(Stanza { tag, args, body });
            }
            index == "0"
        })?;
        match complaint {
            Some(complaint) => Err(self.failed(&complaint)),
            None if stanzas.is_empty() => Err(self.failed(&"it wrapped nothing")),
            None => Ok(stanzas),
        }
    }

    fn unwrap(&self, stanzas: &[Stanza]) -> Result<Option<FileKey>> {
        let mut wire = self.start("identity-v1")?;
        let send = |wire: &mut Wire| {
            wire.send(&["add-identity", &self.identity.text], &[])?;
            for stanza in stanzas {
                let mut words = vec!["recipient-stanza", "0", &stanza.tag];
                words.extend(stanza.args.iter().map(String::as_str));
                wire.send(&words, &stanza.body)?;
            }
            wire.send(&["done"], &[])
        };
        send(&mut wire).map_err(|error| self.died(&error))?;
        let mut key = None;
        let complaint = self.converse(wire, |message| {
            let fits = message.tag == "file-key" && message.args == ["0"] && key.is_none();
            let copied = FileKey::try_init_with_mut(|key| match message.body.as_slice() {
                body if fits && body.len() == key.len() => {
                    key.copy_from_slice(body);
                    Ok(())
                }
                _ => Err(()),
            });
            let taken = copied.is_ok();
            key = copied.ok().or(key.take());
            taken
        })?;
        match (key, complaint) {
            (None, Some(complaint)) => Err(self.failed(&complaint)),
            (key, _) => Ok(key),
        }
    }

    /// Serves the plugin's requests until it is done, and returns its first complaint. `take`
    /// tells whether it took a message that is no request.
    fn converse(
        &self,
        mut wire: Wire,
        mut take: impl FnMut(&Message) -> bool,
    ) -> Result<Option<String>> {
        let mut complaint = None;
        loop {
            let message = wire.receive().map_err(|error| self.died(&error))?;
            let text = || {
                let text = String::from_utf8_lossy(&message.body);
                term::sanitize(&text.chars().take(LONGEST_MESSAGE).collect::<String>())
            };
            let sent = match message.tag.as_str() {
                "done" => break,
                "msg" => {
                    self.prompter.show(&text())?;
                    wire.send(&["ok"], &[])
                }
                "confirm" => {
                    let yes = self.prompter.confirm(&question(&text(), &message.args))?;
                    wire.send(&["ok", if yes { "yes" } else { "no" }], &[])
                }
                // What is public may as well be typed unseen.
                "request-public" | "request-secret" => {
                    let answer = self.prompter.passphrase(self.reason, &text())?;
                    wire.send(&["ok"], answer.expose())
                }
                "error" => {
                    complaint.get_or_insert_with(text);
                    wire.send(&["ok"], &[])
                }
                _ if take(&message) => wire.send(&["ok"], &[]),
                _ => wire.send(&["unsupported"], &[]),
            };
            sent.map_err(|error| self.died(&error))?;
        }
        // It has done what it was asked for, and how it ends changes nothing.
        drop(wire.finish());
        Ok(complaint)
    }

    fn died(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                self.failed(&"it ended before it was done")
            }
            _ => self.failed(error),
        }
    }
}

/// What a plugin wants confirmed, with its words for yes and no.
fn question(text: &str, args: &[String]) -> String {
    let words: Vec<String> = args
        .iter()
        .take(2)
        .filter_map(|word| BASE64_STANDARD_NO_PAD.decode(word).ok())
        .map(|word| term::sanitize(&String::from_utf8_lossy(&word)))
        .collect();
    match words.as_slice() {
        [yes, no] => format!("{text} (yes: {yes}; no: {no})"),
        [yes] => format!("{text} (yes: {yes})"),
        _ => text.to_owned(),
    }
}

impl age::Recipient for Plugin<'_> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        self.wrap(key).map(|stanzas| (stanzas, HashSet::new())).map_err(|failure| {
            self.failure.replace(Some(failure));
            EncryptError::Io(io::Error::other("the plugin failed"))
        })
    }
}

impl age::Identity for Plugin<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap(stanzas).transpose().map(|unwrapped| {
            unwrapped.map_err(|failure| {
                self.failure.replace(Some(failure));
                DecryptError::Io(io::Error::other("the plugin failed"))
            })
        })
    }
}
