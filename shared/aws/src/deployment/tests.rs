use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Deployment, Error> {
    Deployment::parse(text, &|_| None)
}

const FULL: &str = "REGION=\"eu-west-1\"\r\nname_prefix = spot\r\ninput_bucket_name=\"in\"\r\nOUTPUT_BUCKET_NAME=out\r\n\
CHUNKING_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/1/spot-chunking\r\nINGEST_QUEUE_URL=null\r\n\
JOB_STATUS_EVENTS_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/1/spot-job-status-events\r\nJOBS_TABLE_NAME=spot-jobs\r\n\
SQS_LONG_POLL_WAIT_SECONDS=99\r\nINFERENCE_MAX_IN_FLIGHT=0\r\nSAGEMAKER_INVOKE_TIMEOUT_SECONDS=7200\r\nUNKNOWN=1\r\n";

#[test]
fn a_whole_file_is_read() {
    let deployment = parse(FULL).unwrap();
    assert_eq!(deployment.region, "eu-west-1");
    assert_eq!(deployment.logs_region, "eu-west-1");
    assert_eq!(deployment.name_prefix, "spot");
    assert_eq!(deployment.input_bucket.as_deref(), Some("in"));
    assert_eq!(deployment.queues.len(), 2);
    assert_eq!(deployment.queue_name(QueueRole::Chunking), Some("spot-chunking"));
    assert_eq!(deployment.topology(), Topology::JobWorker);
    assert_eq!(deployment.tables.jobs.as_deref(), Some("spot-jobs"));
    assert_eq!(deployment.tables.locks, None);
    assert_eq!(deployment.long_poll, Duration::from_secs(20));
    assert_eq!(deployment.max_in_flight, 1);
    assert_eq!(deployment.invoke_timeout, Duration::from_secs(3600));
    assert_eq!(deployment.segment_length, Duration::from_secs(300));
    assert_eq!(deployment.notes, Vec::<String>::new());
}

#[test]
fn a_null_status_queue_means_topology_b() {
    for line in
        ["", "JOB_STATUS_EVENTS_QUEUE_URL=null", "JOB_STATUS_EVENTS_QUEUE_URL=\"\"", "job_status_events_queue_url="]
    {
        assert_eq!(parse(&format!("REGION=a\n{line}")).unwrap().topology(), Topology::VideoWorker, "{line}");
    }
}

#[test]
fn the_region_has_three_names_in_order() {
    assert_eq!(parse("REGION=a\nAWS_REGION=b\nAWS_DEFAULT_REGION=c").unwrap().region, "b");
    assert_eq!(parse("REGION=a\nAWS_REGION=null").unwrap().region, "a");
    assert_eq!(parse("AWS_DEFAULT_REGION=c").unwrap().region, "c");
    let error = parse("# a\nREGION: b").unwrap_err().to_string();
    assert!(error.ends_with("such as us-east-1 (line 2 was left out: it has no `=`)"), "{error}");
    let error = parse("NAME_PREFIX=a").unwrap_err().to_string();
    assert_eq!(error, "REGION is missing in the environment file: it says which AWS region to ask, such as us-east-1");
}

#[test]
fn the_file_s_region_wins_over_the_shell_s_and_the_difference_is_said_first() {
    let shell = |key: &str| (key == "AWS_REGION").then(|| "eu-west-1".to_owned());
    let deployment = Deployment::parse("strange\nREGION=us-east-1", &shell).unwrap();
    assert_eq!((deployment.region.as_str(), deployment.logs_region.as_str()), ("us-east-1", "us-east-1"));
    let note = "us-east-1 is used, as the environment file says; AWS_REGION=eu-west-1 of this shell is ignored";
    assert_eq!((deployment.notes[0].as_str(), deployment.notes.len()), (note, 2));
    assert_eq!(Deployment::parse("REGION=eu-west-1", &shell).unwrap().notes, Vec::<String>::new());
    let without = Deployment::parse("NAME_PREFIX=p", &shell).unwrap();
    assert_eq!((without.region.as_str(), without.notes.len()), ("eu-west-1", 0));
}

#[test]
fn queues_of_another_region_contradict_it() {
    fn check(url: &str, region: Option<&str>) {
        assert_eq!(region_in(url), region, "{url}");
    }
    check("https://sqs.eu-west-1.amazonaws.com/1/q", Some("eu-west-1"));
    check("https://us-gov-west-1.queue.amazonaws.com/1/q", Some("us-gov-west-1"));
    check("https://queue.amazonaws.com/1/q", Some("us-east-1"));
    check("https://sqs.cn-north-1.amazonaws.com.cn/1/q", Some("cn-north-1"));
    check("https://sqs.ap-southeast-2.api.aws/1/q", Some("ap-southeast-2"));
    check("https://vpce-0a1-2b.sqs.eu-west-1.vpce.amazonaws.com/1/q", Some("eu-west-1"));
    check("arn:aws:ecs:eu-central-1:1:cluster/p", Some("eu-central-1"));
    check("p", None);
    check("http://127.0.0.1:4566/1/eu-west-1", None);
    check("http://sqs.us-east-1.localhost.localstack.cloud:4566/1/q", None);
    let file = "REGION=us-east-1\nCHUNKING_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/1/a\n\
                REASSEMBLY_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/1/b\nDELETION_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/1/c";
    let says = "REGION is us-east-1, but CHUNKING_QUEUE_URL, REASSEMBLY_QUEUE_URL lies in eu-west-1: correct the one or the other";
    assert_eq!(parse(file).unwrap().elsewhere(), [says]);
}

#[test]
fn a_value_that_does_not_fit_is_named() {
    let error = parse("REGION=a\nSQS_LONG_POLL_WAIT_SECONDS=long").unwrap_err().to_string();
    assert_eq!(error, "SQS_LONG_POLL_WAIT_SECONDS is `long` in the environment file, but must be a number");
    let error = parse("REGION=a\nINFERENCE_BACKEND=gpu").unwrap_err().to_string();
    assert!(error.contains("stub, sagemaker, http or onnx"), "{error}");
    assert_eq!(parse("REGION=a\nSQS_LONG_POLL_WAIT_SECONDS=-3").unwrap().long_poll, Duration::ZERO);
}

#[test]
fn the_process_fills_what_has_no_line() {
    let otherwise = |key: &str| match key {
        "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:5000".to_owned()),
        "NAME_PREFIX" | "INGEST_QUEUE_URL" => Some("from-the-process".to_owned()),
        "WEB_UI_URL" => Some(String::new()),
        _ => None,
    };
    let deployment = Deployment::parse("REGION=a\nNAME_PREFIX=file\nINGEST_QUEUE_URL=null", &otherwise).unwrap();
    assert_eq!(deployment.endpoint_url.as_deref(), Some("http://127.0.0.1:5000"));
    assert_eq!(deployment.name_prefix, "file");
    assert_eq!(deployment.queues.get(&QueueRole::Ingest), None, "what the file says is null stays so");
    assert_eq!(deployment.web_ui_url, None);
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in any::<String>()) {
        drop(parse(&text));
        let deployment = parse(&format!("REGION=a\n{}", text.replace("REGION", "")));
        if let Ok(deployment) = deployment {
            prop_assert!(deployment.long_poll <= Duration::from_secs(20));
            prop_assert!((1..=20).contains(&deployment.max_in_flight));
        }
    }
}
