"""Creates an existing deployment on the emulator, as Terraform would from the documented contracts.

Prints its `.env` the way such files look in practice: CRLF, some keys in lower case, some values in quotes, `null` for what is
not deployed. In topology A a job-worker with its own queue writes completions; in B the video-worker does.

    deployment.py --endpoint URL --prefix P --topology A|B
"""

import argparse
import json
import os

import boto3
from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "123456789012"
# Visibility timeout of each main queue in seconds, as in older deployments.
QUEUES = {
    "chunking": 900,
    "video-worker": 1800,
    "reassembly": 600,
    "output-events": 120,
    "job-status-events": 120,
    "deletion": 600,
    "job-events": 60,
}
FOURTEEN_DAYS = str(14 * 24 * 3600)


class Deployment:
    """AWS clients, and the values of the deployment's environment file."""

    def __init__(self, endpoint, env):
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "existing")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "existing")
        self.env = env
        # After about ten seconds without AWS a worker ends, so that it does not outlive its test.
        config = Config(region_name=REGION, retries={"max_attempts": 5, "mode": "standard"})
        self.client = lambda service: boto3.client(service, endpoint_url=endpoint, config=config)
        self.sqs, self.s3, self.dynamodb, self.logs = map(self.client, ["sqs", "s3", "dynamodb", "logs"])

    @classmethod
    def read(cls, path):
        env = {}
        with open(path) as lines:
            for line in lines:
                key, _, value = line.strip().partition("=")
                value = value.strip("\"'")
                env[key.upper()] = None if value in ("", "null") else value
        return cls(env["AWS_ENDPOINT_URL"], env)

    def __getitem__(self, key):
        return self.env.get(key)

    @property
    def is_topology_a(self):
        return self["JOB_STATUS_EVENTS_QUEUE_URL"] is not None


def make(endpoint, prefix, is_topology_a):
    deployment = Deployment(endpoint, {})
    names = [name for name in QUEUES if is_topology_a or name != "job-status-events"]
    urls = {name: make_queue(deployment.sqs, f"{prefix}-{name}", QUEUES[name]) for name in names}
    make_tables(deployment.dynamodb, prefix)
    make_bucket(deployment.s3, f"{prefix}-input", prefix, [("chunking", "input/", ".mp4"), ("video-worker", "segments/", ".mp4")])
    # Real S3 rejects two rules for the same keys, so deployments of topology A fan out in between. The emulator accepts
    # them.
    outputs = ["output-events"] + (["job-status-events"] if is_topology_a else [])
    made = [("jobs/", ".mp4"), ("jobs/", ".reassembly-done"), ("sagemaker-async-responses/", ""), ("sagemaker-async-failures/", "")]
    make_bucket(deployment.s3, f"{prefix}-output", prefix, [(queue, *rule) for queue in outputs for rule in made])
    services = ["web-ui", "media-worker", "video-worker"] + (["job-worker"] if is_topology_a else [])
    make_services(deployment.client("ecs"), prefix, services)
    for service in services:
        deployment.logs.create_log_group(logGroupName=f"/ecs/{prefix}/{service}")
    return env(endpoint, prefix, urls)


def make_queue(sqs, name, visibility):
    dead = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    attributes = {
        "VisibilityTimeout": str(visibility),
        "MessageRetentionPeriod": FOURTEEN_DAYS,
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5}),
    }
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def make_bucket(s3, bucket, prefix, rules):
    s3.create_bucket(Bucket=bucket)
    configurations = []
    for queue, starts, ends in rules:
        filters = [{"Name": "prefix", "Value": starts}] + ([{"Name": "suffix", "Value": ends}] if ends else [])
        configurations.append(
            {
                "QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{prefix}-{queue}",
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": filters}},
            }
        )
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": configurations})


def make_tables(dynamodb, prefix):
    def make_table(name, keys, indexes=(), ttl=None):
        kinds = {key: "N" if key in ("segment_index", "created_at", "completed_at") else "S" for key in (*keys, *sum(indexes, ()))}
        table = {
            "TableName": f"{prefix}-{name}",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind} for key, kind in kinds.items()],
            "KeySchema": schema(keys),
        }
        if indexes:
            table["GlobalSecondaryIndexes"] = [
                {"IndexName": "-".join(index), "KeySchema": schema(index), "Projection": {"ProjectionType": "ALL"}}
                for index in indexes
            ]
        dynamodb.create_table(**table)
        if ttl:
            expiry = {"Enabled": True, "AttributeName": ttl}
            dynamodb.update_time_to_live(TableName=table["TableName"], TimeToLiveSpecification=expiry)

    def schema(keys):
        return [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ["HASH", "RANGE"])]

    make_table("jobs", ("job_id",), (("status", "completed_at"), ("status", "created_at")))
    make_table("segment-completions", ("job_id", "segment_index"))
    make_table("reassembly-triggered", ("job_id",), ttl="ttl")
    make_table("inference-invocations", ("output_location",), ttl="ttl")


def make_services(ecs, cluster, services):
    ecs.create_cluster(clusterName=cluster)
    container = {"name": "worker", "image": "worker", "memory": 64, "cpu": 64}
    ecs.register_task_definition(family=cluster, containerDefinitions=[container])
    for service in services:
        ecs.create_service(cluster=cluster, serviceName=service, taskDefinition=cluster, desiredCount=0)
        # The emulator starts tasks only when the desired count changes.
        ecs.update_service(cluster=cluster, service=service, desiredCount=1)


def env(endpoint, prefix, urls):
    lines = [
        "# terraform output, rewritten",
        f'REGION="{REGION}"',
        f"name_prefix={prefix}",
        f'INPUT_BUCKET_NAME="{prefix}-input"',
        f"OUTPUT_BUCKET_NAME='{prefix}-output'",
        *(f'{name.upper().replace("-", "_")}_QUEUE_URL={urls.get(name, "null")}' for name in QUEUES),
        "INGEST_QUEUE_URL=null",
        f"jobs_table_name={prefix}-jobs",
        f"SEGMENT_COMPLETIONS_TABLE_NAME={prefix}-segment-completions",
        f"REASSEMBLY_TRIGGERED_TABLE_NAME={prefix}-reassembly-triggered",
        f"INFERENCE_INVOCATIONS_TABLE_NAME={prefix}-inference-invocations",
        f'ECS_CLUSTER_NAME="{prefix}"',
        f'ECS_CLUSTER_ARN="arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{prefix}"',
        'SAGEMAKER_ENDPOINT_NAME=""',
        "INFERENCE_HTTP_URL=null",
        "WEB_UI_URL=http://127.0.0.1:1/",
        f"AWS_ENDPOINT_URL={endpoint}",
        "SQS_LONG_POLL_WAIT_SECONDS=1",
        "CHUNK_SEGMENT_DURATION_SEC=1",
    ]
    return "".join(line + "\r\n" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--topology", choices=["A", "B"], required=True)
    given = parser.parse_args()
    print(make(given.endpoint, given.prefix, given.topology == "A"), end="")
