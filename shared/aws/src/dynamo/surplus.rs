//! Finds completions that belong to no segment of their job. Another program may have written any number as their key.

use std::collections::HashSet;

use stereospot_domain::JobId;
use stereospot_ports::Result;

use super::DynamoJobs;
use super::removal::completion_keys;
use super::rows::{Item, segment_of};

/// The keys of a job's completions that are none of its `total` segments.
pub(super) async fn keys(store: &DynamoJobs, job_id: JobId, total: u32) -> Result<Vec<String>> {
    Ok(surplus(&completion_keys(store, job_id).await?, total))
}

fn surplus(rows: &[Item], total: u32) -> Vec<String> {
    let mut rows: Vec<(Option<u32>, &String)> =
        rows.iter().filter_map(|row| Some((segment_of(row), row.get("segment_index")?.as_n().ok()?))).collect();
    // Of two forms of one number, such as `1` and `1.0`, the plain one is the segment's.
    rows.sort_by_key(|(segment, key)| segment.is_none_or(|segment| segment.to_string() != **key));
    let mut segments = HashSet::new();
    let is_surplus = |(segment, _): &(Option<u32>, &String)| {
        segment.is_none_or(|segment| segment >= total || !segments.insert(segment))
    };
    let mut keys: Vec<String> = rows.into_iter().filter(is_surplus).map(|(_, key)| key.clone()).collect();
    keys.sort();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamo::rows::number;

    #[test]
    fn a_completion_is_surplus_unless_it_is_the_one_of_a_segment() {
        let check = |total: u32, keys: &[&str], expected: &[&str]| {
            let rows: Vec<Item> = keys.iter().map(|key| Item::from([("segment_index".into(), number(key))])).collect();
            assert_eq!(surplus(&rows, total), expected, "{keys:?}");
        };
        check(2, &["0", "1"], &[]);
        check(2, &["0", "1", "2"], &["2"]);
        check(2, &["0", "-1", "0.5", "1", "1e20"], &["-1", "0.5", "1e20"]);
        check(2, &["1.0", "0", "1"], &["1.0"]);
        check(2, &["0", "1.0"], &[]);
    }
}
