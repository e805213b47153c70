use serde_json::json;
use stereospot_domain::message;

use super::*;

#[derive(Debug)]
struct Known;

#[async_trait]
impl Results for Known {
    fn is_result(&self, key: &str) -> bool {
        key.starts_with("results/")
    }

    async fn take(&self, _: &Context, _: &About, _: &str) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn records_of_the_pipeline_and_results_may_stand_side_by_side() {
    let job = "7f3a2c1e-5b7d-4e0a-9c55-0a1b2c3d4e5f";
    let body = |keys: &[&str]| {
        let record = |key: &&str| json!({ "s3": { "bucket": { "name": "b" }, "object": { "key": key } } });
        json!({ "Records": keys.iter().map(record).collect::<Vec<_>>() }).to_string()
    };
    let (with, without) = (Outputs { results: Some(Arc::new(Known)) }, Outputs::default());
    let output = format!("jobs/{job}/segments/4.mp4");
    let (job_id, result) = (job.parse().unwrap(), Asked::Object("results/a b.out".into()));
    let segment = Asked::Known(Request::Output(OutputKey::Segment(job_id, 4)));
    let both = body(&["results%2Fa+b.out", &output]);
    assert_eq!(with.read(&both).unwrap(), [result.clone(), segment.clone()]);
    assert_eq!(with.read(&body(&["results/a+b.out"])).unwrap(), [result]);
    assert_eq!(without.read(&body(&[&output])).unwrap(), std::slice::from_ref(&segment));
    assert_eq!(with.read(r#"{"Event":"s3:TestEvent"}"#).unwrap(), [Asked::Known(Request::Test)]);
    // A record that this stage can't act on is named, and the other done.
    let foreign = Asked::Unread(message::Error::Key("results/a b.out".into()));
    assert_eq!(without.read(&both).unwrap(), [foreign, segment]);
    for (outputs, body) in [(&with, body(&["other/key"])), (&with, "no JSON".into()), (&with, body(&[]))] {
        let body = body.as_str();
        assert!(outputs.read(body).is_err(), "{body}");
    }
}
