"""Faults of AWS that a test switches on.

    /-/fail?api=G&key=K&about=T&status=N&code=C&message=M&times=N
                    answers matching calls with an error instead of doing them
    /-/hang?…       matching calls get no answer until /-/heal
    /-/clock?secs=N AWS's clock is N seconds ahead of this machine's: signatures, answers' dates, queues
    /-/heal         ends all faults, and returns how many calls each one hit, in the order in which they were switched on

A call matches when every given parameter fits: `api` a pattern such as `sqs.ReceiveMessage` or `dynamodb.*`, `key` the access key
it is signed with, `about` a text in its path or body, such as a queue's name. S3's calls are named by method: `s3.GET`.
"""

import fnmatch
import io
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from urllib.parse import parse_qs

# How far apart the clocks may be. S3 allows more.
SKEW_SECS = {"s3": 900}
USUAL_SKEW_SECS = 300


class Refused(Exception):
    """An error to answer with: status, code, message."""


@dataclass
class Call:
    """The parts of a request that faults look at."""

    service: str
    action: str
    key: str
    about: str
    signed_at: str
    method: str
    is_json: bool

    @classmethod
    def of(cls, environ):
        is_whole = environ.get("wsgi.input_terminated")
        body = environ["wsgi.input"].read(-1 if is_whole else int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition(",")[0].split("/")
        service, key = (scope[-2], scope[0]) if len(scope) > 3 else ("", "")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        method = environ["REQUEST_METHOD"]
        # Objects may be large, so only their path counts.
        text = "" if service == "s3" else body.decode("utf-8", "replace")
        if target:
            action = target.rsplit(".", 1)[-1]
        elif service == "s3":
            action = method
        else:
            action = parse_qs(text).get("Action", [""])[0]
        return cls(
            service,
            action,
            key,
            environ.get("PATH_INFO", "") + "?" + environ.get("QUERY_STRING", "") + "\n" + text,
            environ.get("HTTP_X_AMZ_DATE", ""),
            method,
            bool(target),
        )


@dataclass
class Fault:
    api: str
    key: str
    about: str
    answer: tuple | None
    left: float
    met: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def fits(self, call):
        return (
            self.left > 0
            and fnmatch.fnmatchcase(f"{call.service}.{call.action}", self.api)
            and self.key in ("", call.key)
            and self.about in call.about
        )


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.faults = []
        self.ahead_secs = 0.0

    def control(self, what, query):
        """Answers a test; None when it asks for something else."""
        given = {name: values[0] for name, values in query.items()}
        if what == "clock":
            self.ahead_secs = float(given["secs"])
            return {}
        with self.lock:
            if what == "heal":
                met = [fault.met for fault in self.faults]
                for fault in self.faults:
                    fault.over.set()
                self.faults, self.ahead_secs = [], 0.0
                return met
            if what in ("fail", "hang"):
                answer = (int(given["status"]), given["code"], given.get("message", "")) if what == "fail" else None
                times = float(given.get("times", "inf"))
                fault = Fault(given.get("api", "*"), given.get("key", ""), given.get("about", ""), answer, times)
                self.faults.append(fault)
                return {}
        return None

    def answer(self, call):
        """The answer of a fault; None lets the call through. May wait until the fault is over."""
        # AWS looks at the signature first.
        if refused := self.skew(call):
            return refused
        with self.lock:
            fault = next((fault for fault in self.faults if fault.fits(call)), None)
            if fault:
                fault.met += 1
                fault.left -= 1
        if fault and fault.answer:
            return error(call, *fault.answer)
        if fault:
            fault.over.wait()
        return None

    def skew(self, call):
        """AWS's refusal of a signature from another time."""
        if not self.ahead_secs or not call.signed_at:
            return None
        signed = datetime.strptime(call.signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
        if abs(self.now() - signed) <= SKEW_SECS.get(call.service, USUAL_SKEW_SECS):
            return None
        if call.service == "s3":
            message = "The difference between the request time and the current time is too large."
            return error(call, 403, "RequestTimeTooSkewed", message)
        now = datetime.fromtimestamp(self.now(), timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        message = f"Signature expired: {call.signed_at} is now earlier than {now} (- 5 min.)"
        return error(call, 403, "InvalidSignatureException", message)

    def now(self):
        return time.time() + self.ahead_secs


def error(call, status, code, message):
    """An error in the format of the call's service: status, headers, body."""
    if call.is_json:
        body, kind = json.dumps({"__type": f"com.amazonaws.{call.service}#{code}", "message": message}), "application/x-amz-json-1.1"
    else:
        body, kind = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>", "application/xml"
        if call.service != "s3":
            body = f"<ErrorResponse>{body}</ErrorResponse>"
    body = b"" if call.method == "HEAD" else body.encode()
    return f"{status} Fault", [("Content-Type", kind), ("Content-Length", str(len(body)))], body
