"""Alarms whose states follow their metrics, as CloudWatch documents it and moto does not do.

An alarm looks at its evaluated periods and two more before them. It rings when its newest points, as many as it evaluates, all
breach. If there are fewer points, `TreatMissingData` decides what the missing ones are.
"""

import moto.cloudwatch.models as cloudwatch
import moto.sqs.models as sqs

BREACHES = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
STATISTICS = {"Maximum": max, "Minimum": min, "Sum": sum}
# Periods before the evaluated ones.
FURTHER = 2


class Alarms:
    def __init__(self, backend):
        self.backend = backend

    def answer(self, action, _body):
        """Updates the states before moto answers."""
        if action == "DescribeAlarms":
            for alarm in self.backend.alarms.values():
                state = self.state(alarm)
                if state != alarm.state_value:
                    alarm.update_state(f"by its points: {state}", "{}", state)
        return None

    def state(self, alarm):
        breaches = BREACHES[alarm.comparison_operator]
        points = [breaches(value, alarm.threshold) for value in self.points(alarm)][: alarm.evaluation_periods]
        lacking = alarm.evaluation_periods - len(points)
        treated = alarm.treat_missing_data or "missing"
        if lacking and treated == "ignore":
            return alarm.state_value
        if lacking and treated != "missing":
            points += [treated == "breaching"] * lacking
        if not points:
            return "INSUFFICIENT_DATA"
        return "ALARM" if all(points) else "OK"

    def points(self, alarm):
        """The value of each period that has one, newest first."""
        period = alarm.period
        newest = int(sqs.unix_time() // period)
        values = {}
        for datum in self.backend.metric_data:
            is_its = (datum.namespace, datum.name) == (alarm.namespace, alarm.metric_name)
            if is_its and cloudwatch.are_dimensions_same(datum.dimensions, alarm.dimensions):
                values.setdefault(int(datum.timestamp.timestamp() // period), []).append(datum.value)
        looked_at = range(newest, newest - alarm.evaluation_periods - FURTHER, -1)
        return [STATISTICS[alarm.statistic](values[number]) for number in looked_at if number in values]
