//! Writes one frame of the demo's clip as a PPM file: `still FRAME [source|left|right|sbs|depth] > out.ppm`. `still 0
//! time` prints rendering speeds.

use std::io::{self, Write};

use stereospot_picture::Picture;
use stereospot_scene::{Scene, SceneSpec, Side};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let number: u32 = arguments.next().unwrap_or_else(|| "0".to_owned()).parse()?;
    let what = arguments.next().unwrap_or_else(|| "source".to_owned());
    if what == "time" {
        return time();
    }
    let scene = Scene::demo();
    let SceneSpec { width, height, .. } = *scene.spec();
    let (columns, rgb) = match what.as_str() {
        "left" => (width, rgb(&scene.eye(number, Side::Left).0)),
        "right" => (width, rgb(&scene.eye(number, Side::Right).0)),
        "sbs" => {
            let (left, right) = scene.eyes(number);
            let (left, right) = (rgb(&left), rgb(&right));
            let rows = left.chunks(width * 3).zip(right.chunks(width * 3));
            (2 * width, rows.flat_map(|(left, right)| [left, right].concat()).collect())
        }
        "depth" => (width, scene.frame(number).depth.iter().flat_map(|d| [(d * 255.0) as u8; 3]).collect()),
        "source" => (width, rgb(&scene.frame(number).picture)),
        other => return Err(format!("{other} is none of source, left, right, sbs, depth, time").into()),
    };
    let mut out = io::stdout().lock();
    write!(out, "P6\n{columns} {height}\n255\n")?;
    out.write_all(&rgb)?;
    Ok(())
}

/// Renders a second of each shot at 1280×720 and prints the frames per second.
fn time() -> Result<(), Box<dyn std::error::Error>> {
    let scene = Scene::new(SceneSpec { width: 1280, height: 720, ..SceneSpec::default() })?;
    for first in [0, 80, 160] {
        let start = std::time::Instant::now();
        for n in first..first + 25 {
            std::hint::black_box(scene.frame(n));
        }
        eprintln!("frames {first} to {}: {:.1} frames/s", first + 24, 25.0 / start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn rgb(picture: &Picture) -> Vec<u8> {
    let width = picture.width();
    let colour = |at: usize| {
        let chroma = at / width / 2 * (width / 2) + at % width / 2;
        let y = (f32::from(picture.y[at]) - 16.0) / 219.0;
        let u = (f32::from(picture.u[chroma]) - 128.0) / 224.0;
        let v = (f32::from(picture.v[chroma]) - 128.0) / 224.0;
        [y + 1.5748 * v, y - 0.1873 * u - 0.4681 * v, y + 1.8556 * u].map(|c| (c * 255.0).clamp(0.0, 255.0) as u8)
    };
    (0..picture.y.len()).flat_map(colour).collect()
}
