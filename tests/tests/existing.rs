//! Tests with an existing deployment of other services: our control plane watches it, and our workers replace its
//! workers.

#[cfg(test)]
#[path = "existing/lines.rs"]
mod lines;
#[cfg(test)]
#[path = "existing/mixed.rs"]
mod mixed;
#[cfg(test)]
#[path = "existing/stopping.rs"]
mod stopping;
#[cfg(test)]
#[path = "existing/watching.rs"]
mod watching;

use std::path::Path;

use anyhow::Result;
use stereospot_tests::output;
use stereospot_tests::stack::text;

/// Three seconds with sound and a keyframe each second, so that the source can be cut by copying.
fn source(path: &Path) -> Result<()> {
    let inputs =
        ["-f", "lavfi", "-i", "testsrc2=duration=3:size=160x90:rate=25", "-f", "lavfi", "-i", "sine=duration=3"];
    let encoding = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "0", "-c:a", "aac", "-shortest"];
    output("ffmpeg", &[&["-v", "error", "-y"], &inputs[..], &encoding, &[text(path)]].concat()).map(drop)
}
