//! What calls to the platform cost. Pure: counts come in with their times.
//!
//! List prices of us-east-1 in the middle of 2026, on demand and beyond every free tier; they stand at aws.amazon.com under
//! /sqs/pricing, /dynamodb/pricing/on-demand, /s3/pricing and /cloudwatch/pricing. ECS and Application Auto Scaling answer without
//! a charge.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use stereospot_api::view::ApiCalls;

use super::target::Uptime;

/// One request to a standard queue.
pub const SQS_REQUEST_USD: f64 = 0.40e-6;
/// One read request unit of DynamoDB: 4 KiB strongly consistent, or 8 KiB eventually.
pub const READ_UNIT_USD: f64 = 0.125e-6;
/// One write request unit: 1 KiB.
pub const WRITE_UNIT_USD: f64 = 0.625e-6;
/// One HEAD or GET of an object.
pub const S3_READ_USD: f64 = 0.40e-6;
/// One PUT, POST or LIST.
pub const S3_WRITE_USD: f64 = 5.0e-6;
/// One call of PutMetricData.
pub const PUT_METRIC_USD: f64 = 10.0e-6;
/// A gigabyte that Logs Insights scans.
pub const LOG_GIGABYTE_USD: f64 = 0.005;
/// AWS counts 730 hours in a month.
pub const MONTH_MINUTES: f64 = 730.0 * 60.0;
/// Approximate size of a job's row in an index.
const JOB_ROW_BYTES: f64 = 400.0;
/// Approximate size of a completion.
const COMPLETION_BYTES: f64 = 200.0;

/// Rates are averages over this time.
const WINDOW: Duration = Duration::from_secs(600);
/// Time between two samples.
const STEP: Duration = Duration::from_secs(15);

/// Read units of one page of job rows. They come from an index, read with eventual consistency.
pub fn units_of_rows(rows: usize) -> f64 {
    (rows as f64 * JOB_ROW_BYTES / 4096.0).ceil().max(1.0) / 2.0
}

/// Read units of a job's completions, read with strong consistency.
pub fn units_of_completions(rows: usize) -> f64 {
    (rows as f64 * COMPLETION_BYTES / 4096.0).ceil().max(1.0)
}

/// Call counts of one API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All attempts: failed ones cost money too.
    pub attempts: u64,
    /// Attempts that were throttled.
    pub throttled: u64,
    /// Attempts that failed otherwise.
    pub failed: u64,
}

/// All counted calls.
#[derive(Debug, Default)]
pub struct Spending {
    /// The last counts taken in.
    last: BTreeMap<String, Counts>,
    /// Attempts by API over the window.
    samples: VecDeque<(Uptime, BTreeMap<String, u64>)>,
    /// Read units of our own queries, and the number of queries.
    queries: (f64, u64),
    /// Bytes that log searches scanned, by time.
    scanned: VecDeque<(Uptime, u64)>,
}

/// What polling costs now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PollsView {
    /// Calls by API; empty where calls are free.
    pub calls: Vec<ApiCalls>,
    /// Calls a minute that polling may make; absent where calls are free.
    pub budget_per_minute: Option<u32>,
    /// Calls a minute over the last minutes.
    pub calls_per_minute: f32,
    /// Cost of a month at this rate, in US dollars.
    pub usd_per_month: f64,
}

impl Spending {
    /// Takes in the current counts; returns what was added since the last time.
    pub fn observe(&mut self, counts: Vec<(String, Counts)>, now: Uptime) -> Vec<(String, Counts)> {
        let mut new = Vec::new();
        let mut sample = BTreeMap::new();
        for (api, counts) in counts {
            let api = name_of(&api);
            *sample.entry(api.clone()).or_default() += counts.attempts;
            let last = self.last.insert(api.clone(), counts).unwrap_or_default();
            let since = Counts {
                attempts: counts.attempts.saturating_sub(last.attempts),
                throttled: counts.throttled.saturating_sub(last.throttled),
                failed: counts.failed.saturating_sub(last.failed),
            };
            if since != Counts::default() {
                new.push((api, since));
            }
        }
        if self.samples.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= STEP) {
            self.samples.push_back((now, sample));
        }
        while self.samples.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW) {
            self.samples.pop_front();
        }
        while self.scanned.front().is_some_and(|(at, _)| now.saturating_sub(*at) > WINDOW) {
            self.scanned.pop_front();
        }
        new
    }

    /// Counts the read units of a query.
    pub fn queried(&mut self, units: f64) {
        self.queries.0 += units;
        self.queries.1 += 1;
    }

    /// Counts the bytes that a log search scanned.
    pub fn scanned(&mut self, bytes: u64, now: Uptime) {
        self.scanned.push_back((now, bytes));
    }

    /// Calls, rates and prices as of the last counts.
    pub fn view(&self, budget: Option<u32>, now: Uptime) -> PollsView {
        let (from, first) = self.samples.front().map(|(at, sample)| (*at, sample)).unzip();
        let minutes = from.map_or(0.0, |from| now.saturating_sub(from).as_secs_f64() / 60.0);
        let a_minute = |count: u64| if minutes < 0.05 { 0.0 } else { count as f64 / minutes };
        let calls: Vec<ApiCalls> = self
            .last
            .iter()
            .map(|(api, counts)| {
                let before = first.and_then(|first| first.get(api)).copied().unwrap_or(0);
                let per_minute = a_minute(counts.attempts.saturating_sub(before));
                ApiCalls {
                    api: api.clone(),
                    attempts: counts.attempts,
                    throttled: counts.throttled,
                    failed: counts.failed,
                    per_minute: per_minute as f32,
                    usd_per_month: per_minute * MONTH_MINUTES * self.price(api),
                }
            })
            .collect();
        let scanned: u64 = self.scanned.iter().map(|(_, bytes)| bytes).sum();
        let logs = a_minute(scanned) * MONTH_MINUTES / 1e9 * LOG_GIGABYTE_USD;
        PollsView {
            calls_per_minute: calls.iter().map(|calls| calls.per_minute).sum(),
            usd_per_month: calls.iter().map(|calls| calls.usd_per_month).sum::<f64>() + logs,
            budget_per_minute: budget,
            calls,
        }
    }

    /// The price of one call, in US dollars.
    fn price(&self, api: &str) -> f64 {
        let (service, operation) = api.split_once('.').unwrap_or((api, ""));
        match (service, operation) {
            ("sqs", _) => SQS_REQUEST_USD,
            ("dynamodb", "Query") => self.queries.0.max(1.0) / self.queries.1.max(1) as f64 * READ_UNIT_USD,
            ("dynamodb", "GetItem") => READ_UNIT_USD,
            ("dynamodb", _) => WRITE_UNIT_USD,
            ("s3", "HEAD") => S3_READ_USD,
            ("s3", "DELETE") => 0.0,
            // Nearly all of our GETs are LISTs; the exceptions are downloads of results.
            ("s3", _) => S3_WRITE_USD,
            ("cloudwatch", "PutMetricData") => PUT_METRIC_USD,
            _ => 0.0,
        }
    }
}

/// Normalises an API's name to `service.Operation`, the service in lower case without blanks.
fn name_of(api: &str) -> String {
    let (service, operation) = api.split_once(['.', ':', '/']).unwrap_or((api, ""));
    let service = service.trim().to_lowercase().replace([' ', '_'], "-");
    if operation.is_empty() { service } else { format!("{service}.{}", operation.trim()) }
}

#[cfg(test)]
mod tests;
