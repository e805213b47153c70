"""Field indexes of CloudWatch Logs and the filter of Logs Insights, as documented.

moto lacks both: its queries find every line of the groups, and write time and group in another format than AWS.
"""

import json
import re
from datetime import datetime, timezone

import moto.logs.models as logs

LIKE = re.compile(r"filter @message like /([^/]*)/")
real_execute_query = logs.execute_query
# By group.
index_policies = {}


def execute_query(log_groups, query, start_time, end_time):
    wanted = LIKE.search(query)
    rows = real_execute_query(log_groups=log_groups, query=query, start_time=start_time, end_time=end_time)
    return [as_documented(row) for row in rows if not wanted or re.search(wanted[1], row.get("@message", ""))]


def as_documented(row):
    row = dict(row)
    if "@timestamp" in row:
        time = datetime.fromtimestamp(row["@timestamp"] / 1000.0, timezone.utc)
        row["@timestamp"] = time.strftime("%Y-%m-%d %H:%M:%S.") + f"{time.microsecond // 1000:03}"
    if "@log" in row:
        row["@log"] = f"123456789012:{row['@log']}"
    return row


logs.execute_query = execute_query


def answer(action, body):
    """Answers the calls about field indexes; None for every other."""
    if action == "PutIndexPolicy":
        given = json.loads(body)
        policy = {"logGroupIdentifier": given["logGroupIdentifier"], "policyDocument": given["policyDocument"]}
        index_policies[given["logGroupIdentifier"]] = policy | {"source": "LOG_GROUP"}
        return {"indexPolicy": policy}
    if action == "DescribeIndexPolicies":
        groups = json.loads(body)["logGroupIdentifiers"]
        return {"indexPolicies": [index_policies[group] for group in groups if group in index_policies]}
    if action == "DeleteLogGroup":
        index_policies.pop(json.loads(body)["logGroupName"], None)
    return None
