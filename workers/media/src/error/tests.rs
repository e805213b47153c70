use std::error::Error as _;

use super::*;

#[test]
fn an_error_crosses_a_process_border_whole() {
    let no_memory = ffmpeg_next::Error::Other { errno: ffmpeg_next::error::ENOMEM };
    let errors = [
        Error::Empty,
        Error::TooLarge { width: 9000, height: 16 },
        Error::SegmentMismatch { index: 3, why: "it is short".into() },
        Error::StreamRefused { warning: Warning::Deinterlaced },
        Error::Cancelled,
        Error::io("writing", Path::new("a.mp4"), io::Error::from_raw_os_error(28)),
        Error::io("reading", Path::new("a.mp4"), io::Error::from_raw_os_error(5)),
        Error::io("reading", Path::new("a.mp4"), io::Error::other("odd")),
        Error::file("reading", Path::new("/b/a.mp4"), ffmpeg_next::Error::InvalidData),
        Error::Libav { action: "decoding".into(), source: no_memory },
        Error::Encoder { codec: "libx264".into(), source: None },
        Error::Encoder { codec: "libx264".into(), source: Some(ffmpeg_next::Error::EncoderNotFound) },
    ];
    for error in errors {
        let text = serde_json::to_string(&error).unwrap();
        let read: Error = serde_json::from_str(&text).unwrap();
        assert_eq!(read.to_string(), error.to_string());
        assert_eq!(format!("{:?}", read.source()), format!("{:?}", error.source()), "{text}");
        assert_eq!(read.is_bad_source(), error.is_bad_source());
        assert_eq!(read.is_out_of_memory(), error.is_out_of_memory());
        assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&error));
    }
}
