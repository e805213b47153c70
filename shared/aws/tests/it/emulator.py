"""AWS for the tests: moto on loopback, with controls for the clock and the content of its queues.

Prints its URL on the first line, and ends when its standard input closes, so it never outlives the test that started it.
In addition to AWS it answers
    /-/pass?ms=N           advances the clock of all queues by N ms: leases, delays and purges, without waiting
    /-/messages?queue=Q    the messages on a queue, untouched: SQS itself can't show them
    /-/clear?queue=Q       empties a queue, without SQS's limit of one purge a minute
    /-/sha256?bucket=B&key=K  the checksum that S3 keeps of an object
    /-/receiving?queue=Q   how many receives wait on a queue: as on AWS, one may outlive its client
and the faults of faults.py. moves.py, endpoints.py, alarms.py, insights.py and cbor.py add what moto lacks, some with controls of
their own.
"""

import base64
import json
import logging
import os
import sys
import threading
import time
from collections import Counter
from urllib.parse import parse_qs

# The imports below must leave nothing behind in the source tree.
sys.dont_write_bytecode = True

import insights
import moto.cloudwatch.models as cloudwatch
import moto.s3.models as s3
import moto.sqs.models as sqs
from alarms import Alarms
from cbor import SpeaksCbor
from endpoints import Endpoints
from faults import Call, Faults, Refused, error
from moves import Moves
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"
REGION = "us-east-1"

real_unix_time = sqs.unix_time
passed_secs = 0.0
sent_sha256 = {}
faults = Faults()


def unix_time(dt=None):
    return time.time() + passed_secs + faults.ahead_secs if dt is None else real_unix_time(dt)


sqs.unix_time = unix_time
sqs.unix_time_millis = lambda dt=None: unix_time(dt) * 1000.0


def is_kept(self, queue_name, message):
    """As in moto, but without counting the whole queue for each message."""
    return message.sent_timestamp / 1000.0 + self.queues[queue_name].message_retention_period > unix_time()


sqs.SQSBackend.is_message_valid_based_on_retention_period = is_kept

moves = Moves(sqs.sqs_backends[ACCOUNT][REGION])
endpoints = Endpoints(unix_time, REGION, ACCOUNT)
alarms = Alarms(cloudwatch.cloudwatch_backends[ACCOUNT][REGION])
# What answers before moto, by the service's name in signatures.
ours = {"logs": insights, "sqs": moves, "sagemaker": endpoints, "monitoring": alarms}

# AWS's conditional writes and receives are atomic. Those of moto are only if no two requests run at once.
one_at_a_time = threading.RLock()
real_receive_message = sqs.SQSBackend.receive_message
receiving = Counter()


def receive_message(self, queue_name, count, wait_seconds_timeout, *others):
    """Waits outside the lock, and notices at once when the clock changes."""
    end = time.monotonic() + wait_seconds_timeout
    with one_at_a_time:
        receiving[queue_name] += 1
    try:
        while True:
            with one_at_a_time:
                moves.go_on()
                messages = real_receive_message(self, queue_name, count, 0, *others)
            if messages or time.monotonic() >= end:
                return messages
            time.sleep(0.02)
    finally:
        with one_at_a_time:
            receiving[queue_name] -= 1


sqs.SQSBackend.receive_message = receive_message
real_send_message_batch = sqs.SQSBackend.send_message_batch


def send_message_batch(self, queue_name, entries):
    """moto drops the system attributes of a batch's entries."""
    messages, failed = real_send_message_batch(self, queue_name, entries)
    given = {entry["Id"]: entry.get("MessageSystemAttributes") or {} for entry in entries.values()}
    for message in messages:
        message.system_attributes = given[message.user_id]
    return messages, failed


sqs.SQSBackend.send_message_batch = send_message_batch


def control(what, query):
    global passed_secs
    if what == "pass":
        passed_secs += int(query["ms"][0]) / 1000.0
        return {}
    for part in (faults, moves, endpoints):
        answer = part.control(what, query)
        if answer is not None:
            return answer
    if what == "sha256":
        bucket, key = query["bucket"][0], query["key"][0]
        # moto keeps those of uploads in parts only.
        return s3.s3_backends[ACCOUNT]["aws"].get_object(bucket, key).checksum_value or sent_sha256.get(f"/{bucket}/{key}")
    if what == "receiving":
        return receiving[query["queue"][0]]
    moves.go_on()
    queue = moves.backend.queues[query["queue"][0]]
    if what == "clear":
        queue._messages = []
        return {}
    return [
        {
            "id": message.id,
            "body": message.body,
            "envelope": envelope(message),
            "receive_count": message.approximate_receive_count,
            "enqueued_at": message.sent_timestamp,
        }
        for message in queue._messages
    ]


def envelope(message):
    """What travels with a message beside its body."""
    attributes = {}
    for name, value in message.message_attributes.items():
        binary = value.get("BinaryValue")
        text = base64.b64encode(binary).decode() if isinstance(binary, bytes) else binary or value.get("StringValue")
        attributes[name] = {"type": value["DataType"], "value": text}
    trace = message.system_attributes.get("AWSTraceHeader", {}).get("StringValue")
    return {"attributes": attributes, "trace_header": trace, "group_id": message.group_id}


def as_json(answer):
    body = json.dumps(answer).encode()
    return "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body


def own(call):
    """The answer to a call that moto lacks; None for every other."""
    if call.service not in ours:
        return None
    try:
        answer = ours[call.service].answer(call.action, call.about.partition("\n")[2])
    except Refused as refused:
        return error(call, *refused.args)
    return None if answer is None else as_json(answer)


class Emulator:
    def __init__(self, aws):
        self.aws = aws

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        if path.startswith("/-/"):
            with one_at_a_time:
                status, headers, body = as_json(control(path[3:], parse_qs(environ.get("QUERY_STRING", ""))))
            start_response(status, headers)
            return [body]
        if environ["REQUEST_METHOD"] == "PUT" and "HTTP_X_AMZ_CHECKSUM_SHA256" in environ:
            sent_sha256[path] = environ["HTTP_X_AMZ_CHECKSUM_SHA256"]
        call = Call.of(environ)
        answer = faults.answer(call)
        if answer is None:
            with one_at_a_time:
                answer = own(call)
        if answer is not None:
            status, headers, body = answer
            start_response(status, headers)
            return [body]
        if call.action == "ReceiveMessage":
            return self.aws(environ, start_response)
        with one_at_a_time:
            return self.aws(environ, start_response)


class ByAwsClock(WSGIRequestHandler):
    """Clients learn from an answer's date how wrong their own clock is."""

    def date_time_string(self, timestamp=None):
        return super().date_time_string(timestamp or faults.now())


def end_with_input():
    sys.stdin.read()
    os._exit(0)


# moto answers unknown calls with 500, which tests see. EMULATOR_TRACE=1 shows where.
logging.getLogger("werkzeug").setLevel(logging.ERROR if os.environ.get("EMULATOR_TRACE") else logging.CRITICAL)
app = SpeaksCbor(Emulator(DomainDispatcherApplication(create_backend_app)))
server = make_server("127.0.0.1", 0, app, True, request_handler=ByAwsClock)
threading.Thread(target=end_with_input, daemon=True).start()
print(f"http://127.0.0.1:{server.port}", flush=True)
server.serve_forever()
