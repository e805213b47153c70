//! Converts a YUV4MPEG2 stream (4:2:0, 8 bits) from standard input to standard output, to try the crate:
//!
//! ```text
//! ffmpeg -i in.mp4 -pix_fmt yuv420p -f yuv4mpegpipe - | cargo run --example convert -- sbs | ffmpeg -f yuv4mpegpipe -i - out.mp4
//! ```
//!
//! The first argument is a layout, or `depth` to show the normalised depth as a grey picture. The second one is the
//! options as JSON.

use std::io::{BufRead, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use stereospot_picture::{Colour, Picture};
use stereospot_stereo::{
    Converter, DepthModel, Layout, ModelSpec, NormalisedDepth, Options, Provider, find_runtime_library,
};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let view = arguments.next().unwrap_or_else(|| "sbs".to_owned());
    let options: Options = serde_json::from_str(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;
    options.check()?;
    let layout = if view == "depth" { None } else { Some(view.parse::<Layout>()?) };
    let model = DepthModel::open(&ModelSpec {
        path: Path::new(env!("CARGO_MANIFEST_DIR")).join("models/cues.onnx"),
        runtime_library: find_runtime_library()?,
        provider: Provider::Cpu,
        threads: 2,
        resolution: options.resolution,
    })?;
    let mut converter = Converter::new(model, &options, layout.unwrap_or(Layout::Sbs), 0);

    let mut input = std::io::stdin().lock();
    let mut header = String::new();
    input.read_line(&mut header)?;
    let side = |letter: char| {
        let field = header.split_whitespace().find_map(|f| f.strip_prefix(letter)).context("no YUV4MPEG2 stream")?;
        anyhow::Ok(field.parse::<usize>()?)
    };
    let (width, height) = (side('W')?, side('H')?);
    let (out_width, out_height) = layout.map_or((width, height), |l| l.output_size(width, height));
    let header = header.replace(&format!("W{width} H{height}"), &format!("W{out_width} H{out_height}"));
    let mut output = std::io::stdout().lock();
    output.write_all(header.as_bytes())?;

    let mut picture = Picture::new(width, height, Colour::default());
    let mut frame = String::new();
    while input.read_line(&mut frame)? > 0 {
        if !frame.starts_with("FRAME") {
            bail!("expected FRAME, got {frame:?}");
        }
        frame.clear();
        for (samples, _, _) in picture.planes_mut() {
            input.read_exact(samples)?;
        }
        let depth = converter.depth(&picture)?;
        let out = if layout.is_some() { converter.render(&picture, &depth) } else { grey(&picture, &depth) };
        output.write_all(b"FRAME\n")?;
        for (samples, _, _) in out.planes() {
            output.write_all(samples)?;
        }
    }
    Ok(())
}

/// Shows depth as luma; near is white.
fn grey(picture: &Picture, depth: &NormalisedDepth) -> Picture {
    let mut out = Picture::new(picture.width(), picture.height(), picture.colour);
    for (y, row) in out.y.chunks_exact_mut(picture.width()).enumerate() {
        let cells = &depth.values()[y * depth.height() / picture.height() * depth.width()..][..depth.width()];
        for (x, sample) in row.iter_mut().enumerate() {
            *sample = 16 + (cells[x * depth.width() / picture.width()] * 219.0) as u8;
        }
    }
    out
}
