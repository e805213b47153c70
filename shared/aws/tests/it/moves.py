"""SQS's own redrive of a dead-letter queue, as documented; moto lacks it.

A task takes time on the emulator's clock, and there is one per queue. The messages get new ids and times of sending. They go to the
named destination, or each to the queue that dead-lettered it; a message that was sent to the dead-letter queue has none. The number of
messages to move is counted only at the start; the task goes on until it finds none.

    /-/move-rate?per_second=N   the rate of tasks without a requested rate; 500 by default
    /-/dead-letter?queue=Q      dead-letters all messages of a queue, as if they had been received too often
"""

import base64
import json
import uuid
from dataclasses import dataclass

import moto.sqs.models as sqs
from faults import Refused

FASTEST = 500
# From CANCELLING to CANCELLED.
STOPPING_SECS = 1.0
# A queue counts as empty after this long without a ready message: a consumer may hold some for a moment.
EMPTY_SECS = 3.0
NO_SOURCE = "The resource that you specified for the SourceArn parameter doesn't exist."
NO_DESTINATION = "The resource that you specified for the DestinationArn parameter doesn't exist."

real_add_message = sqs.Queue.add_message


def add_message(self, message):
    """Records where a message comes from: moto adds one to a second queue only when it dead-letters it."""
    message.came_from = getattr(message, "lies_on", None)
    message.lies_on = self.queue_arn
    real_add_message(self, message)


sqs.Queue.add_message = add_message


@dataclass
class Task:
    handle: str
    source: str
    destination: str | None
    asked_rate: int | None
    rate: int
    started: float
    to_move: int
    moved: int = 0
    status: str = "RUNNING"
    cancelled: float = 0.0
    # When the task last found a message.
    found: float = 0.0
    failure: str | None = None

    def described(self):
        answer = {
            "Status": self.status,
            "SourceArn": self.source,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": int(self.started * 1000),
        }
        if self.status == "RUNNING":
            answer["TaskHandle"] = self.handle
        if self.destination:
            answer["DestinationArn"] = self.destination
        if self.asked_rate:
            answer["MaxNumberOfMessagesPerSecond"] = self.asked_rate
        if self.failure:
            answer["FailureReason"] = self.failure
        return answer


class Moves:
    def __init__(self, backend):
        self.backend = backend
        self.usual_rate = FASTEST
        # Oldest first.
        self.tasks = []

    def control(self, what, query):
        """Answers a test; None when it asks for something else."""
        if what == "move-rate":
            self.usual_rate = int(query["per_second"][0])
            return {}
        if what == "dead-letter":
            queue = self.backend.queues[query["queue"][0]]
            letters, queue._messages = queue._messages, []
            for message in letters:
                queue.dead_letter_queue.add_message(message)
            return len(letters)
        return None

    def answer(self, action, body):
        """Answers the calls of this module; None for every other."""
        self.go_on()
        if action == "StartMessageMoveTask":
            return self.start(json.loads(body))
        if action == "ListMessageMoveTasks":
            return self.list(json.loads(body))
        if action == "CancelMessageMoveTask":
            return self.cancel(json.loads(body))
        return None

    def start(self, given):
        source = self.queue(given["SourceArn"], NO_SOURCE)
        if not any(queue.dead_letter_queue is source for queue in self.backend.queues.values()):
            raise Refused(400, "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        destination = given.get("DestinationArn")
        if destination and self.queue(destination, NO_DESTINATION) is source:
            message = "Source queue arn and destination queue arn cannot be the same."
            raise Refused(400, "InvalidParameterValue", message)
        asked_rate = given.get("MaxNumberOfMessagesPerSecond")
        if asked_rate is not None and not 1 <= asked_rate <= FASTEST:
            parameter = "MaxNumberOfMessagesPerSecond"
            message = f"Value {asked_rate} for parameter {parameter} is invalid. Reason: Must be between 1 and {FASTEST}."
            raise Refused(400, "InvalidParameterValue", message)
        if any(task.source == source.queue_arn and task.status in ("RUNNING", "CANCELLING") for task in self.tasks):
            message = "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
            raise Refused(400, "InvalidParameterValue", message)
        named = json.dumps({"taskId": str(uuid.uuid4()), "sourceArn": source.queue_arn})
        handle = base64.b64encode(named.encode()).decode()
        rate = asked_rate or self.usual_rate
        now, to_move = sqs.unix_time(), len(source.messages)
        self.tasks.append(Task(handle, source.queue_arn, destination, asked_rate, rate, now, to_move, found=now))
        return {"TaskHandle": handle}

    def list(self, given):
        source = self.queue(given["SourceArn"], NO_SOURCE)
        most = given.get("MaxResults", 1)
        if not 1 <= most <= 10:
            message = f"Value {most} for parameter MaxResults is invalid. Reason: Must be between 1 and 10."
            raise Refused(400, "InvalidParameterValue", message)
        tasks = [task.described() for task in reversed(self.tasks) if task.source == source.queue_arn]
        return {"Results": tasks[:most]}

    def cancel(self, given):
        try:
            named = json.loads(base64.b64decode(given["TaskHandle"]))
        except ValueError:
            raise Refused(400, "InvalidParameterValue", "Value for parameter TaskHandle is invalid.") from None
        self.queue(named["sourceArn"], NO_SOURCE)
        task = next((task for task in self.tasks if task.handle == given["TaskHandle"]), None)
        if task is None or task.status != "RUNNING":
            raise Refused(404, "ResourceNotFoundException", "Task does not exist.")
        task.status, task.cancelled = "CANCELLING", sqs.unix_time()
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    def queue(self, arn, otherwise):
        found = self.find(arn)
        if found is None:
            raise Refused(404, "ResourceNotFoundException", otherwise)
        return found

    def find(self, arn):
        return next((queue for queue in self.backend.queues.values() if queue.queue_arn == arn), None)

    def go_on(self):
        """Moves the messages that are due."""
        now = sqs.unix_time()
        for task in self.tasks:
            if task.status == "RUNNING":
                self.move(task, now)
            elif task.status == "CANCELLING" and now - task.cancelled >= STOPPING_SECS:
                task.status = "CANCELLED"

    def move(self, task, now):
        source = self.find(task.source)
        ready = source.messages if source else []
        due = int((now - task.started) * task.rate) - task.moved
        moved_before = task.moved
        for message in ready[: max(due, 0)]:
            arn = task.destination or message.came_from
            target = self.find(arn)
            if target is None:
                missing = "AWS.SimpleQueueService.NonExistentQueue"
                task.status, task.failure = "FAILED", missing if arn else "CouldNotDetermineMessageSource"
                return
            source._messages.remove(message)
            source.pending_messages.discard(message)
            moved = sqs.Message(str(uuid.uuid4()), message.body)
            moved.message_attributes = message.message_attributes
            moved.mark_sent(target.delay_seconds)
            target.add_message(moved)
            task.moved += 1
        if len(ready) > task.moved - moved_before:
            task.found = now
            return
        if task.moved > moved_before:
            task.found = max(task.found, task.started + task.moved / task.rate)
        if now - task.found >= EMPTY_SECS:
            task.status = "COMPLETED"
