"""The media-worker: cuts sources by stream copy, without a manifest, and joins the converted segments."""

import glob
import json
import os
import subprocess
import tempfile
import time

import worker
from worker import keys

parser = worker.parser(__doc__)
parser.add_argument("--only", choices=["chunking", "reassembly"])
parser.add_argument("--dies-after-acquire", action="store_true", help="between taking the lock and joining")
given = parser.parse_args()
deployment, jobs, log = worker.open_deployment(given, "media-worker")
inputs, outputs = deployment["INPUT_BUCKET_NAME"], deployment["OUTPUT_BUCKET_NAME"]


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *args], check=True, stdin=subprocess.DEVNULL)


def chunk(body):
    for key in keys(body):
        job_id = key.split("/")[1]
        job = jobs.get(job_id)
        if job["status"]["S"] == "ingesting":
            # The message is dropped here, as the real service does.
            log.info("chunking: job_id=%s skip (status=ingesting)", job_id)
            continue
        log.info("chunking: job_id=%s start (key=%s)", job_id, key)
        jobs.set_status(job_id, "chunking_in_progress")
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "source.mp4")
            deployment.s3.download_file(inputs, key, source)
            pieces = ["-f", "segment", "-segment_time", deployment["CHUNK_SEGMENT_DURATION_SEC"] or "300"]
            ffmpeg("-i", source, "-map", "0", "-c", "copy", *pieces, "-reset_timestamps", "1", os.path.join(folder, "%05d.mp4"))
            files = sorted(glob.glob(os.path.join(folder, "[0-9]*.mp4")))
            for index, file in enumerate(files):
                name = f"{index:05}_{len(files):05}_{job['mode']['S']}.mp4"
                deployment.s3.upload_file(file, inputs, f"segments/{job_id}/{name}")
        jobs.set_status(job_id, "chunking_complete", total_segments=len(files))
        log.info("chunking: job_id=%s complete total_segments=%d", job_id, len(files))


def reassemble(body):
    job_id = json.loads(body)["job_id"]
    dynamodb = deployment.dynamodb
    try:
        dynamodb.update_item(
            TableName=deployment["REASSEMBLY_TRIGGERED_TABLE_NAME"],
            Key={"job_id": {"S": job_id}},
            UpdateExpression="SET reassembly_started_at = :n",
            ConditionExpression="attribute_exists(job_id) AND attribute_not_exists(reassembly_started_at)",
            ExpressionAttributeValues={":n": {"N": str(int(time.time()))}},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        log.info("reassembly: job_id=%s lock not acquired (another worker)", job_id)
        return
    log.info("reassembly: job_id=%s concat segments -> final.mp4", job_id)
    if given.dies_after_acquire:
        os._exit(1)
    with tempfile.TemporaryDirectory() as folder:
        total = int(jobs.get(job_id)["total_segments"]["N"])
        with open(os.path.join(folder, "list.txt"), "w") as names:
            for index in range(total):
                deployment.s3.download_file(outputs, f"jobs/{job_id}/segments/{index}.mp4", os.path.join(folder, f"{index}.mp4"))
                names.write(f"file '{index}.mp4'\n")
        result = os.path.join(folder, "final.mp4")
        ffmpeg("-f", "concat", "-safe", "0", "-i", names.name, "-map", "0", "-c", "copy", result)
        deployment.s3.upload_file(result, outputs, f"jobs/{job_id}/final.mp4")
    deployment.s3.put_object(Bucket=outputs, Key=f"jobs/{job_id}/.reassembly-done", Body=b"")
    log.info("reassembly: job_id=%s completed (video-worker sets status)", job_id)


handlers = {"CHUNKING_QUEUE_URL": chunk, "REASSEMBLY_QUEUE_URL": reassemble}
if given.only:
    handlers = {key: handle for key, handle in handlers.items() if key.startswith(given.only.upper())}
worker.serve(deployment, log, handlers)
