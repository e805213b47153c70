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
fn a_stage_whose_queue_is_not_deployed_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deployment.env");
    std::fs::write(
        &file,
        "REGION=us-east-1\r\nCHUNKING_QUEUE_URL=\"https://q/chunking\"\r\nREASSEMBLY_QUEUE_URL=null\r\n",
    )
    .unwrap();
    read(&file, &[Stage::Chunking]).unwrap();
    for (stages, says) in [
        (&[Stage::Reassembly][..], "the queue of the reassembly stage is not deployed: REASSEMBLY_QUEUE_URL"),
        (Stage::ALL, "the queue of the inference stage is not deployed: VIDEO_WORKER_QUEUE_URL"),
    ] {
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
