//! Alarms, and the one metric of ours that an alarm watches.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, MetricDatum, StandardUnit, Statistic};
use aws_smithy_types::DateTime;
use stereospot_domain::Timestamp;
use stereospot_ports::{ErrorCode, Result};

use super::resource::{AlarmWanted, DEPLOYMENT, NAMESPACE, STUCK_JOBS, stuck_jobs_alarm};
use super::state::State;
use crate::calls::Calls;
use crate::config::client;
use crate::error::failed;

/// Reports the number of stuck jobs to CloudWatch, for the alarm that `provision` makes.
#[derive(Debug, Clone)]
pub struct StuckJobs {
    client: Client,
    prefix: String,
}

impl StuckJobs {
    /// For the deployment with this name prefix. Makes no call.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, calls: &Calls, name_prefix: &str) -> Self {
        Self { client: client!(aws_sdk_cloudwatch, config, calls), prefix: name_prefix.into() }
    }

    /// True when `provision` made the alarm. Without the alarm the metric would cost money for nothing.
    ///
    /// # Errors
    /// When CloudWatch can't be asked.
    pub async fn is_watched(&self) -> Result<bool> {
        Ok(find(&self.client, &stuck_jobs_alarm(&self.prefix)).await?.is_some())
    }

    /// Reports the number as of `now`. Once every five minutes is enough: that is the alarm's period.
    ///
    /// # Errors
    /// When CloudWatch refuses it or can't be reached.
    pub async fn put(&self, count: u32, now: Timestamp) -> Result<()> {
        let datum = MetricDatum::builder()
            .metric_name(STUCK_JOBS)
            .dimensions(dimension(DEPLOYMENT, &self.prefix))
            .timestamp(DateTime::from_secs(now.as_secs()))
            .value(f64::from(count))
            .unit(StandardUnit::Count)
            .build();
        let call = self.client.put_metric_data().namespace(NAMESPACE).metric_data(datum);
        call.send().await.map(drop).map_err(failed("cloudwatch:PutMetricData", "metric", STUCK_JOBS))
    }
}

pub(super) async fn look(client: &Client, name: &str, wanted: &AlarmWanted) -> Result<State> {
    let found = find(client, name).await?;
    Ok(found.map_or(State::Missing, |found| State::of(differences(&found, wanted))))
}

pub(super) async fn make(client: &Client, name: &str, wanted: &AlarmWanted) -> Result<()> {
    let (key, value) = &wanted.dimension;
    client
        .put_metric_alarm()
        .alarm_name(name)
        .alarm_description(&wanted.about)
        .namespace(wanted.namespace)
        .metric_name(wanted.metric)
        .dimensions(dimension(key, value))
        .statistic(Statistic::Maximum)
        .period(wanted.period_secs)
        .evaluation_periods(wanted.periods)
        .threshold(wanted.threshold)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .treat_missing_data(wanted.missing_data)
        .send()
        .await
        .map(drop)
        .map_err(failed("cloudwatch:PutMetricAlarm", "alarm", name))
}

/// True when `provision` made the alarm: its description is ours.
pub(super) async fn is_ours(client: &Client, name: &str, wanted: &AlarmWanted) -> Result<bool> {
    let found = find(client, name).await?;
    Ok(found.is_some_and(|found| found.alarm_description() == Some(wanted.about.as_str())))
}

pub(super) async fn unmake(client: &Client, name: &str) -> Result<()> {
    let call = client.delete_alarms().alarm_names(name);
    match call.send().await.map_err(failed("cloudwatch:DeleteAlarms", "alarm", name)) {
        Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
        other => other.map(drop),
    }
}

async fn find(client: &Client, name: &str) -> Result<Option<MetricAlarm>> {
    let call = client.describe_alarms().alarm_names(name);
    let answer = call.send().await.map_err(failed("cloudwatch:DescribeAlarms", "alarm", name))?;
    Ok(answer.metric_alarms.unwrap_or_default().into_iter().next())
}

/// What must change, one sentence each. The description may be anyone's.
pub(super) fn differences(found: &MetricAlarm, wanted: &AlarmWanted) -> Vec<String> {
    let text = |value: Option<&str>| value.unwrap_or("not set").to_owned();
    let dimensions = |all: &[Dimension]| {
        let pair = |one: &Dimension| format!("{}={}", one.name().unwrap_or_default(), one.value().unwrap_or_default());
        all.iter().map(pair).collect::<Vec<_>>().join(",")
    };
    let number = |value: Option<i32>| value.map_or("not set".to_owned(), |value| value.to_string());
    let (key, value) = &wanted.dimension;
    let operator = ComparisonOperator::GreaterThanThreshold;
    [
        ("Namespace", text(found.namespace()), wanted.namespace.to_owned()),
        ("MetricName", text(found.metric_name()), wanted.metric.to_owned()),
        ("Statistic", text(found.statistic().map(Statistic::as_str)), Statistic::Maximum.to_string()),
        ("Period", number(found.period), wanted.period_secs.to_string()),
        ("EvaluationPeriods", number(found.evaluation_periods), wanted.periods.to_string()),
        ("Threshold", text(found.threshold.map(|value| value.to_string()).as_deref()), wanted.threshold.to_string()),
        ("ComparisonOperator", text(found.comparison_operator().map(ComparisonOperator::as_str)), operator.to_string()),
        ("TreatMissingData", text(found.treat_missing_data()), wanted.missing_data.to_owned()),
        ("Dimensions", dimensions(found.dimensions()), format!("{key}={value}")),
    ]
    .into_iter()
    .filter(|(_, found, wanted)| found != wanted)
    .map(|(member, found, wanted)| format!("{member} {found} becomes {wanted}"))
    .collect()
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}
