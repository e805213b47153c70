"""The video-worker: converts segments (by copying them, like its stub backend) and, in topology B, handles new outputs."""

import re

import worker
from outputs import Outputs
from worker import keys

SEGMENT = re.compile(r"segments/([^/]+)/(\d{5})_(\d{5})_([a-z]+)\.mp4")

given = worker.parser(__doc__).parse_args()
deployment, jobs, log = worker.open_deployment(given, "video-worker")


def convert(body):
    for key in keys(body):
        found = SEGMENT.fullmatch(key)
        if not found:
            raise ValueError(f"not a segment: {key}")
        job_id, index, total = found[1], int(found[2]), int(found[3])
        log.info("video-worker: job_id=%s segment_index=%d/%d start", job_id, index, total)
        deployment.s3.copy_object(
            Bucket=deployment["OUTPUT_BUCKET_NAME"],
            Key=f"jobs/{job_id}/segments/{index}.mp4",
            CopySource={"Bucket": deployment["INPUT_BUCKET_NAME"], "Key": key},
        )
        log.info("video-worker: job_id=%s segment_index=%d/%d complete -> output bucket", job_id, index, total)


def free_slot(body):
    """In topology A a notification about an output only means that an invocation ended."""
    keys(body)


outputs = free_slot if deployment.is_topology_a else Outputs(deployment, jobs, log, "output-events").handle
worker.serve(deployment, log, {"VIDEO_WORKER_QUEUE_URL": convert, "OUTPUT_EVENTS_QUEUE_URL": outputs})
