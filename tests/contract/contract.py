"""Holds a running control plane to its OpenAPI document.

    contract.py SERVER recorded      asks every operation for what it does on success, and validates the answers
    contract.py SERVER refusals      sends requests that must be refused, and validates the refusals
    contract.py SERVER fuzz          runs schemathesis: the same requests each time, and a bounded number of them

The control plane needs a completed job, a failed one, and dead letters on the inference queue. Ends with 1 on a violation.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse
import uuid

try:
    import jsonschema_rs
    import openapi_spec_validator
    import requests
    import schemathesis
except ImportError as error:
    sys.exit(f"{error}: run `scripts/setup test` first")

PROBLEM = "application/problem+json"
HERE = pathlib.Path(__file__).parent


class Contract:
    def __init__(self, server):
        self.server = server
        self.document = requests.get(f"{server}/v1/openapi.json", timeout=20).json()
        self.seen, self.wrong = set(), []

    def operation(self, method, path):
        """The documented operation that a path belongs to."""
        path = urllib.parse.urlsplit(path).path
        for template, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
                return operations[method.lower()]
        return None

    def response(self, operation, status):
        responses = operation["responses"]
        found = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if found and "$ref" in found:
            found = self.document["components"]["responses"][found["$ref"].rsplit("/", 1)[1]]
        return found

    def check(self, method, path, answer, body):
        """Validates an answer: its status and media type are documented, and its body matches their schema."""
        say = lambda what: self.wrong.append(f"{method} {path[:100]} → {answer.status_code}: {what}")
        operation = self.operation(method, path)
        kind = answer.headers.get("content-type", "").split(";")[0]
        if answer.status_code >= 400 and kind != PROBLEM:
            return say(f"it is {kind or 'without a type'}, not {PROBLEM}: {body[:100]!r}")
        if answer.status_code >= 400 and operation is None:
            schema = {"$ref": "#/components/schemas/Problem"}
        else:
            documented = operation and self.response(operation, answer.status_code)
            if not documented or kind not in documented["content"]:
                return say(f"{kind} is not documented for it")
            schema = documented["content"][kind]["schema"]
        if kind not in ("application/json", PROBLEM):
            return None
        validator = jsonschema_rs.validator_for(
            {**schema, "components": self.document["components"]}, validate_formats=True
        )
        for error in validator.iter_errors(json.loads(body)):
            say(f"{error.message[:300]} at {error.instance_path}")
        return None

    def ask(self, method, path, expected=None, **request):
        """Sends a request and validates the answer. Returns its JSON, if it has any."""
        answer = requests.request(method, self.server + path, timeout=30, **request)
        self.check(method, path, answer, answer.text)
        if expected and answer.status_code not in expected:
            self.wrong.append(f"{method} {path} → {answer.status_code}, expected {expected}: {answer.text[:200]}")
        operation = self.operation(method, path)
        if operation and answer.ok:
            self.seen.add(operation["operationId"])
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.json() if is_json else None


def recorded(contract):
    openapi_spec_validator.validate(contract.document)
    get = lambda path: contract.ask("GET", path, [200])
    for path in ["/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/v1/snapshot?jobs=10", "/v1/workers",
                 "/v1/deployment", "/v1/events?limit=10000"]:
        get(path)
    for status in ["completed", "failed"]:
        page = get(f"/v1/jobs?status={status}&limit=1")
        job = page["jobs"][0]["job"]["job_id"]
        for part in ["", "/events", "/logs?limit=10"]:
            get(f"/v1/jobs/{job}{part}")
        if status == "completed":
            get(f"/v1/jobs/{job}/result")
        contract.ask("POST", f"/v1/jobs/{job}/verify", [200])
    page = get("/v1/jobs?limit=1")
    get(f"/v1/jobs?limit=1&cursor={page['next']}")
    for queue in get("/v1/queues"):
        get(f"/v1/queues/{queue['name']}/messages?max=10")

    # Every format, and each option at both ends of its range.
    formats = contract.document["components"]["schemas"]["Format"]["enum"]
    made = [contract.ask("POST", "/v1/jobs", [201], json={"title": f"as {name}", "options": {"format": name}})
            for name in formats]
    extremes = {name: (schema["minimum"], schema["maximum"])
                for name, schema in contract.document["components"]["schemas"]["JobOptions"]["properties"].items()
                if "maximum" in schema}
    assert {"divergence", "crf", "segment-secs"} <= extremes.keys(), extremes
    for end in (0, 1):
        options = {name: ends[end] for name, ends in extremes.items()}
        contract.ask("POST", "/v1/jobs", [201], json={"title": "t" * 200, "options": options})

    # The same key makes the same job; for another job it is refused.
    headers = {"idempotency-key": str(uuid.uuid4())}
    new = {"title": "once", "options": {"format": "half-sbs"}}
    first, second = (contract.ask("POST", "/v1/jobs", [201], json=new, headers=headers) for _ in "12")
    if first != second:
        contract.wrong.append(f"a repeated request made another job: {first} {second}")
    contract.ask("POST", "/v1/jobs", [409], json={**new, "title": "another"}, headers=headers)
    contract.ask("PUT", f"/v1/jobs/{first['job_id']}/source", [200], data=b"no video",
                 headers={"content-type": "application/octet-stream"})

    event = {"v": 1, "id": str(uuid.uuid4()), "source": "contract@test", "boot": str(uuid.uuid4()), "seq": 1,
             "time": 1_800_000_000_000, "type": "worker.started", "data": {"version": "0", "pid": 1}}
    contract.ask("POST", "/v1/events", [200], json={"events": [event]})

    # Each action's plan; one is applied and undone.
    job = made[0]["job_id"]
    dead = "inference-dlq"
    actions = [
        {"action": "replay", "queue": dead}, {"action": "purge", "queue": dead}, {"action": "trigger", "job_id": job},
        {"action": "repair", "job_id": job, "code": "segment-lost"}, {"action": "fail", "job_id": job, "reason": "test"},
        {"action": "scale", "service": "video-worker", "desired": 1}, {"action": "stop_move", "queue": dead},
    ]
    plans = {one["action"]: contract.ask("POST", "/v1/plans", [201], json={**one, "who": "contract"}) for one in actions}
    purge = plans["purge"]
    contract.ask("GET", f"/v1/plans/{purge['id']}", [200])
    apply = lambda plan: contract.ask("POST", f"/v1/plans/{plan['id']}/apply", [200],
                                      json={"confirm": plan["confirm"], "who": "contract"})
    apply(purge)
    apply(contract.ask("POST", "/v1/plans", [201], json={"action": "restore", "plan_id": purge["id"]}))
    apply(plans["fail"])
    get("/v1/actions")

    stream(contract)
    every = {operation["operationId"] for path in contract.document["paths"].values() for operation in path.values()}
    if contract.seen != every:
        contract.wrong.append(f"never answered with success: {sorted(every - contract.seen)}")


def stream(contract):
    """The first changes of the stream are changes as documented."""
    snapshot = contract.ask("GET", "/v1/snapshot")
    schema = {"$ref": "#/components/schemas/Change", "components": contract.document["components"]}
    validator = jsonschema_rs.validator_for(schema)
    after = max(0, snapshot["revision"] - 200)
    path = f"/v1/stream?after={after}&boot={snapshot['boot']}"
    with requests.get(contract.server + path, stream=True, timeout=30) as answer:
        contract.seen.add("stream")
        if answer.headers["content-type"] != "text/event-stream":
            contract.wrong.append(f"the stream is {answer.headers['content-type']}")
        seen = 0
        for line in answer.iter_lines():
            if line.startswith(b"data: "):
                seen += 1
                for error in validator.iter_errors(json.loads(line[6:])):
                    contract.wrong.append(f"stream: {error.message[:300]} at {error.instance_path}")
                if seen == 20:
                    break


def refusals(contract):
    job = contract.ask("GET", "/v1/jobs?status=completed")["jobs"][0]["job"]["job_id"]
    nobody = uuid.UUID(int=0)
    json_type = {"content-type": "application/json"}
    for path in ["/v1/jobs/%ff", "/v1/jobs/%ff/events", "/v1/jobs/%ff/logs", "/v1/jobs/%ff/result", "/v1/plans/%ff",
                 "/v1/queues/%ff/messages", "/v1/jobs/7", f"/v1/jobs/{job}/logs?limit=0", "/v1/jobs?limit=x",
                 "/v1/jobs?status=x", "/v1/jobs?cursor=x", "/v1/jobs?limit=1&limit=2", "/v1/jobs?x=1", "/v1/jobs?limit=%ff",
                 "/v1/stream?after=-1", "/v1/stream?boot=x", "/v1/snapshot?jobs=0", "/v1/actions?limit=1001",
                 "/v1/events?limit=10001", "/v1/queues/inference/messages?max=1001"]:
        contract.ask("GET", path, [400, 404])
    for path in ["/", "/nothing", "/v1", "/v1/", "/v1/jobs/", f"/v1/jobs/{nobody}", f"/v1/jobs/{nobody}/result",
                 f"/v1/plans/{nobody}", "/v1/queues/no-queue/messages", "/%00", "/v1/jobs/a%2Fb/c"]:
        contract.ask("GET", path, [400, 404])
    contract.ask("PUT", "/v1/jobs/%ff/source", [400], data=b"x")
    contract.ask("POST", "/v1/plans/%ff/apply", [400], json={})
    for method, path in [("DELETE", "/v1/jobs"), ("PATCH", f"/v1/jobs/{job}"), ("POST", "/healthz"), ("PUT", "/v1/plans")]:
        answer = requests.request(method, contract.server + path, timeout=20)
        contract.check(method, path, answer, answer.text)
        if answer.status_code != 405 or not answer.headers.get("allow"):
            contract.wrong.append(f"{method} {path}: {answer.status_code}, allow {answer.headers.get('allow')}")
    for path in ["/v1/jobs", "/v1/plans", "/v1/events"]:
        contract.ask("POST", path, [415], data=b"{}")
        contract.ask("POST", path, [415], data=b"{}", headers={"content-type": "text/plain"})
        contract.ask("POST", path, [400], data=b"{", headers=json_type)
        contract.ask("POST", path, [400], data=b"", headers=json_type)
        contract.ask("POST", path, [400], data=b"\xff\xfe", headers=json_type)
        contract.ask("POST", path, [422], data=b"7", headers=json_type)
        contract.ask("POST", path, [413], data=b'"' + b"x" * 9 * 1024 * 1024 + b'"', headers=json_type)
        contract.ask("POST", path, [400, 422], data=b"[" * 5000, headers=json_type)
    contract.ask("POST", "/v1/events", [413], json={"events": [event(n) for n in range(1001)]})
    scale = lambda desired: {"action": "scale", "service": "s", "desired": desired}
    for desired in [2**31, 2**32, -1, 1.5, "1"]:
        contract.ask("POST", "/v1/plans", [400, 422], json=scale(desired))
    for options in [{"format": "Sbs"}, {"crf": 52}, {"divergence": -1}, {"preset": "x"}, {"unknown": 1}, {"segment-secs": 0}]:
        contract.ask("POST", "/v1/jobs", [422], json={"options": options})
    contract.ask("POST", "/v1/jobs", [422], json={"title": "x" * 201})
    contract.ask("POST", "/v1/jobs", [400], json={}, headers={"idempotency-key": "x"})
    contract.ask("POST", "/v1/jobs", [400], json={}, headers={"idempotency-key": "\xff".encode("latin-1")})
    contract.ask("PUT", f"/v1/jobs/{job}/source", [409], data=b"x")
    contract.ask("GET", "/healthz", [421], headers={"host": "example.org"})


def event(seq):
    return {"v": 1, "id": str(uuid.uuid4()), "source": "contract@test", "boot": str(uuid.UUID(int=1)), "seq": seq + 1,
            "time": 0, "type": "worker.heartbeat"}


def fuzz(contract):
    args = ["run", f"{contract.server}/v1/openapi.json"]
    print(f"schemathesis {schemathesis.__version__}", flush=True)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), *args]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "160"}
    done = subprocess.run(command, env=environment, cwd=os.environ.get("TMPDIR", "/tmp"), check=False)
    if done.returncode:
        contract.wrong.append(f"schemathesis ended with {done.returncode}")
    contract.ask("GET", "/healthz", [200])
    contract.ask("GET", "/v1/snapshot", [200])


def main():
    server, *parts = sys.argv[1:]
    contract = Contract(server)
    for part in parts:
        {"recorded": recorded, "refusals": refusals, "fuzz": fuzz}[part](contract)
    for wrong in contract.wrong:
        print(wrong)
    print(f"{len(contract.wrong)} violations")
    sys.exit(bool(contract.wrong))


main()
