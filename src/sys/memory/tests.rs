use super::*;

#[test]
fn there_is_room_for_what_was_asked_for_and_it_is_zero() {
    let page = rustix::param::page_size();
    for len in [0, 1, page - 1, page, page + 1, 3 * page] {
        let mut locked = Locked::new(len).unwrap();
        assert_eq!(locked.bytes().len(), len);
        assert_eq!(locked.size % page, 0);
        assert!(locked.bytes().iter().all(|byte| *byte == 0));
        locked.bytes_mut().fill(0xa5);
        assert!(locked.bytes().iter().all(|byte| *byte == 0xa5));
        locked.wipe();
        assert!(locked.bytes().iter().all(|byte| *byte == 0), "{len}");
    }
}

#[test]
fn no_two_share_a_page() {
    let [one, other] = [Locked::new(1).unwrap(), Locked::new(1).unwrap()];
    let page = rustix::param::page_size();
    assert!(one.bytes().as_ptr().addr().abs_diff(other.bytes().as_ptr().addr()) >= page);
}

#[test]
fn more_than_there_can_be_is_an_error() {
    for len in [usize::MAX, usize::MAX - rustix::param::page_size(), isize::MAX.unsigned_abs()] {
        assert!(Locked::new(len).is_err(), "{len}");
    }
}

#[cfg(not(target_os = "macos"))]
mod linux {
    use std::io::{BufRead, BufReader};

    use super::super::system::{has_disk, map_kept, map_secret};
    use super::*;

    /// The kernel's two-letter flags of the mapping that holds an address, see `proc_pid_smaps(5)`.
    fn flags(start: NonNull<c_void>) -> Vec<String> {
        let maps = std::fs::File::open("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in BufReader::new(maps).lines().map(Result::unwrap) {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            if let Some((from, to)) = range
                && let Ok(from) = usize::from_str_radix(from, 16)
                && let Ok(to) = usize::from_str_radix(to, 16)
            {
                inside = (from..to).contains(&start.as_ptr().addr());
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no mapping at {start:?}");
    }

    fn assert_flags(start: NonNull<c_void>, size: usize, want: &[&str]) {
        let flags = flags(start);
        for flag in want {
            assert!(flags.iter().any(|has| has == flag), "{flag} is not among {flags:?}");
        }
        // SAFETY: it was mapped just before, by the caller.
        unsafe { unmap(start, size) };
    }

    /// Locked, not dumped, not copied by a fork, and wiped if it were.
    #[test]
    fn locked_memory_is_what_it_should_be() {
        let size = 2 * rustix::param::page_size();
        assert_flags(map_kept(size).unwrap(), size, &["lo", "dd", "dc", "wf"]);
    }

    #[test]
    fn so_is_secret_memory() {
        let size = 2 * rustix::param::page_size();
        match map_secret(size) {
            Ok(start) => assert_flags(start, size, &["lo", "dd", "dc"]),
            Err(error) => {
                let without = [libc::ENOSYS, libc::EPERM];
                assert!(without.contains(&error.raw_os_error().unwrap()), "{error}");
            }
        }
    }

    #[test]
    fn the_computer_hibernates_only_where_disk_is_a_word_of_its_own() {
        for (states, may) in [
            ("freeze mem disk\n", true),
            ("disk", true),
            ("freeze mem\n", false),
            ("diskless\n", false),
            ("", false),
        ] {
            assert_eq!(has_disk(states.as_bytes()), may, "{states:?}");
        }
    }
}
