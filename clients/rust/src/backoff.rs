use std::time::Duration;

/// Delays that double from one to another limit, each drawn at random from zero up ("full jitter"), so that clients
/// that failed together do not come back together.
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            next: first,
        }
    }

    pub(crate) fn next_delay(&mut self) -> Duration {
        let ceiling = self.next;
        self.next = (ceiling * 2).min(self.max);
        ceiling.mul_f64(rand::random())
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_limit_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_millis(25), Duration::from_secs(1));
        for ceiling in [25, 50, 100, 200, 400, 800, 1000, 1000] {
            assert!(backoff.next_delay() <= Duration::from_millis(ceiling));
        }
        assert_eq!(backoff.next, Duration::from_secs(1));
        backoff.reset();
        assert_eq!(backoff.next, Duration::from_millis(25));
    }
}
