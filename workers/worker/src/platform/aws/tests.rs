use clap::Parser as _;

use super::*;
use crate::{Cli, Command};

fn options(arguments: &[&str]) -> Options {
    let given = ["stereospot-worker", "inference", "--backend", "aws", "--env-file", "x"];
    match Cli::parse_from(given.iter().chain(arguments)).command {
        Command::Inference(options) => options,
        command => panic!("{command:?}"),
    }
}

fn deployment(more: &str) -> Deployment {
    Deployment::parse(&format!("REGION=us-east-1\n{more}"), &|_| None).unwrap()
}

#[test]
fn what_converts_is_what_the_operator_says_or_else_the_deployment() {
    let check = |arguments: &[&str], file: &str, expected| {
        assert_eq!(inference(&options(arguments), &deployment(file)).unwrap(), expected, "{arguments:?} {file}");
    };
    check(&[], "", InferenceKind::Onnx);
    check(&[], "INFERENCE_BACKEND=sagemaker", InferenceKind::Sagemaker);
    check(&[], "INFERENCE_BACKEND=http", InferenceKind::Http);
    check(&["--inference", "onnx"], "INFERENCE_BACKEND=sagemaker", InferenceKind::Onnx);
    check(&["--inference", "stub"], "INFERENCE_BACKEND=http", InferenceKind::Stub);
    let error = inference(&options(&[]), &deployment("INFERENCE_BACKEND=stub")).unwrap_err();
    assert!(error.to_string().contains("--inference stub"), "{error}");
}

#[test]
fn all_that_a_stage_needs_and_is_not_deployed_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.env");
    let text = "REGION=us-east-1\r\nCHUNKING_QUEUE_URL=\"https://q/chunking\"\r\nREASSEMBLY_QUEUE_URL=null\r\n\
                INPUT_BUCKET_NAME=i\r\nOUTPUT_BUCKET_NAME=o\r\nJOBS_TABLE_NAME=j\r\n";
    let tables = "SEGMENT_COMPLETIONS_TABLE_NAME=c\r\nREASSEMBLY_TRIGGERED_TABLE_NAME=r\r\n";
    std::fs::write(&file, format!("{text}{tables}")).unwrap();
    read(&file, &[Stage::Chunking]).unwrap();
    for (more, stages, says) in [
        (tables, &[Stage::Reassembly][..], "REASSEMBLY_QUEUE_URL is missing"),
        (tables, Stage::ALL, "VIDEO_WORKER_QUEUE_URL, REASSEMBLY_QUEUE_URL are missing"),
        (
            "",
            &[Stage::Inference],
            "SEGMENT_COMPLETIONS_TABLE_NAME, REASSEMBLY_TRIGGERED_TABLE_NAME, VIDEO_WORKER_QUEUE_URL are missing",
        ),
    ] {
        std::fs::write(&file, format!("{text}{more}")).unwrap();
        let error = read(&file, stages).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn an_environment_file_is_asked_for() {
    let given = ["stereospot-worker", "chunking", "--backend", "aws"];
    let error = Cli::try_parse_from(given).unwrap_err().to_string();
    assert!(error.contains("--env-file"), "{error}");
}
