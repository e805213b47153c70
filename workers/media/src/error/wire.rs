//! How the causes of an error are serialised: as the system's and FFmpeg's numbers, which give the same texts when read.

/// An [`std::io::Error`].
pub(super) mod io {
    use std::io::Error;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Wire {
        Os(i32),
        Other(String),
    }

    pub(crate) fn serialize<S: Serializer>(error: &Error, to: S) -> Result<S::Ok, S::Error> {
        error.raw_os_error().map_or_else(|| Wire::Other(error.to_string()), Wire::Os).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Error, D::Error> {
        Ok(match Wire::deserialize(from)? {
            Wire::Os(code) => Error::from_raw_os_error(code),
            Wire::Other(text) => Error::other(text),
        })
    }
}

/// An [`ffmpeg_next::Error`].
pub(super) mod libav {
    use ffmpeg_next::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(error: &Error, to: S) -> Result<S::Ok, S::Error> {
        i32::from(*error).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Error, D::Error> {
        // Texts of errors are registered by the first entry into this crate.
        crate::init();
        i32::deserialize(from).map(Error::from)
    }
}

/// An [`ffmpeg_next::Error`] that may be missing.
pub(super) mod maybe_libav {
    use ffmpeg_next::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(error: &Option<Error>, to: S) -> Result<S::Ok, S::Error> {
        error.map(i32::from).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Error>, D::Error> {
        crate::init();
        Ok(Option::<i32>::deserialize(from)?.map(Error::from))
    }
}
