//! What a loaded project depends on, and how a shell notices a change without a process.
//!
//! A shell can compare the modification times of two files, but not keep one. So each time
//! that matters gets an empty file of its own, a stamp, named after it and never changed:
//! a watched file that is neither newer nor older than its stamp is as it was.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{Timespec, Timestamps, futimens};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::fs;
use crate::paths::Paths;
use crate::shell::{Test, Watch};

/// A file that changed this recently may change again without a new modification time: the
/// kernel's clock for files moves in steps of up to 10 ms.
const FINE: Duration = Duration::from_millis(50);
/// The same for a shell that compares whole seconds.
const COARSE: Duration = Duration::from_secs(2);

/// A file and what it was when it was looked at, which is before it was read.
struct Watched {
    path: PathBuf,
    seen: Option<Seen>,
    /// Whether the file is about the project, or about mima.
    counts: bool,
}

struct Seen {
    time: Timespec,
    age: Duration,
    size: u64,
    inode: (u64, u64),
    /// Whether it is a device, a FIFO or a socket.
    is_special: bool,
    /// Where a link leads.
    target: Option<PathBuf>,
}

/// The files that a project depends on.
#[derive(Default)]
pub struct Watching(Vec<Watched>);

impl Watching {
    /// Looks at a file that the project depends on. To be called before it is read.
    pub fn look(&mut self, path: &Path) {
        self.add(path, true);
    }

    /// How many files these are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Looks at a file of mima's own that can change what is loaded.
    pub fn look_at_own(&mut self, path: &Path) {
        self.add(path, false);
    }

    fn add(&mut self, path: &Path, counts: bool) {
        let is_new = self.0.iter().all(|watched| watched.path != path);
        // What is neither a file nor a directory has no time that says anything.
        if let Some(seen) = Some(see(path))
            .filter(|seen| is_new && !seen.as_ref().is_some_and(|seen| seen.is_special))
        {
            self.0.push(Watched { path: path.to_owned(), seen, counts });
        }
    }

    /// Adds what the project depends on to a digest: paths, and what was there.
    pub fn digest(&self, hash: &mut Sha256) {
        for watched in self.0.iter().filter(|watched| watched.counts) {
            hash.update(watched.path.as_os_str().as_bytes());
            hash.update([0]);
            if let Some(seen) = &watched.seen {
                let Timespec { tv_sec, tv_nsec } = seen.time;
                let (dev, inode) = seen.inode;
                hash.update(format!("{tv_sec} {tv_nsec} {} {dev} {inode}", seen.size));
            }
            hash.update([0]);
        }
    }

    /// Makes the stamps, and returns what a shell tests. Where a stamp cannot be made, or a
    /// file is too young, the shell is to ask again.
    pub fn stamped(&self, paths: &Paths, coarse: bool) -> Watch {
        let mut watch = Watch { stamps: paths.stamps(), ..Watch::default() };
        let ready = fs::private_dir(paths.data()).and_then(|()| fs::private_dir(&watch.stamps));
        watch.always = ready.is_err();
        for watched in &self.0 {
            let Some(seen) = &watched.seen else {
                watch.tests.push(Test::Absent(watched.path.clone()));
                continue;
            };
            // Whole seconds may be all that the file system keeps.
            let grain = if coarse || seen.time.tv_nsec == 0 { COARSE } else { FINE };
            watch.always |= seen.age < grain;
            if watch.always {
                break;
            }
            match stamp(&watch.stamps, seen) {
                Ok((stamp, link)) => {
                    watch.tests.push(Test::Present { path: watched.path.clone(), stamp, link });
                }
                Err(_) => watch.always = true,
            }
        }
        watch
    }
}

/// Forgets all stamps. A shell that misses its own asks once, and gets them anew.
pub fn forget_stamps(paths: &Paths) -> Result<()> {
    let stamps = paths.stamps();
    let what = || format!("could not remove {}", crate::term::path(&stamps));
    match std::fs::remove_dir_all(&stamps) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            crate::error::Context::context(Err(error), what())
        }
        _ => Ok(()),
    }
}

fn see(path: &Path) -> Option<Seen> {
    let mut meta = std::fs::symlink_metadata(path).ok()?;
    let mut target = None;
    if meta.is_symlink() {
        meta = std::fs::metadata(path).ok()?;
        target = std::fs::canonicalize(path).ok();
    }
    Some(Seen {
        time: time_of(&meta),
        age: age_of(&meta),
        size: meta.len(),
        inode: (meta.dev(), meta.ino()),
        is_special: !meta.is_file() && !meta.is_dir(),
        target,
    })
}

fn time_of(meta: &Metadata) -> Timespec {
    Timespec { tv_sec: meta.mtime(), tv_nsec: meta.mtime_nsec() }
}

/// How long ago a file was changed. One from the future is no young one: the next change will
/// not have that time.
fn age_of(meta: &Metadata) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "the file system keeps its times by this clock")]
    let now = SystemTime::now();
    let age = meta.modified().ok().and_then(|changed| now.duration_since(changed).ok());
    age.unwrap_or(Duration::MAX)
}

/// Makes the stamp for a file, and the link for one that is a link.
fn stamp(dir: &Path, seen: &Seen) -> io::Result<(PathBuf, Option<PathBuf>)> {
    let Timespec { tv_sec, tv_nsec } = seen.time;
    let stamp = dir.join(format!("{tv_sec}.{tv_nsec:09}"));
    let is_so = |path: &Path| std::fs::metadata(path).is_ok_and(|meta| time_of(&meta) == seen.time);
    if !is_so(&stamp) {
        let new = dir.join(format!(".new.{}", std::process::id()));
        let time = seen.time;
        futimens(File::create(&new)?, &Timestamps { last_access: time, last_modification: time })?;
        std::fs::rename(&new, &stamp)?;
        // A file system may keep times in coarser steps than the one that is watched.
        if !is_so(&stamp) {
            return Err(io::Error::other("the stamp has another time"));
        }
    }
    let Some(target) = &seen.target else { return Ok((stamp, None)) };
    let name = hex::encode(Sha256::digest(target.as_os_str().as_bytes()));
    let link = dir.join(OsStr::new(&name));
    match std::os::unix::fs::symlink(target, &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok((stamp, Some(link))),
    }
}
