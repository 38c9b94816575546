//! What is in the memory of another process. Only root can look, and only on Linux.

use std::os::unix::fs::FileExt;

/// Returns all memory that a process can write to, one piece after the other.
pub(crate) fn memory_of(pid: i32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) =
            (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut piece = vec![0; usize::try_from(to - from).unwrap()];
        // Guard pages cannot be read.
        if memory.read_exact_at(&mut piece, from).is_ok() {
            all.extend(piece);
        }
        all.push(0);
    }
    all
}

/// How much of a process's memory not even the kernel maps, in mappings.
pub(crate) fn secret_mappings(pid: i32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.lines().filter(|line| line.contains("/secretmem")).count()
}

/// How often a text is in the memory of a process that can be read.
pub(crate) fn copies(pid: i32, text: &str) -> usize {
    memory_of(pid).windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}
