//! Alarms, and the one metric of ours that an alarm looks at.

use serde_json::{Value, json};
use stereospot_domain::Timestamp;
use stereospot_ports::{ErrorCode, Result};

use super::State;
use super::resource::{DEPLOYMENT, NAMESPACE, STUCK_JOBS, stuck_jobs_alarm};
use crate::calls::Calls;
use crate::signed::service::CLOUDWATCH;
use crate::signed::{Api, on};

/// What must be as wanted; the words may be anybody's.
const COMPARED: [&str; 9] = [
    "Namespace",
    "MetricName",
    "Statistic",
    "Period",
    "EvaluationPeriods",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "Dimensions",
];

/// Tells CloudWatch how many jobs are stuck, so that the alarm of `provision` can ring.
#[derive(Debug, Clone)]
pub struct StuckJobs {
    api: Api,
    prefix: String,
}

impl StuckJobs {
    /// For the deployment with this name prefix. Asks nothing yet.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`] when no region is set.
    pub fn new(config: &aws_config::SdkConfig, calls: &Calls, name_prefix: &str) -> Result<Self> {
        Ok(Self { api: Api::new(config, calls, &CLOUDWATCH)?, prefix: name_prefix.into() })
    }

    /// True when the alarm of `provision` is there: the number costs, and nothing else looks at it.
    ///
    /// # Errors
    /// What CloudWatch says.
    pub async fn is_watched(&self) -> Result<bool> {
        let name = stuck_jobs_alarm(&self.prefix);
        let answer: Value =
            self.api.json(on("DescribeAlarms", "alarm", &name), json!({ "AlarmNames": [name] })).await?;
        Ok(answer["MetricAlarms"].as_array().is_some_and(|alarms| !alarms.is_empty()))
    }

    /// Tells the number as of `now`. Five minutes between two are enough: the alarm looks no more often.
    ///
    /// # Errors
    /// What CloudWatch says.
    pub async fn put(&self, count: u32, now: Timestamp) -> Result<()> {
        let input = json!({ "Namespace": NAMESPACE, "MetricData": [{
            "MetricName": STUCK_JOBS,
            "Dimensions": [{ "Name": DEPLOYMENT, "Value": self.prefix }],
            "Timestamp": now.as_secs(),
            "Value": f64::from(count),
            "Unit": "Count",
        }]});
        self.api.json::<Value>(on("PutMetricData", "metric", STUCK_JOBS), input).await.map(drop)
    }
}

pub(super) async fn look(api: &Api, name: &str, wanted: &Value) -> Result<State> {
    let input = json!({ "AlarmNames": [name] });
    let answer: Value = api.json(on("DescribeAlarms", "alarm", name), input).await?;
    let Some(found) = answer["MetricAlarms"].as_array().and_then(|alarms| alarms.first()) else {
        return Ok(State::Missing);
    };
    let differing = |member: &&&str| !is_same(&found[**member], &wanted[**member]);
    let changes = COMPARED
        .iter()
        .filter(differing)
        .map(|member| format!("{member} {} becomes {}", found[*member], wanted[*member]));
    Ok(State::of(changes.collect()))
}

pub(super) async fn make(api: &Api, name: &str, wanted: &Value) -> Result<()> {
    api.json::<Value>(on("PutMetricAlarm", "alarm", name), wanted.clone()).await.map(drop)
}

pub(super) async fn unmake(api: &Api, name: &str) -> Result<()> {
    match api.json::<Value>(on("DeleteAlarms", "alarm", name), json!({ "AlarmNames": [name] })).await {
        Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// 60 and 60.0 are the same number.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < f64::EPSILON,
        _ => one == other,
    }
}
