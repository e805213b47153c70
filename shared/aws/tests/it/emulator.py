"""AWS for the tests: moto on loopback, with its queues' clock and contents in the tests' hands.

Prints its URL on the first line, and ends when its standard input does: so it never outlives the test that started it.
Beside AWS it answers
    /-/pass?ms=N           lets N ms pass on the clock of all queues: leases, delays and purges, without waiting
    /-/messages?queue=Q    what lies on a queue, touching nothing: SQS itself can't show that
    /-/clear?queue=Q       empties a queue, past SQS's purge of once a minute
"""

import json
import logging
import os
import sys
import threading
import time
from urllib.parse import parse_qs

import moto.sqs.models as sqs
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ACCOUNT = "123456789012"
REGION = "us-east-1"

real_unix_time = sqs.unix_time
passed_secs = 0.0


def unix_time(dt=None):
    return real_unix_time(dt) + (passed_secs if dt is None else 0.0)


sqs.unix_time = unix_time
sqs.unix_time_millis = lambda dt=None: unix_time(dt) * 1000.0


# AWS's conditional writes and receivings are atomic. Those of moto are only if no two requests run at once.
one_at_a_time = threading.RLock()
real_receive_message = sqs.SQSBackend.receive_message


def receive_message(self, queue_name, count, wait_seconds_timeout, *others):
    """Waits outside the lock, and notices at once when the clock is turned."""
    end = time.monotonic() + wait_seconds_timeout
    while True:
        with one_at_a_time:
            messages = real_receive_message(self, queue_name, count, 0, *others)
        if messages or time.monotonic() >= end:
            return messages
        time.sleep(0.02)


sqs.SQSBackend.receive_message = receive_message


def control(path, query):
    global passed_secs
    if path == "/-/pass":
        passed_secs += int(query["ms"][0]) / 1000.0
        return {}
    queue = sqs.sqs_backends[ACCOUNT][REGION].queues[query["queue"][0]]
    if path == "/-/clear":
        queue._messages = []
        return {}
    return [
        {
            "id": message.id,
            "body": message.body,
            "receive_count": message.approximate_receive_count,
            "enqueued_at": message.sent_timestamp,
        }
        for message in queue._messages
    ]


class Emulator:
    def __init__(self, aws):
        self.aws = aws

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        if environ.get("HTTP_X_AMZ_TARGET", "").endswith(".ReceiveMessage"):
            return self.aws(environ, start_response)
        with one_at_a_time:
            if not path.startswith("/-/"):
                return self.aws(environ, start_response)
            answer = json.dumps(control(path, parse_qs(environ.get("QUERY_STRING", "")))).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]


def end_with_input():
    sys.stdin.read()
    os._exit(0)


# What it does not know it answers with 500, and the tests see that; EMULATOR_TRACE=1 shows where.
logging.getLogger("werkzeug").setLevel(logging.ERROR if os.environ.get("EMULATOR_TRACE") else logging.CRITICAL)
server = make_server("127.0.0.1", 0, Emulator(DomainDispatcherApplication(create_backend_app)), threaded=True)
threading.Thread(target=end_with_input, daemon=True).start()
print(f"http://127.0.0.1:{server.port}", flush=True)
server.serve_forever()
