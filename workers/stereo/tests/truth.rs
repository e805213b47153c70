//! Compares the warp with what real left and right cameras would see, on ray-cast frames with exact depth.

use stereospot_picture::Picture;
use stereospot_scene::{Region, Scene, SceneSpec, Side};
use stereospot_stereo::{Layout, NormalisedDepth, Options, Warper};

const WIDTH: usize = 480;
const HEIGHT: usize = 270;

fn scene() -> Scene {
    let spec = SceneSpec {
        width: WIDTH,
        height: HEIGHT,
        frames: 60,
        cuts: vec![20, 40],
        divergence: 4.0,
        ..SceneSpec::default()
    };
    Scene::new(spec).expect("a valid specification")
}

/// Both eyes of a frame, side by side.
fn warped(picture: &Picture, depth: Vec<f32>, divergence: f32) -> Picture {
    let options = Options { divergence, ..Options::default() };
    let mut out = Picture::new(2 * WIDTH, HEIGHT, picture.colour);
    Warper::new(&options).render(picture, &NormalisedDepth::new(WIDTH, HEIGHT, depth), Layout::Sbs, &mut out);
    out
}

/// Luma of one eye of a side-by-side picture.
fn eye(packed: &Picture, side: Side) -> Vec<u8> {
    let start = if side == Side::Left { 0 } else { WIDTH };
    packed.y.chunks(2 * WIDTH).flat_map(|row| row[start..start + WIDTH].to_vec()).collect()
}

/// PSNR of luma in dB, over the pixels of one kind of region.
fn psnr(got: &[u8], truth: &[u8], regions: &[Region], kind: Region) -> f64 {
    let errors = got.iter().zip(truth).zip(regions).filter(|(_, region)| **region == kind);
    let squares: Vec<f64> = errors.map(|((g, t), _)| (f64::from(*g) - f64::from(*t)).powi(2)).collect();
    assert!(squares.len() > 100, "{} pixels are {kind:?}", squares.len());
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

#[test]
fn true_depth_comes_near_the_true_eyes_and_identity_loses() {
    let scene = scene();
    for n in [3, 25, 50] {
        let frame = scene.frame(n);
        let (left, right) = scene.eyes(n);
        let packed = warped(&frame.picture, frame.depth.clone(), 4.0);
        let turned = warped(&frame.picture, frame.depth.iter().map(|d| 1.0 - d).collect(), 4.0);
        for (side, truth) in [(Side::Left, left), (Side::Right, right)] {
            let regions = scene.regions(n, side);
            let in_region = |luma: &[u8], kind| psnr(luma, &truth.y, &regions, kind);
            let got = eye(&packed, side);
            let visible = in_region(&got, Region::Visible);
            let identity = in_region(&frame.picture.y, Region::Visible);
            let wrong_sign = in_region(&eye(&turned, side), Region::Visible);
            let edge = (in_region(&got, Region::NearEdge), in_region(&frame.picture.y, Region::NearEdge));
            println!(
                "frame {n} {side:?}: visible {visible:.1} dB, identity {identity:.1}, wrong sign {wrong_sign:.1}; near edges {:.1}, identity {:.1}",
                edge.0, edge.1
            );
            assert!(visible > identity + 5.0, "frame {n} {side:?}: {visible:.1} dB, identity {identity:.1} dB");
            assert!(
                identity > wrong_sign,
                "frame {n} {side:?}: identity {identity:.1} dB, wrong sign {wrong_sign:.1} dB"
            );
            assert!(edge.0 > edge.1, "frame {n} {side:?} near edges: {:.1} dB, identity {:.1} dB", edge.0, edge.1);
        }
    }
}
