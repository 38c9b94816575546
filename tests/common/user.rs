//! Somebody who is not root, for what root may always do.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use super::command::Cmd;
use super::leaks::files_below;
use super::world::{World, copy_executable};
use super::{is_root, require};

/// Who that is.
pub(crate) const USER: u32 = 12345;

/// A world that belongs to [`USER`], and mima there in that name.
pub(crate) struct User {
    pub(crate) world: World,
    setpriv: String,
}

impl User {
    /// `None` where only root could become that user, and is not.
    pub(crate) fn new() -> Option<Self> {
        let setpriv = require("setpriv")?;
        if !is_root("can become another user") {
            return None;
        }
        let world = World::new();
        // The one that is tested may stand where only root can go.
        copy_executable(super::world::mima(), &world.root().join("mima-binary"));
        for path in files_below(world.root()).into_iter().chain([world.root().to_owned()]) {
            std::os::unix::fs::lchown(&path, Some(USER), Some(USER)).unwrap();
        }
        mode(world.root(), 0o755);
        Some(Self { world, setpriv: setpriv.to_str().unwrap().to_owned() })
    }

    /// Runs `mima` as the user.
    pub(crate) fn mima(&self, args: &[&str], cwd: &Path) -> Cmd {
        let cmd = self.world.command(self.world.root().join("mima-binary")).args(args).cwd(cwd);
        let (uid, gid) = (format!("--reuid={USER}"), format!("--regid={USER}"));
        cmd.under(&[&self.setpriv, &uid, &gid, "--clear-groups"])
    }
}

/// Writes a project file into a directory that may be new; both get an owner.
pub(crate) fn project_of(dir: &Path, text: &str, dir_of: u32, file_of: u32) {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join(".mima.yaml"), text).unwrap();
    give(dir, dir_of);
    give(&dir.join(".mima.yaml"), file_of);
}

/// Sets the mode of a file.
pub(crate) fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Gives a file to a user and their group.
pub(crate) fn give(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
}

/// Makes a file that is no regular one: `p` a FIFO, `c 1 5` what is /dev/zero on Linux.
pub(crate) fn mknod(path: &Path, kind: &str) {
    let mut command = std::process::Command::new("mknod");
    let mut child = super::spawn(command.arg(path).args(kind.split(' ')));
    assert!(child.wait().unwrap().success());
}
