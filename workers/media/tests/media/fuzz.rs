//! Damaged copies of every fixture: whatever the damage, it is the video's fault or none, and no panic.
//!
//! `STEREOSPOT_FUZZ=100` tries that many copies of each fixture instead of one.

use std::path::{Path, PathBuf};

use stereospot_media::split::Split;
use stereospot_media::{Cancel, Error, SegmentDecoder};

use crate::judge::Bench;

/// A xorshift generator: the copies are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn damaged(content: &[u8], random: &mut Random) -> Vec<u8> {
    let mut content = content.to_vec();
    // Headers are at the ends; damage there does more than damage in pictures.
    let length = content.len();
    for _ in 0..=random.below(24) {
        let at = match random.below(3) {
            0 => random.below(length.min(4096)),
            1 => length - 1 - random.below(length.min(4096)),
            _ => random.below(length),
        };
        content[at] = random.below(256) as u8;
    }
    if random.below(4) == 0 {
        content.truncate(length / 8 + random.below(length));
    }
    content
}

fn convert(bench: &Bench, source: &Path) -> Result<(), Error> {
    let mut split = Split::plan(source, 0.5, Cancel::never())?;
    let mut paths: Vec<PathBuf> = Vec::new();
    let path_of = |i, _| bench.path(&format!("{i}.mp4"));
    split.write(path_of, |_, path| paths.push(path.to_owned()), Cancel::never())?;
    for (spec, path) in split.manifest().segments.iter().zip(&paths) {
        SegmentDecoder::open(path, split.manifest(), spec, 2)?.try_for_each(|frame| frame.map(drop))?;
    }
    Ok(())
}

#[test]
fn damage_of_any_kind_is_the_videos_fault() {
    let rounds = std::env::var("STEREOSPOT_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut fixtures: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("is there").map(|entry| entry.expect("reads").path()).collect();
    fixtures.sort();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds {
        for fixture in &fixtures {
            let bench = Bench::new();
            let source = bench.path("source.bin");
            let content = std::fs::read(fixture).expect("reads");
            std::fs::write(&source, damaged(&content, &mut random)).expect("writes");
            match convert(&bench, &source) {
                Ok(()) | Err(Error::SegmentDamaged { .. }) => {}
                Err(error) => {
                    assert!(error.is_bad_source(), "{} in round {round}: {error:?}", fixture.display());
                }
            }
        }
    }
}
