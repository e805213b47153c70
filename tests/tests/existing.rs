//! A deployment that already runs, with services of its own: watched by our control plane, and with ours in their places.

#[cfg(test)]
#[path = "existing/mixed.rs"]
mod mixed;
#[cfg(test)]
#[path = "existing/watching.rs"]
mod watching;

use std::path::Path;

use anyhow::Result;
use stereospot_tests::output;
use stereospot_tests::stack::text;

/// Three seconds with sound and a keyframe each second, which is what cutting by copying needs.
fn source(path: &Path) -> Result<()> {
    let inputs =
        ["-f", "lavfi", "-i", "testsrc2=duration=3:size=160x90:rate=25", "-f", "lavfi", "-i", "sine=duration=3"];
    let encoding = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "0", "-c:a", "aac", "-shortest"];
    output("ffmpeg", &[&["-v", "error", "-y"], &inputs[..], &encoding, &[text(path)]].concat()).map(drop)
}
