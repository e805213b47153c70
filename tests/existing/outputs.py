"""Handles notifications about new outputs: writes completions, triggers reassembly, sets `completed`. Run by the job-worker in
topology A, by the video-worker in B."""

import json
import re
import time

from worker import Later, keys

SEGMENT = re.compile(r"jobs/([^/]+)/segments/(\d+)\.mp4")
RESULT = re.compile(r"jobs/([^/]+)/(final\.mp4|\.reassembly-done)")


class Outputs:
    def __init__(self, deployment, jobs, log, part, drops=None):
        self.deployment, self.jobs, self.log, self.part, self.drops = deployment, jobs, log, part, drops

    def handle(self, body):
        for key in keys(body):
            if found := SEGMENT.fullmatch(key):
                self.complete(found[1], int(found[2]), key)
            elif found := RESULT.fullmatch(key):
                self.jobs.set_status(found[1], "completed", completed_at=int(time.time()))
                self.log.info("%s: job_id=%s reassembly complete -> completed", self.part, found[1])

    def complete(self, job_id, index, key):
        if index == self.drops:
            self.drops = None
            return
        self.jobs.put_completion(job_id, index, f"s3://{self.deployment['OUTPUT_BUCKET_NAME']}/{key}")
        job = self.jobs.get(job_id)
        total = int(job.get("total_segments", {"N": "0"})["N"])
        self.log.info("%s: job_id=%s segment_index=%d/%d segment file -> completion", self.part, job_id, index, total)
        if job["status"]["S"] == "chunking_in_progress":
            # The real service drops the message here and may lose the job. This one must not lose jobs by accident.
            raise Later
        if job["status"]["S"] == "chunking_complete" and self.jobs.count_completions(job_id) == total:
            self.trigger(job_id)

    def trigger(self, job_id):
        now = int(time.time())
        dynamodb = self.deployment.dynamodb
        try:
            dynamodb.put_item(
                TableName=self.deployment["REASSEMBLY_TRIGGERED_TABLE_NAME"],
                Item={"job_id": {"S": job_id}, "triggered_at": {"N": str(now)}, "ttl": {"N": str(now + 7_776_000)}},
                ConditionExpression="attribute_not_exists(job_id)",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return
        self.deployment.sqs.send_message(
            QueueUrl=self.deployment["REASSEMBLY_QUEUE_URL"], MessageBody=json.dumps({"job_id": job_id})
        )
        self.jobs.set_status(job_id, "reassembling")
        self.log.info("reassembly-trigger: job_id=%s sending to reassembly queue", job_id)
