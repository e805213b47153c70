//! Counts every call to AWS, to show what polling costs and where AWS throttles.
//!
//! Invariant: every attempt of a call counts, also one that fails: AWS bills attempts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

use stereospot_domain::{Timestamp, text};

use crate::clock::AwsClock;
use crate::error::is_throttle;

/// A clock that is off by this much is wrong: services refuse signatures that are five minutes off.
const WRONG_SECS: u64 = 5 * 60;

/// Counts of one API since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// All attempts, including the failed ones.
    pub attempts: u64,
    /// Attempts that AWS answered by asking to slow down.
    pub throttled: u64,
    /// Attempts that failed otherwise, or got no answer. An unmet condition is no failure.
    pub failed: u64,
}

/// Service and operation, as in `("sqs", "ReceiveMessage")`.
pub type Api = (Cow<'static, str>, Cow<'static, str>);

/// The counts of all APIs. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    counts: Arc<Mutex<BTreeMap<Api, Count>>>,
    /// See [`Calls::clock_ahead_secs`].
    ahead_secs: Arc<AtomicI64>,
    clock: Arc<AwsClock>,
    /// The APIs whose last attempt was not answered as wanted.
    hindered: Arc<Mutex<BTreeMap<Api, Outcome>>>,
}

impl Calls {
    /// The counts so far.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<Api, Count> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A clock that follows the dates of AWS's answers.
    #[must_use]
    pub fn clock(&self) -> Arc<AwsClock> {
        Arc::clone(&self.clock)
    }

    /// How many seconds this machine's clock is ahead of AWS's, by the date of the last answer; negative if it is behind.
    #[must_use]
    pub fn clock_ahead_secs(&self) -> i64 {
        self.ahead_secs.load(Ordering::Relaxed)
    }

    /// A sentence if this machine's clock is far off. The SDK corrects it, so no call fails and shows it.
    #[must_use]
    pub fn wrong_clock(&self) -> Option<String> {
        let ahead = self.clock_ahead_secs();
        (ahead.unsigned_abs() >= WRONG_SECS).then(|| {
            let off = text::duration(Duration::from_secs(ahead.unsigned_abs()));
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            format!("this machine's clock is {off} {side} AWS's: set it (NTP)")
        })
    }

    /// What hinders the calls now, as a sentence: the SDK tries again without a word, and its caller waits.
    #[must_use]
    pub fn hindrance(&self) -> Option<String> {
        let hindered = self.hindered.lock().unwrap_or_else(PoisonError::into_inner);
        let names = |wanted: Outcome| {
            let of = hindered.iter().filter(|(_, outcome)| **outcome == wanted);
            of.map(|((service, operation), _)| format!("{service} {operation}")).collect::<Vec<_>>().join(", ")
        };
        match (names(Outcome::Throttled), names(Outcome::Failed)) {
            (throttled, _) if !throttled.is_empty() => {
                Some(format!("AWS throttles {throttled}: it asks for fewer calls"))
            }
            (_, failed) if !failed.is_empty() => Some(format!("AWS does not answer, or refuses: {failed}")),
            _ => None,
        }
    }

    /// Counts an attempt.
    pub fn count(&self, api: Api, outcome: Outcome) {
        {
            let mut hindered = self.hindered.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Outcome::Answered => hindered.remove(&api),
                Outcome::Throttled | Outcome::Failed => hindered.insert(api.clone(), outcome),
            };
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(api).or_default();
        count.attempts += 1;
        match outcome {
            Outcome::Answered => {}
            Outcome::Throttled => count.throttled += 1,
            Outcome::Failed => count.failed += 1,
        }
    }
}

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer, also that a condition is not met.
    Answered,
    /// A request to slow down.
    Throttled,
    /// Another error, or no answer.
    Failed,
}

/// The outcome by an HTTP answer's status and body; `None` is no answer.
#[must_use]
pub fn outcome(answer: Option<(u16, &[u8])>) -> Outcome {
    let Some((status, body)) = answer else { return Outcome::Failed };
    match status {
        ..400 => Outcome::Answered,
        404 | 409 | 412 | 416 => Outcome::Answered,
        429 => Outcome::Throttled,
        _ => {
            let body = String::from_utf8_lossy(body);
            let mut words = body.split(|c: char| !c.is_ascii_alphanumeric());
            if words.any(is_throttle) {
                Outcome::Throttled
            } else if body.contains("ConditionalCheckFailed") {
                Outcome::Answered
            } else {
                Outcome::Failed
            }
        }
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(metadata) = config.load::<Metadata>() else { return Ok(()) };
        let api = (Cow::Owned(metadata.service().to_lowercase()), Cow::Owned(metadata.name().to_owned()));
        let answer = |response: &HttpResponse| {
            (response.status().as_u16(), response.body().bytes().unwrap_or_default().to_vec())
        };
        let date = context.response().and_then(|response| response.headers().get("date"));
        if let Some(there) = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok()) {
            self.clock.answered(Timestamp(there.secs() * 1000));
            self.ahead_secs.store(DateTime::from(SystemTime::now()).secs() - there.secs(), Ordering::Relaxed);
        }
        let answer = context.response().map(answer);
        self.count(api, outcome(answer.as_ref().map(|(status, body)| (*status, body.as_slice()))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_a_throttle_and_a_failure_are_counted_separately() {
        let check =
            |status, body: &str, expected| assert_eq!(outcome(Some((status, body.as_bytes()))), expected, "{body}");
        check(200, "", Outcome::Answered);
        check(404, "", Outcome::Answered);
        check(412, "<Code>PreconditionFailed</Code>", Outcome::Answered);
        check(400, r#"{"__type":"com.amazonaws.dynamodb#ConditionalCheckFailedException"}"#, Outcome::Answered);
        check(400, r#"{"__type":"com.amazonaws.dynamodb#ThrottlingException"}"#, Outcome::Throttled);
        check(503, "<Error><Code>SlowDown</Code></Error>", Outcome::Throttled);
        check(429, "", Outcome::Throttled);
        check(403, "<Code>AccessDenied</Code>", Outcome::Failed);
        check(500, "", Outcome::Failed);
        assert_eq!(outcome(None), Outcome::Failed);
    }

    #[test]
    fn what_hinders_calls_is_said_until_they_are_answered() {
        let calls = Calls::default();
        let api: Api = ("dynamodb".into(), "DescribeTable".into());
        calls.count(api.clone(), Outcome::Throttled);
        let said = calls.hindrance().unwrap();
        assert!(said.starts_with("AWS throttles dynamodb DescribeTable"), "{said}");
        calls.count(api, Outcome::Answered);
        assert_eq!(calls.hindrance(), None);
    }

    #[test]
    fn clones_share_their_counts() {
        let calls = Calls::default();
        let api: Api = ("sqs".into(), "SendMessage".into());
        calls.clone().count(api.clone(), Outcome::Throttled);
        calls.count(api.clone(), Outcome::Answered);
        assert_eq!(calls.snapshot()[&api], Count { attempts: 2, throttled: 1, failed: 0 });
    }
}
