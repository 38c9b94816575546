//! Where mima itself is.

use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::fs::{self, identity};

/// How large the description of a bundle may be.
const LARGEST: u64 = 64 << 10;

/// Returns the path by which a shell is to start mima from now on: where `PATH` leads to this
/// very program. The kernel's own name for it has links followed, and a package manager's
/// versioned directory is gone after the next upgrade.
pub fn own_binary() -> Result<PathBuf> {
    let exact = std::env::current_exe().context("could not find out where mima is")?;
    let own = identity(&exact);
    let is_own = |path: &PathBuf| path.is_absolute() && own.is_some() && identity(path) == own;
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::split_paths(&path).map(|dir| dir.join("mima")).find(is_own).unwrap_or(exact))
}

/// Returns the path by which a shell has started mima, if that is absolute, as in the hook. A
/// project can put a directory on `PATH`; what it leads to later must not become the program
/// that is asked for secrets.
pub fn started_binary() -> Result<PathBuf> {
    let own = std::env::current_exe().ok().as_deref().and_then(identity);
    let started = std::env::args_os().next().map(PathBuf::from);
    // Where it was replaced while it runs, that name leads to what took its place.
    let is_own = |path: &PathBuf| path.is_absolute() && (own.is_none() || identity(path) == own);
    started.filter(is_own).map_or_else(own_binary, Ok)
}

/// Returns the path by which the system is to start mima from now on, and what it calls the app
/// that this is in, if it is in one. macOS looks at an app as a whole, not at a link into it.
pub fn installed_binary() -> Result<(PathBuf, Option<String>)> {
    let exact = std::env::current_exe().and_then(|exact| exact.canonicalize());
    match exact.ok().and_then(|exact| Some((bundle_id(bundle_of(&exact)?), exact))) {
        Some((id, exact)) => Ok((exact, id)),
        None => Ok((started_binary()?, None)),
    }
}

/// Returns the directory `Contents` of the app bundle that a program is in.
pub(super) fn bundle_of(binary: &Path) -> Option<&Path> {
    binary.parent().filter(|dir| dir.ends_with("Contents/MacOS"))?.parent()
}

/// Reads the identifier of an app bundle, as far as it is text.
fn bundle_id(contents: &Path) -> Option<String> {
    let info = fs::read_capped(&contents.join("Info.plist"), LARGEST).ok()??;
    let info = String::from_utf8(info).ok()?;
    let (_, rest) = info.split_once("<key>CFBundleIdentifier</key>")?;
    let (id, _) = rest.trim_start().strip_prefix("<string>")?.split_once("</string>")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    (!id.is_empty() && id.chars().all(fits)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_a_bundle_is_known_by_the_name_of_the_app() {
        let dir = tempfile::tempdir().unwrap();
        let contents = dir.path().join("Mima.app/Contents");
        let program = contents.join("MacOS/mima");
        assert_eq!(bundle_of(&program), Some(&*contents));
        for outside in ["/usr/bin/mima", "/x/Contents/mima", "/x/MacOS/mima", "mima", "/"] {
            assert_eq!(bundle_of(Path::new(outside)), None, "{outside}");
        }
        assert_eq!(bundle_id(&contents), None);
        std::fs::create_dir_all(&contents).unwrap();
        let info = include_str!("../../dist/macos/Info.plist");
        for (id, want) in [
            ("com.example.my-mima", Some("com.example.my-mima")),
            ("", None),
            ("a b", None),
            ("@BUNDLE_ID@", None),
        ] {
            let info = info.replace("@BUNDLE_ID@", id);
            fs::write_atomic(&contents.join("Info.plist"), info.as_bytes()).unwrap();
            assert_eq!(bundle_id(&contents).as_deref(), want, "{id}");
        }
        fs::write_atomic(&contents.join("Info.plist"), b"bplist00\xff").unwrap();
        assert_eq!(bundle_id(&contents), None);
    }
}
