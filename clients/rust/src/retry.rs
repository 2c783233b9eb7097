use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::Code;

use crate::backoff::Backoff;
use crate::connection::{Connection, Endpoint};
use crate::endpoints::Endpoints;
use crate::error::{Error, Kind, Outcome};

const BACKOFF_FIRST: Duration = Duration::from_millis(25);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How often and for how long one operation is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) attempts: u32,
    pub(crate) deadline: Instant,
}

/// The state of one operation between its attempts, for those that do not fit [`run`].
pub(crate) struct Attempts {
    kind: Kind,
    budget: Budget,
    backoff: Backoff,
    made: u32,
    /// An attempt may have been applied. What a later one is told says nothing of that one.
    unknown: bool,
    failed_at: Option<String>,
}

impl Attempts {
    pub(crate) fn new(kind: Kind, budget: Budget) -> Self {
        Self {
            kind,
            budget,
            backoff: Backoff::new(BACKOFF_FIRST, BACKOFF_MAX),
            made: 0,
            unknown: false,
            failed_at: None,
        }
    }

    /// A connection for the next attempt: to the home of the key, if one is given and this is the first, else to the
    /// next endpoint.
    pub(crate) async fn connection(
        &mut self,
        endpoints: &Endpoints,
        home: Option<Arc<Endpoint>>,
    ) -> Result<Connection, Error> {
        self.made += 1;
        if self.failed_at.is_none()
            && let Some(connection) = home.as_ref().and_then(Endpoint::connection)
        {
            return Ok(connection);
        }
        let next = endpoints.next(self.failed_at.as_deref());
        match timeout_at(self.budget.deadline, next).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(reasons)) => Err(Error::unreachable(self.kind, reasons)),
            Err(_) => Err(Error::local(
                self.kind,
                Code::DeadlineExceeded,
                endpoints.reasons(),
            )),
        }
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.budget
            .deadline
            .saturating_duration_since(Instant::now())
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.budget.deadline
    }

    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    pub(crate) fn are_left(&self) -> bool {
        self.made < self.budget.attempts
    }

    /// Waits until the next attempt may begin; `false`: there is none after this failure.
    pub(crate) async fn pause(&mut self, failure: &Error) -> bool {
        if !failure.is_transient() || !self.are_left() {
            return false;
        }
        let asked = failure.retry_after().unwrap_or_default();
        let delay = self.backoff.next_delay().max(asked);
        if delay >= self.remaining() {
            return false;
        }
        self.failed_at = failure.endpoint().map(str::to_owned);
        sleep(delay).await;
        true
    }

    /// Waits until the next attempt may begin, or gives the failure back as that of the whole operation.
    async fn again_after(&mut self, failure: Error) -> Result<(), Error> {
        self.unknown |= failure.outcome() == Some(Outcome::Unknown);
        if self.pause(&failure).await {
            Ok(())
        } else {
            Err(failure.after(self.made, self.unknown))
        }
    }
}

/// Tries an operation until it succeeds, fails for good, or its budget is used up.
pub(crate) async fn run<T, F>(
    kind: Kind,
    budget: Budget,
    endpoints: &Endpoints,
    home: Option<Arc<Endpoint>>,
    mut attempt: impl FnMut(Connection, Duration) -> F + Send,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>> + Send,
{
    let mut attempts = Attempts::new(kind, budget);
    loop {
        let result = match attempts.connection(endpoints, home.clone()).await {
            Ok(connection) => {
                let under_way = attempt(connection.clone(), attempts.remaining());
                timeout_at(budget.deadline, under_way)
                    .await
                    .unwrap_or_else(|_| Err(Error::timed_out(kind, connection.address())))
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(answer) => return Ok(answer),
            Err(error) => attempts.again_after(error).await?,
        }
    }
}

/// Turns the failure of a call into an error, and leaves the endpoint out if its connection broke.
pub(crate) fn failure(kind: Kind, connection: &Connection, status: tonic::Status) -> Error {
    let error = Error::from_status(kind, connection.address(), status);
    if error.is_broken_connection() {
        connection.broke();
    }
    error
}
