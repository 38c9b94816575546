//! Somebody who is not root, for what root may always do.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use super::command::Cmd;
use super::leaks::files_below;
use super::world::{World, copy_executable};
use super::{is_root, require};

/// Who that is.
pub(crate) const USER: u32 = 12345;

/// A world that belongs to somebody, and mima there in that name.
pub(crate) struct User {
    pub(crate) world: World,
    setpriv: String,
    uid: u32,
}

impl User {
    /// A world of [`USER`]; `None` where only root could become that user, and is not.
    pub(crate) fn new() -> Option<Self> {
        Self::of(USER)
    }

    /// A world of another user.
    pub(crate) fn of(uid: u32) -> Option<Self> {
        let setpriv = require("setpriv")?;
        if !is_root("can become another user") {
            return None;
        }
        let world = World::new();
        // The one that is tested may stand where only root can go.
        let binary = world.root().join("mima-binary");
        copy_executable(super::world::mima(), &binary);
        std::fs::remove_file(world.bin().join("mima")).unwrap();
        std::os::unix::fs::symlink(binary, world.bin().join("mima")).unwrap();
        let user = Self { world, setpriv: setpriv.to_str().unwrap().to_owned(), uid };
        user.give_all();
        mode(user.world.root(), 0o755);
        Some(user)
    }

    /// Gives everything in the world to the user: what the test has written, too.
    pub(crate) fn give_all(&self) {
        let root = self.world.root();
        for path in files_below(root).into_iter().chain([root.to_owned()]) {
            std::os::unix::fs::lchown(&path, Some(self.uid), Some(self.uid)).unwrap();
        }
    }

    /// Runs `mima` as the user.
    pub(crate) fn mima(&self, args: &[&str], cwd: &Path) -> Cmd {
        let cmd = self.world.command(self.world.root().join("mima-binary")).args(args).cwd(cwd);
        cmd.under(&self.wrapper())
    }

    /// Runs any program as the user.
    pub(crate) fn command(&self, program: &str) -> Cmd {
        self.world.command(program).under(&self.wrapper())
    }

    /// What turns a command of root's into the user's.
    pub(crate) fn wrapper(&self) -> [String; 4] {
        let ids = [format!("--reuid={}", self.uid), format!("--regid={}", self.uid)];
        let [user, group] = ids;
        [self.setpriv.clone(), user, group, "--clear-groups".to_owned()]
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
