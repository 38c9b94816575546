//! What time it is for deadlines: a clock that goes on while the machine sleeps.

use std::time::Duration;

use crate::sys;

/// Two clocks, whose difference is how long the machine has slept.
pub trait Clock {
    /// Time since some moment, sleep included.
    fn with_sleep(&self) -> Duration;
    /// The same without sleep.
    fn without_sleep(&self) -> Duration;
}

/// The kernel's clocks. No other process can set them.
pub struct Kernel;

impl Clock for Kernel {
    fn with_sleep(&self) -> Duration {
        sys::clock::with_sleep()
    }

    fn without_sleep(&self) -> Duration {
        sys::clock::without_sleep()
    }
}

/// The clocks are read one after the other, and a busy machine may do something in between.
const TOLERANCE: Duration = Duration::from_millis(500);

/// Tells whether the machine has slept. (threat H10)
pub struct SleepWatch {
    gap: Duration,
}

impl SleepWatch {
    /// Starts to watch.
    pub fn new(clock: &dyn Clock) -> Self {
        Self { gap: gap(clock) }
    }

    /// Tells whether the machine has slept since this was last asked.
    pub fn has_slept(&mut self, clock: &dyn Clock) -> bool {
        let before = self.gap;
        self.gap = gap(clock);
        self.gap.saturating_sub(before) > TOLERANCE
    }
}

fn gap(clock: &dyn Clock) -> Duration {
    // The shorter one first, so that a pause between the two cannot hide sleep.
    let awake = clock.without_sleep();
    clock.with_sleep().saturating_sub(awake)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Fake(Cell<u64>, Cell<u64>);

    impl Clock for Fake {
        fn with_sleep(&self) -> Duration {
            Duration::from_secs(self.0.get())
        }

        fn without_sleep(&self) -> Duration {
            Duration::from_secs(self.1.get())
        }
    }

    #[test]
    fn t_h10_sleep_is_noticed_once_and_waiting_is_none() {
        let clock = Fake(Cell::new(100), Cell::new(90));
        let mut watch = SleepWatch::new(&clock);
        assert!(!watch.has_slept(&clock));
        clock.0.set(4000);
        clock.1.set(3990);
        assert!(!watch.has_slept(&clock), "SIGSTOP stops neither clock");
        clock.0.set(4005);
        assert!(watch.has_slept(&clock));
        assert!(!watch.has_slept(&clock));
    }
}
