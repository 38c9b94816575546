//! The patterns of `watch_file`: which files there are now, and which directories would have a
//! new one.
//!
//! A directory that a pattern looks into is watched too: its time changes with its entries.

use std::io;
use std::path::{Path, PathBuf};

use super::watch::Watching;
use super::{Layer, Look};
use crate::config::parse::{Fault, Text};
use crate::config::pattern::{self, Part};
use crate::error::Result;

/// How many files and directories are watched, at most. A shell looks at each of them at each
/// prompt.
const MOST_WATCHED: usize = 256;
/// How many entries of directories are looked at, at most: a pattern with few matches can go
/// through a whole disk.
const MOST_ENTRIES: usize = 20_000;

/// Returns the pattern, if the text is one. Whether it is well-formed was seen when it was read.
pub(super) fn of(text: &Text) -> Option<pattern::Paths> {
    pattern::parse(&text.value).ok().flatten()
}

impl Look {
    /// Looks at what the patterns of the project stand for. Who only runs something in it need not.
    pub fn look_at_patterns(&mut self) {
        let mut walk = Walk { watching: &mut self.watching, entries: 0 };
        let failed = self.layers.iter().find_map(|layer| walk.layer(layer).err());
        if let Some(failure) = failed {
            self.give_up(failure);
        }
    }
}

struct Walk<'a> {
    watching: &'a mut Watching,
    entries: usize,
}

/// That it would take too long.
struct TooMany(&'static str, usize);

impl Walk<'_> {
    fn layer(&mut self, layer: &Layer) -> Result<()> {
        for text in &layer.file.watch_file {
            let Some(paths) = of(text) else { continue };
            // Less the slash at its end.
            let base: PathBuf = layer.path_of(&paths.base).components().collect();
            self.follow(&base, &paths.parts).map_err(|TooMany(what, most)| {
                let what = format!("the pattern makes mima look at more than {most} {what}");
                layer.fail(
                    Fault::new(text.place, "watch_file", what)
                        .hint("begin it with the directory that matters: src/*.toml"),
                )
            })?;
        }
        Ok(())
    }

    /// Looks at what the parts stand for in a directory.
    fn follow(&mut self, dir: &Path, parts: &[Part]) -> Result<(), TooMany> {
        let Some((part, rest)) = parts.split_first() else { return self.watch(dir) };
        match part {
            // It is watched even while it is absent.
            Part::Name(name) if rest.is_empty() || !dir.join(name).is_dir() => {
                self.watch(&dir.join(name))
            }
            Part::Name(name) => self.follow(&dir.join(name), rest),
            Part::Names(pattern) => {
                for (name, _) in self.entries(dir)? {
                    let path = dir.join(&name);
                    let fits = pattern::fits(pattern, &name.to_string_lossy());
                    if fits && (rest.is_empty() || path.is_dir()) {
                        self.follow(&path, rest)?;
                    }
                }
                Ok(())
            }
            Part::Any => {
                self.follow(dir, rest)?;
                for (name, is_dir) in self.entries(dir)? {
                    // A link may lead back to where it is.
                    if is_dir && pattern::is_open(&name.to_string_lossy()) {
                        self.follow(&dir.join(name), parts)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Watches a directory, and returns the names in it, in order, and which of them are
    /// directories. What cannot be read has none.
    fn entries(&mut self, dir: &Path) -> Result<Vec<(std::ffi::OsString, bool)>, TooMany> {
        self.watch(dir)?;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Err(TooMany("entries of directories", MOST_ENTRIES));
            }
            let entry: io::Result<_> =
                entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?.is_dir())));
            names.extend(entry);
        }
        names.sort();
        Ok(names)
    }

    fn watch(&mut self, path: &Path) -> Result<(), TooMany> {
        self.watching.look(path);
        if self.watching.len() > MOST_WATCHED {
            return Err(TooMany("files and directories", MOST_WATCHED));
        }
        Ok(())
    }
}
