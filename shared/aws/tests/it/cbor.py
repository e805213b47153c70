"""CloudWatch's CBOR protocol, which the Rust SDK speaks and moto does not: requests become JSON, and moto's answers CBOR."""

import io
import json

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer

parser = RpcV2CBORParser(timestamp_parser=float)
serializer = RpcV2CBORSerializer()
models = {"monitoring": ServiceModel(Loader().load_service_model("cloudwatch", "service-2"))}


def in_json(environ):
    """Turns the request into JSON in place. Returns the service's operation, or None for every other protocol."""
    if environ.get("HTTP_SMITHY_PROTOCOL") != "rpc-v2-cbor":
        return None
    _, _, target, _, operation = environ["PATH_INFO"].split("/")
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    given = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    body = json.dumps(given).encode()
    environ["wsgi.input"] = io.BytesIO(body)
    environ |= {
        "PATH_INFO": "/",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/x-amz-json-1.0",
        "HTTP_X_AMZ_TARGET": f"{target}.{operation}",
    }
    return models["monitoring"].operation_model(operation)


def in_cbor(operation, status, body):
    """The body of an answer in JSON as CBOR."""
    given = json.loads(body or b"{}")
    if status.startswith("200"):
        shape = operation.output_shape
    else:
        shape, given = None, {key: str(value) for key, value in given.items()}
    out = bytearray()
    if shape:
        serializer._serialize_type_structure(out, given, shape, None)
    else:
        out.append(5 << 5 | len(given))
        for text in (text for pair in given.items() for text in pair):
            serializer._serialize_type_string(out, text, None, None)
    return bytes(out)


class SpeaksCbor:
    """Puts the protocol in front of an application that speaks JSON."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        operation = in_json(environ)
        if operation is None:
            return self.app(environ, start_response)
        begun = []
        body = b"".join(self.app(environ, lambda status, headers, *_: begun.extend((status, headers))))
        status, headers = begun
        body = in_cbor(operation, status, body)
        kept = [(name, value) for name, value in headers if name.lower() not in ("content-type", "content-length")]
        own = [("smithy-protocol", "rpc-v2-cbor"), ("Content-Type", "application/cbor"), ("Content-Length", str(len(body)))]
        start_response(status, kept + own)
        return [body]
