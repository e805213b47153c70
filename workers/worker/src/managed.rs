//! Segments converted by a managed model: a SageMaker endpoint that answers later, or a server that answers at once.
//!
//! The model reads the segment from the input bucket and writes the output itself; no model is loaded here.

use stereospot_aws::sagemaker::Segment;
use stereospot_domain::keys::{self, SegmentKey};
use stereospot_domain::{Format, Job};
use stereospot_runtime::stage::{Context, Failure};

mod http;
mod in_flight;
mod sagemaker;

pub use http::HttpServer;
pub use in_flight::InFlight;
pub use sagemaker::{Endpoint, EndpointResults};

/// The request to the model. It knows the two modes of existing deployments and none of a job's options.
fn segment(context: &Context, job: &Job, key: SegmentKey) -> Result<Segment, Failure> {
    let format = job.options.format;
    if format.mode() == key.mode && format != Format::from(key.mode) {
        let why = format!(
            "the deployment's inference makes sbs and anaglyph, not {format}: submit the video as one of these"
        );
        return Err(Failure::Refused(why));
    }
    Ok(Segment {
        job_id: key.job_id,
        index: key.index,
        total: key.total,
        mode: key.mode,
        input_uri: context.backend.input.uri(&keys::segment(key)),
        output_uri: context.backend.output.uri(&keys::output_segment(key.job_id, key.index)),
    })
}
