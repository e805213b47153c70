//! Stands in for the AWS commands in a build without the AWS backend.

use std::path::Path;

use anyhow::bail;
use stereospot_controlplane::Platform;

use super::args;

const NO_AWS: &str = "this build has no AWS backend: build it with `make build AWS=1`";

pub(super) async fn open(_: &Path, _: &Path) -> anyhow::Result<Platform> {
    bail!(NO_AWS)
}

pub(super) async fn doctor(_: &args::Doctor) -> anyhow::Result<bool> {
    bail!(NO_AWS)
}

pub(super) async fn provision(_: &args::Provision) -> anyhow::Result<bool> {
    bail!(NO_AWS)
}

pub(super) async fn endpoint(_: &args::Endpoint) -> anyhow::Result<bool> {
    bail!(NO_AWS)
}
