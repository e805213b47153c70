//! A line of the spool: an event as JSON, a tab, and the checksum of the JSON in hexadecimal.

use std::io;

use stereospot_domain::Event;

pub(super) fn of(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    let sum = crc32(&line);
    line.extend(format!("\t{sum:08x}\n").as_bytes());
    Ok(line)
}

/// Reads a line without its end. Lines of earlier versions have no checksum.
///
/// # Errors
/// How many events are lost: more than one where the end of a line was damaged.
pub(super) fn read(line: &[u8]) -> Result<Event, u64> {
    // JSON has no raw tab.
    let tabs = line.iter().filter(|byte| **byte == b'\t').count() as u64;
    let json = match line.len().checked_sub(9) {
        Some(at) if line[at] == b'\t' => {
            let json = &line[..at];
            if line[at + 1..] != *format!("{:08x}", crc32(json)).as_bytes() {
                return Err(tabs);
            }
            json
        }
        _ => line,
    };
    serde_json::from_slice(json).map_err(|_| tabs.max(1))
}

/// CRC-32 as in zlib and PNG.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
