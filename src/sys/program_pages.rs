//! The pages of the program itself.

/// Lets go of the pages of the program and its libraries that are in memory. They are as in their
/// files, so nothing is lost: what is needed again is mapped again. A process that stays gets
/// small by that, for most of them were needed to start only, if at all.
pub fn let_go() {
    #[cfg(target_os = "linux")]
    linux::let_go();
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::mm::{Advice, madvise};

    use crate::sys::kernel_file;

    pub(super) fn let_go() {
        // What cannot be read or given back stays; that costs nothing but memory.
        let maps = kernel_file::read("/proc/self/maps").unwrap_or_default();
        for (start, len) in String::from_utf8_lossy(&maps).lines().filter_map(of_a_file) {
            let start = std::ptr::with_exposed_provenance_mut(start);
            // SAFETY: a mapping of a file that is never written to is read from the file again,
            // with the same bytes, wherever it is looked at next.
            unsafe { madvise(start, len, Advice::LinuxDontNeed) }.ok();
        }
    }

    /// Reads a line of `/proc/PID/maps`, see `proc_pid_maps(5)`: the start and the length of what
    /// is mapped from a file, privately and not to be written to. What has been written to and
    /// was protected after that, as the linker does, is readable only, and not of that kind.
    pub(super) fn of_a_file(line: &str) -> Option<(usize, usize)> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let is_code = fields.next()? == "r-xp";
        let (_offset, _device, inode) = (fields.next()?, fields.next()?, fields.next()?);
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        (is_code && inode != "0").then_some((start, end.checked_sub(start)?))
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::let_go;
    use super::linux::of_a_file;

    #[test]
    fn only_code_of_files_is_let_go_of() {
        let code = "7f00-8f00 r-xp 00001000 fd:00 1234   /usr/bin/a b";
        assert_eq!(of_a_file(code), Some((0x7f00, 0x1000)));
        for line in [
            "7f00-8f00 r--p 00001000 fd:00 1234 /usr/bin/a",
            "7f00-8f00 rw-p 00001000 fd:00 1234 /usr/bin/a",
            "7f00-8f00 r-xs 00001000 fd:00 1234 /usr/bin/a",
            "7f00-8f00 r-xp 00000000 00:00 0 [vdso]",
            "7f00-8f00 r-xp",
            "",
        ] {
            assert_eq!(of_a_file(line), None, "{line}");
        }
        // And everything goes on.
        let_go();
        assert_eq!(of_a_file(code), Some((0x7f00, 0x1000)));
    }
}
