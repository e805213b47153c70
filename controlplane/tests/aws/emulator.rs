//! Starts the emulator, asks it directly, and runs the program against it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use stereospot_api::Client;

/// A running emulator; it ends with this value.
pub(crate) struct Emulator {
    child: Child,
    pub(crate) url: String,
    http: reqwest::Client,
}

impl Emulator {
    pub(crate) fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let python = root.join(".tools/venv/bin/python");
        let mut child = Command::new(&python)
            .arg(root.join("shared/aws/tests/it/emulator.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: run `scripts/setup test` first", python.display()));
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "the emulator did not start: run `scripts/setup test` first");
        Self { child, url, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// One call as AWS's own tools make it; the emulator looks at no signature.
    pub(crate) async fn call(&self, service: &str, target: &str, input: Value) -> Value {
        let scope = format!("Credential=test/20261121/us-east-1/{service}/aws4_request");
        let request = self
            .http
            .post(&self.url)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"))
            .body(input.to_string());
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{target}: {text}");
        serde_json::from_str(&text).unwrap_or(json!({}))
    }

    pub(crate) async fn put_object(&self, bucket: &str, key: &str) {
        let answer = self.http.put(format!("{}/{bucket}/{key}", self.url)).body("data").send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Asks the emulator itself.
    pub(crate) async fn control(&self, what: &str) -> Value {
        let answer = self.http.get(format!("{}/-/{what}", self.url)).send().await.unwrap();
        assert!(answer.status().is_success(), "{what}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// Bodies that lie on a queue.
    pub(crate) async fn bodies(&self, queue: &str) -> Vec<String> {
        let messages = self.control(&format!("messages?queue={queue}")).await;
        messages.as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect()
    }
}

/// A fresh deployment that the program provisioned on an emulator of its own.
pub(crate) struct Deployed {
    pub(crate) emulator: Emulator,
    pub(crate) dir: tempfile::TempDir,
    /// Its environment file.
    pub(crate) file: PathBuf,
}

impl Deployed {
    pub(crate) fn provision(prefix: &str) -> Self {
        let emulator = Emulator::start();
        let args = ["provision", "--name-prefix", prefix, "--region", "us-east-1", "--endpoint-url", &emulator.url];
        let (env, said, code) = run(&args);
        assert_eq!(code, 0, "{said}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deployment.env");
        std::fs::write(&file, &env).unwrap();
        Self { emulator, dir, file }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program with made-up credentials and nothing else of this machine's AWS settings.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stereospot-controlplane"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.starts_with("STEREOSPOT_")) {
        command.env_remove(name);
    }
    command.envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]);
    command.args(args).stdin(Stdio::null());
    command
}

/// What it printed, said, and its exit code.
pub(crate) fn run(args: &[&str]) -> (String, String, i32) {
    parts(program(args).output().unwrap())
}

pub(crate) fn parts(out: Output) -> (String, String, i32) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(out.stdout), text(out.stderr), out.status.code().unwrap())
}

/// A program that serves; it ends with this value.
pub(crate) struct Serving {
    child: Child,
    pub(crate) client: Client,
    /// Where it listens.
    pub(crate) url: String,
    /// What it said before it listened.
    pub(crate) said: Vec<String>,
}

impl Serving {
    pub(crate) fn start(env_file: &Path, data_dir: &Path) -> Self {
        Self::with(env_file, data_dir, &[])
    }

    /// One with further arguments.
    pub(crate) fn with(env_file: &Path, data_dir: &Path, more: &[&str]) -> Self {
        let mut command = Self::command(env_file, data_dir);
        command.args(more);
        Self::spawn(command)
    }

    /// The command that serves this deployment.
    pub(crate) fn command(env_file: &Path, data_dir: &Path) -> Command {
        let mut command =
            program(&["--backend", "aws", "--listen", "127.0.0.1:0", "--stop-on-stdin-eof", "--env-file"]);
        command.arg(env_file).arg("--data-dir").arg(data_dir);
        command
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let server = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it did not start: {said:#?}"));
            if line.contains("listens on") {
                break line.rsplit(' ').next().unwrap().to_owned();
            }
            said.push(line);
        };
        // Somebody must read on, or it stands still when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, client: Client::new(&server).unwrap(), url: server, said }
    }

    /// Waits until `look` finds something.
    pub(crate) async fn eventually<T>(&self, what: &str, look: impl AsyncFn(&Client) -> Option<T>) -> T {
        let wait = async {
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            loop {
                tick.tick().await;
                if let Some(found) = look(&self.client).await {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("never came: {what}"))
    }
}

impl Serving {
    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
