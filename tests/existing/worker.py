"""Shared by the stand-ins: the loop over a queue, message bodies, log lines in CloudWatch, the job store."""

import argparse
import json
import logging
import os
import sys
import threading
import time
from urllib.parse import unquote_plus

sys.dont_write_bytecode = True

from deployment import Deployment


def parser(doc):
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--env-file", required=True)
    return parser


class Cloudwatch(logging.Handler):
    """Sends each line to the service's log group, like its container's log driver."""

    def __init__(self, deployment, service):
        super().__init__()
        self.client = deployment.logs
        self.into = {"logGroupName": f"/ecs/{deployment['NAME_PREFIX']}/{service}", "logStreamName": f"{service}/{os.getpid()}"}
        self.client.create_log_stream(**self.into)
        self.setFormatter(logging.Formatter("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))

    def emit(self, record):
        # Each line of a traceback becomes a separate event; only the first one names a job.
        events = [{"timestamp": int(record.created * 1000), "message": line} for line in self.format(record).splitlines()]
        self.client.put_log_events(**self.into, logEvents=events)


def logger(deployment, service):
    log = logging.getLogger(service.replace("-", "_"))
    log.setLevel(logging.INFO)
    log.addHandler(Cloudwatch(deployment, service))
    log.addHandler(logging.StreamHandler())
    return log


def keys(body):
    """The keys in a notification; none in the test notification that S3 sends when notifications are configured."""
    body = json.loads(body)
    if body.get("Event") == "s3:TestEvent":
        return []
    return [unquote_plus(record["s3"]["object"]["key"]) for record in body["Records"]]


def serve(deployment, log, handlers):
    """Processes each queue on its own thread. Deletes a message when its handler returns, keeps it when the handler raises."""

    def work(key, handle):
        url = deployment[key]
        while True:
            wait = int(deployment["SQS_LONG_POLL_WAIT_SECONDS"] or 20)
            received = deployment.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=wait)
            for message in received.get("Messages", []):
                try:
                    handle(message["Body"])
                except Later:
                    deployment.sqs.change_message_visibility(
                        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=1
                    )
                    continue
                except Exception:
                    log.exception("job_id=? message processing failed")
                    continue
                deployment.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def until_aws_is_gone(key, handle):
        try:
            work(key, handle)
        finally:
            os._exit(3)

    for key, handle in handlers.items():
        threading.Thread(target=until_aws_is_gone, args=(key, handle), daemon=True).start()
    log.info("ready")
    threading.Event().wait()


class Later(Exception):
    """The message can't be processed yet."""


class Jobs:
    """The tables of jobs and completions."""

    def __init__(self, deployment):
        self.dynamodb = deployment.dynamodb
        self.jobs = deployment["JOBS_TABLE_NAME"]
        self.completions = deployment["SEGMENT_COMPLETIONS_TABLE_NAME"]

    def get(self, job_id):
        found = self.dynamodb.get_item(TableName=self.jobs, Key={"job_id": {"S": job_id}}, ConsistentRead=True)
        return found.get("Item")

    def set_status(self, job_id, status, **numbers):
        numbers = {name: {"N": str(value)} for name, value in numbers.items()}
        sets = ["#s = :s"] + [f"{name} = :{name}" for name in numbers]
        self.dynamodb.update_item(
            TableName=self.jobs,
            Key={"job_id": {"S": job_id}},
            UpdateExpression="SET " + ", ".join(sets),
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":s": {"S": status}} | {f":{name}": value for name, value in numbers.items()},
        )

    def put_completion(self, job_id, index, uri):
        completion = {
            "job_id": {"S": job_id},
            "segment_index": {"N": str(index)},
            "output_s3_uri": {"S": uri},
            "completed_at": {"N": str(int(time.time()))},
        }
        self.dynamodb.put_item(TableName=self.completions, Item=completion)

    def count_completions(self, job_id):
        found = self.dynamodb.query(
            TableName=self.completions,
            KeyConditionExpression="job_id = :j",
            ExpressionAttributeValues={":j": {"S": job_id}},
            Select="COUNT",
        )
        return found["Count"]


def open_deployment(given, service):
    deployment = Deployment.read(given.env_file)
    return deployment, Jobs(deployment), logger(deployment, service)
