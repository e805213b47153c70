//! The number of stuck jobs reaches CloudWatch, and the alarm that `provision` made follows it.

use std::time::Duration;

use serde_json::{Value, json};
use stereospot_aws::Connections;
use stereospot_aws::provision::Provisioner;
use stereospot_aws::provision::alarm::StuckJobs;
use stereospot_domain::Timestamp;
use stereospot_ports::{Clock as _, SystemClock};

use crate::emulator::Emulator;

async fn cloudwatch(emulator: &Emulator, action: &str, input: Value) -> Value {
    emulator.call("monitoring", &format!("GraniteServiceVersion20100801.{action}"), input).await
}

async fn state(emulator: &Emulator) -> String {
    let alarms = cloudwatch(emulator, "DescribeAlarms", json!({ "AlarmNames": ["p-stuck-jobs"] })).await;
    alarms["MetricAlarms"][0]["StateValue"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn stuck_jobs_ring_after_two_periods_and_are_quiet_when_they_go_on() {
    let emulator = Emulator::start();
    let Connections { config, calls, .. } = emulator.connect(emulator.nothing()).await;
    let stuck = StuckJobs::new(&config, &calls, "p");
    assert!(!stuck.is_watched().await.unwrap());
    let provisioner = Provisioner::new(&config, &calls, "p").unwrap();
    provisioner.apply(&provisioner.plan().await.unwrap(), &mut |_| {}).await.unwrap();
    assert!(stuck.is_watched().await.unwrap());
    assert_eq!(state(&emulator).await, "INSUFFICIENT_DATA");

    let began = SystemClock.now();
    let mut now = began;
    for (count, expected) in [(0, "OK"), (3, "OK"), (2, "ALARM"), (1, "ALARM"), (0, "OK")] {
        stuck.put(count, now).await.unwrap();
        assert_eq!(state(&emulator).await, expected, "after {count}");
        emulator.control("pass?ms=300000").await;
        now = now.plus(Duration::from_secs(300));
    }
    let asked = json!({
        "Namespace": "stereospot", "MetricName": "StuckJobs", "Dimensions": [{ "Name": "Deployment", "Value": "p" }],
        "StartTime": began.as_secs(), "EndTime": now.as_secs(), "Period": 300, "Statistics": ["Maximum"],
    });
    let found = cloudwatch(&emulator, "GetMetricStatistics", asked).await;
    let points: Vec<(Timestamp, f64, &str)> = found["Datapoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| {
            let at = Timestamp::from_secs(point["Timestamp"].as_f64().unwrap() as i64);
            (at, point["Maximum"].as_f64().unwrap(), point["Unit"].as_str().unwrap())
        })
        .collect();
    let at = |number: u64| Timestamp::from_secs(began.as_secs()).plus(Duration::from_secs(300 * number));
    let expected = [0.0, 3.0, 2.0, 1.0, 0.0].into_iter().zip(0..).map(|(value, number)| (at(number), value, "Count"));
    assert_eq!(points, expected.collect::<Vec<_>>());

    emulator.control("pass?ms=3600000").await;
    assert_eq!(state(&emulator).await, "INSUFFICIENT_DATA", "nobody tells any more");
}
