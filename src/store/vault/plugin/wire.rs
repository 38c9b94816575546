//! The connection to a plugin: a process, and stanzas to and fro.
//!
//! Not `age_core::plugin::Connection`: that cannot take variables from the plugin's
//! environment, keeps what it read in buffers that nothing wipes, and leaves a zombie.
//! Here a file key exists in wiped memory only.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::sys::signals::Children;

/// How long one stanza may be.
const LONGEST: usize = 16 << 10;
/// How long a line of a stanza's body is; a shorter one ends it.
const LINE: usize = 64;

/// One stanza that the plugin sent.
pub(super) struct Message {
    /// What it is.
    pub(super) tag: String,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// Its body.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// A running plugin. Dropping it ends the plugin.
pub(super) struct Wire {
    child: Running,
    to: ChildStdin,
    from: ChildStdout,
}

/// A process that does not outlive its owner, nor stays behind as a zombie.
struct Running(
    Child,
    #[expect(dead_code, reason = "held until the process has been waited for")] Children,
);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended and been waited for, which is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Wire {
    /// Starts `binary`.
    pub(super) fn start(binary: &Path, state_machine: &str) -> io::Result<Self> {
        let mut command = Command::new(binary);
        command.arg(format!("--age-plugin={state_machine}")).current_dir("/");
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_own(name)) {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let children = Children::keep();
        let mut child = Running(command.spawn()?, children);
        match (child.0.stdin.take(), child.0.stdout.take()) {
            (Some(to), Some(from)) => Ok(Self { child, to, from }),
            _ => Err(io::Error::other("no pipes")),
        }
    }

    /// Sends one stanza.
    pub(super) fn send(&mut self, words: &[&str], body: &[u8]) -> io::Result<()> {
        let mut encoded = Zeroizing::new(vec![0; body.len().div_ceil(3) * 4]);
        let length = BASE64_STANDARD_NO_PAD
            .encode_slice(body, &mut encoded)
            .map_err(|_| io::Error::other("it does not fit"))?;
        let lines = encoded.get(..length).unwrap_or_default().chunks(LINE);
        let head: usize = words.iter().map(|word| word.len() + 1).sum();
        let mut stanza =
            Zeroizing::new(Vec::with_capacity(head + length + length.div_ceil(LINE) + 8));
        stanza.extend_from_slice(b"->");
        for word in words {
            stanza.push(b' ');
            stanza.extend_from_slice(word.as_bytes());
        }
        stanza.push(b'\n');
        for line in lines {
            stanza.extend_from_slice(line);
            stanza.push(b'\n');
        }
        if length % LINE == 0 {
            // The body ends with a short line, an empty one if need be.
            stanza.push(b'\n');
        }
        self.to.write_all(&stanza)?;
        self.to.flush()
    }

    /// Waits for one stanza.
    pub(super) fn receive(&mut self) -> io::Result<Message> {
        let mut stanza = Zeroizing::new(Vec::with_capacity(LONGEST));
        let head_ends = self.read_line(&mut stanza)?;
        let mut body = Zeroizing::new(Vec::with_capacity(LONGEST));
        let mut at = head_ends;
        loop {
            let end = self.read_line(&mut stanza)?;
            let line = stanza.get(at..end.saturating_sub(1)).unwrap_or_default();
            body.extend_from_slice(line);
            at = end;
            if line.len() < LINE {
                break;
            }
        }
        let head = stanza.get(..head_ends.saturating_sub(1)).unwrap_or_default();
        parse(head, &body).ok_or_else(|| io::Error::other("it does not speak age's protocol"))
    }

    /// Reads on to the end of the line, byte by byte: a buffer would keep what it read ahead.
    fn read_line(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let mut byte = Zeroizing::new([0]);
        loop {
            self.from.read_exact(&mut *byte)?;
            let [read] = *byte;
            if into.len() == LONGEST {
                return Err(io::Error::other("it sent too long a message"));
            }
            into.push(read);
            if read == b'\n' {
                return Ok(into.len());
            }
        }
    }

    /// Lets the plugin come to its end.
    pub(super) fn finish(self) -> io::Result<()> {
        let Self { mut child, to, from } = self;
        drop((to, from));
        child.0.wait().map(drop)
    }
}

fn parse(head: &[u8], body: &[u8]) -> Option<Message> {
    let mut words = std::str::from_utf8(head).ok()?.strip_prefix("-> ")?.split(' ');
    let tag = words.next().filter(is_word)?.to_owned();
    let args = words.map(|word| is_word(&word).then(|| word.to_owned())).collect::<Option<_>>()?;
    let mut decoded = Zeroizing::new(vec![0; body.len()]);
    let length = BASE64_STANDARD_NO_PAD.decode_slice(body, &mut decoded).ok()?;
    decoded.truncate(length);
    Some(Message { tag, args, body: decoded })
}

fn is_word(word: &&str) -> bool {
    age_core::format::is_arbitrary_string(word)
}

/// Tells whether a variable is mima's own: a plugin has no business with it.
fn is_own(name: &OsStr) -> bool {
    [&b"MIMA_"[..], b"__MIMA_"].iter().any(|prefix| name.as_bytes().starts_with(prefix))
}
