//! `backup` and `restore`.

use std::time::Instant;

use stereospot_domain::text::{duration, plural, size};
use stereospot_local::backup::{self, Manifest};

use super::args::Safekeeping;

pub(super) async fn back_up(args: &Safekeeping) -> anyhow::Result<bool> {
    stereospot_local::keep_private(&args.dir);
    let began = Instant::now();
    let made = backup::backup(&args.data_dir, &args.dir).await?;
    print(args, &made, "backed up", &format!("into {}", args.dir.display()), began)
}

pub(super) fn restore(args: &Safekeeping) -> anyhow::Result<bool> {
    stereospot_local::keep_private(&args.data_dir);
    let began = Instant::now();
    let restored = backup::restore(&args.dir, &args.data_dir)?;
    let dir = args.data_dir.display();
    print(args, &restored, "restored", &format!("into {dir}: `stereospot up --data-dir {dir}` goes on"), began)
}

fn print(args: &Safekeeping, about: &Manifest, done: &str, place: &str, began: Instant) -> anyhow::Result<bool> {
    if args.json {
        println!("{}", serde_json::to_string(about)?);
    } else {
        println!(
            "{done} {} ({} under way), {}, {}, in {} {place}",
            plural(usize::try_from(about.jobs)?, "job"),
            about.unfinished_jobs,
            plural(usize::try_from(about.files)?, "file"),
            size(about.bytes),
            duration(began.elapsed()),
        );
    }
    Ok(true)
}
