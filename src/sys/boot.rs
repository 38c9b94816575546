//! Which run of the kernel this is: process numbers and times mean something within one only.

/// Returns what tells this run of the kernel from all others: printable, without spaces.
pub fn id() -> Option<String> {
    let id = String::from_utf8(read()?).ok()?.trim_end_matches(['\n', '\0']).to_owned();
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic())).then_some(id)
}

#[cfg(not(target_os = "macos"))]
fn read() -> Option<Vec<u8>> {
    super::kernel_file::read("/proc/sys/kernel/random/boot_id").ok()
}

/// Source: Apple, `kern/kern_sysctl.c` of XNU.
#[cfg(target_os = "macos")]
fn read() -> Option<Vec<u8>> {
    let mut text = [0_u8; 64];
    let mut size = text.len();
    // SAFETY: the name ends with a NUL, and buffer and size are live and belong together. Nothing
    // is set.
    let status = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            text.as_mut_ptr().cast(),
            &raw mut size,
            std::ptr::null_mut(),
            0,
        )
    };
    (status == 0).then(|| text.get(..size).map(<[u8]>::to_vec)).flatten()
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_stays_the_same() {
        let id = super::id();
        assert!(id.is_some());
        assert_eq!(id, super::id());
    }
}
