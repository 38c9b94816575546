//! What must hold for any bytes at all: each function is one target of `make fuzz`, and
//! `tests/fuzz.rs` calls it for every file of `corpus`. They panic where it does not hold.

/// A line of `/proc/PID/stat` is read, or it is none. What was read can be written down and is
/// read as the same.
#[cfg(target_os = "linux")]
pub(crate) fn proc_stat(data: &[u8]) {
    use mima::sys::processes::{Process, parse_stat};
    let Some(process) = parse_stat(data) else { return };
    let Process { pid, ref name, parent, session, terminal, start, has_execed, image } = process;
    let flags = if has_execed { 0 } else { 0x40 };
    let terminal = u32::try_from(terminal).expect("a device has 32 bits").cast_signed();
    let [code, stack, arguments] = image;
    let line = format!(
        "{pid} ({name}) S {parent} 0 {session} {terminal} 0 {flags} 0 0 0 0 0 0 0 0 0 0 0 0 \
         {start} 0 0 0 {code} 0 {stack} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 {arguments} 0 0 0 0"
    );
    assert_eq!(parse_stat(line.as_bytes()), Some(process), "{line:?}");
}
