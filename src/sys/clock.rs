//! Two clocks that nobody can set. Where they drift apart, the computer has slept. (threat H9)

use std::time::Duration;

#[cfg(not(target_os = "macos"))]
const CLOCKS: [libc::clockid_t; 2] = [libc::CLOCK_BOOTTIME, libc::CLOCK_MONOTONIC];
#[cfg(target_os = "macos")]
const CLOCKS: [libc::clockid_t; 2] = [libc::CLOCK_MONOTONIC_RAW, libc::CLOCK_UPTIME_RAW];

/// Returns the time since some moment in the past; it goes on while the computer sleeps.
pub fn with_sleep() -> Duration {
    read(CLOCKS[0])
}

/// Returns the time since some moment in the past; it stands while the computer sleeps.
pub fn without_sleep() -> Duration {
    read(CLOCKS[1])
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live local.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    match (status, u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) {
        (0, Ok(seconds), Ok(nanoseconds)) => Duration::new(seconds, nanoseconds),
        // Not to be expected; by this clock every deadline is over.
        _ => Duration::MAX,
    }
}
