//! What can't work is said in one sentence that says what to do.

use std::path::Path;

use crate::emulator::{parts, program, run};

fn fails(args: &[&str], expected: &str) {
    let (_, said, code) = run(args);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(expected), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    // Not the program that `stereospot provision` becomes.
    assert_eq!(said.starts_with("stereospot: "), ["doctor", "provision"].contains(&args[0]), "{said}");
}

fn serve(env_file: &Path, data_dir: &Path) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    let args = ["--backend", "aws", "--listen", "127.0.0.1:0", "--env-file"];
    args.map(str::to_owned).into_iter().chain([text(env_file), "--data-dir".into(), text(data_dir)]).collect()
}

#[test]
fn an_environment_file_that_can_t_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    let args = serve(&file, dir.path());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    fails(&args, "can't read the environment file");
    std::fs::write(&file, "NAME_PREFIX=p\r\nJOBS_TABLE_NAME=\"null\"\r\n").unwrap();
    fails(&args, "REGION is missing in the environment file");
    let path = file.display().to_string();
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    fails(&["doctor", "--env-file", &path], "REGION is missing in the environment file");
    let (_, said, code) = run(&["--backend", "aws", "--data-dir", &path]);
    assert_eq!(code, 2);
    assert!(said.contains("--env-file"), "{said}");
}

#[test]
fn errors_without_a_server_or_without_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployment.env");
    // Port 9 on loopback: nothing listens there.
    let url = "http://127.0.0.1:9";
    let env = format!(
        "REGION=eu-central-1\nAWS_ENDPOINT_URL={url}\nINPUT_BUCKET_NAME=i\nOUTPUT_BUCKET_NAME=o\nJOBS_TABLE_NAME=j\n\
         SEGMENT_COMPLETIONS_TABLE_NAME=c\nREASSEMBLY_TRIGGERED_TABLE_NAME=r\nCHUNKING_QUEUE_URL={url}/1/p-chunking\n"
    );
    std::fs::write(&file, env).unwrap();
    let args = serve(&file, dir.path());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    fails(&args, "is the network up, and the endpoint right?");
    let mut command = program(&args);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let (_, said, code) = parts(command.output().unwrap());
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    assert!(said.contains("no AWS credentials were found: set AWS_PROFILE"), "{said}");
    assert!(
        said.trim_end().ends_with("(switched off by AWS_EC2_METADATA_DISABLED)"),
        "the SDK's own words say no more: {said}"
    );
}

#[test]
fn a_name_prefix_or_region_that_can_t_be() {
    fails(&["provision", "--name-prefix", "Not_A_Bucket", "--region", "us-east-1"], "can't be a name prefix");
    fails(&["provision", "--name-prefix", "p"], "no region is given");
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    std::fs::write(&config, "[profile of-tests]\nregion = nowhere-1\n").unwrap();
    let mut command = program(&["provision", "--name-prefix", "p", "--endpoint-url", "http://127.0.0.1:9"]);
    command.env("AWS_CONFIG_FILE", config).env("AWS_PROFILE", "of-tests");
    let (_, said, _) = parts(command.output().unwrap());
    assert!(said.contains("no connection for sts:GetCallerIdentity"), "{said}");
    let (_, said, code) = run(&["provision", "--name-prefix", "p", "--yes", "p"]);
    assert_eq!(code, 2);
    assert!(said.contains("--destroy"), "{said}");
}
