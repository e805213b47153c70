"""SageMaker's models, endpoint configurations and endpoints, as documented. Those of moto never change, and lose half of their
settings.

An endpoint takes ten minutes on the emulator's clock to change its configuration, and answers with the old one until then.

    /-/endpoint-fails?reason=R&status=S   the next change fails: InService with the old configuration, or Failed
"""

import json

from faults import Refused

CHANGE_SECS = 600.0
MAX_NAME = 63


class Endpoints:
    def __init__(self, now, region, account):
        self.now = now
        self.arn = f"arn:aws:sagemaker:{region}:{account}"
        self.models = {}
        self.configs = {}
        self.endpoints = {}
        # By endpoint: when its change ends, and how if it fails.
        self.changes = {}
        # Status and reason of the next change, if it fails.
        self.failing = None

    def control(self, what, query):
        """Answers a test; None when it asks for something else."""
        if what == "endpoint-fails":
            self.failing = query["status"][0], query["reason"][0]
            return {}
        return None

    def answer(self, action, body):
        """Answers the calls of this module; None for every other."""
        actions = {
            "CreateModel": self.create_model,
            "DescribeModel": lambda given: self.found(self.models, "model", given["ModelName"]),
            "CreateEndpointConfig": self.create_config,
            "DescribeEndpointConfig": lambda given: self.config(given["EndpointConfigName"]),
            "CreateEndpoint": self.create_endpoint,
            "DescribeEndpoint": lambda given: self.endpoint(given["EndpointName"]),
            "UpdateEndpoint": self.update,
        }
        return actions[action](json.loads(body)) if action in actions else None

    def create_model(self, given):
        arn = self.create(self.models, "model", given["ModelName"], given)
        return {"ModelArn": arn}

    def create_config(self, given):
        for variant in given["ProductionVariants"]:
            self.found(self.models, "model", variant["ModelName"])
        arn = self.create(self.configs, "endpoint configuration", given["EndpointConfigName"], given)
        return {"EndpointConfigArn": arn}

    def create_endpoint(self, given):
        config = self.config(given["EndpointConfigName"])
        arn = self.create(self.endpoints, "endpoint", given["EndpointName"], {"EndpointName": given["EndpointName"]})
        self.endpoints[given["EndpointName"]] |= {"EndpointStatus": "Creating"} | self.running(config)
        self.change(self.endpoints[given["EndpointName"]], config)
        return {"EndpointArn": arn}

    def update(self, given):
        endpoint = self.endpoint(given["EndpointName"])
        config = self.config(given["EndpointConfigName"])
        if endpoint["EndpointStatus"] not in ("InService", "OutOfService"):
            about = "failed" if endpoint["EndpointStatus"] == "Failed" else "in-progress"
            raise Refused(400, "ValidationException", f'Cannot update {about} endpoint "{endpoint["EndpointArn"]}".')
        endpoint["EndpointStatus"] = "Updating"
        endpoint.pop("FailureReason", None)
        self.change(endpoint, config)
        return {"EndpointArn": endpoint["EndpointArn"]}

    def change(self, endpoint, config):
        """Starts a change; `endpoint` ends it when its time has passed."""
        self.changes[endpoint["EndpointName"]], self.failing = (self.now() + CHANGE_SECS, self.failing), None
        endpoint["LastModifiedTime"] = self.now()
        endpoint["PendingDeploymentSummary"] = {
            "EndpointConfigName": config["EndpointConfigName"],
            "StartTime": self.now(),
            "ProductionVariants": [
                {
                    "VariantName": variant["VariantName"],
                    "CurrentInstanceCount": 0,
                    "DesiredInstanceCount": variant["InitialInstanceCount"],
                    "VariantStatus": [{"Status": "Creating"}],
                }
                for variant in config["ProductionVariants"]
            ],
        }

    def endpoint(self, name):
        """The endpoint as it is now."""
        endpoint = self.found(self.endpoints, "endpoint", name)
        ends, failing = self.changes.get(name, (float("inf"), None))
        if self.now() >= ends:
            del self.changes[name]
            config = self.config(endpoint.pop("PendingDeploymentSummary")["EndpointConfigName"])
            endpoint["LastModifiedTime"] = self.now()
            if failing:
                endpoint["EndpointStatus"], endpoint["FailureReason"] = failing
            else:
                endpoint |= {"EndpointStatus": "InService"} | self.running(config)
        return endpoint

    def running(self, config):
        """What an endpoint shows while it uses this configuration."""
        variants = []
        for variant in config["ProductionVariants"]:
            image = self.models[variant["ModelName"]]["PrimaryContainer"]["Image"]
            count = variant["InitialInstanceCount"]
            variants.append({
                "VariantName": variant["VariantName"],
                "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": f"{image}@sha256:0", "ResolutionTime": self.now()}],
                "CurrentWeight": 1.0,
                "DesiredWeight": 1.0,
                "CurrentInstanceCount": count,
                "DesiredInstanceCount": count,
            })
        return {"EndpointConfigName": config["EndpointConfigName"], "ProductionVariants": variants}

    def config(self, name):
        return self.found(self.configs, "endpoint configuration", name)

    def create(self, things, kind, name, given):
        arn = self.arn_of(kind, name)
        if len(name) > MAX_NAME:
            message = f"Value '{name}' failed to satisfy constraint: Member must have length less than or equal to {MAX_NAME}"
            raise Refused(400, "ValidationException", message)
        if name in things:
            raise Refused(400, "ValidationException", f'Cannot create already existing {kind} "{arn}".')
        arn_name = {"model": "ModelArn", "endpoint": "EndpointArn"}.get(kind, "EndpointConfigArn")
        things[name] = given | {arn_name: arn, "CreationTime": self.now()}
        return arn

    def found(self, things, kind, name):
        if name not in things:
            raise Refused(400, "ValidationException", f'Could not find {kind} "{self.arn_of(kind, name)}".')
        return things[name]

    def arn_of(self, kind, name):
        return f"{self.arn}:{kind.replace('endpoint configuration', 'endpoint-config')}/{name}"
