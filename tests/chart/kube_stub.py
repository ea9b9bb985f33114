"""A small Kubernetes API in memory, enough for Helm's engine: discovery, create, get, list, apply, patch, delete.

It refuses what a real server refuses (`kube_admission`), and runs nothing: a Deployment is a record like any other.
What changed something is noted in `asked`; what was asked for in vain, in `refused`.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import yaml
from kube_admission import Object, filled_in, refusals

RESOURCES = {
    "v1": {
        "ConfigMap": "configmaps",
        "Namespace": "namespaces",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
        "Secret": "secrets",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
    },
    "apps/v1": {"Deployment": "deployments"},
    "azmonitoring.coreos.com/v1": {"ServiceMonitor": "servicemonitors"},
    "cilium.io/v2": {"CiliumNetworkPolicy": "ciliumnetworkpolicies"},
    "grafana.integreatly.org/v1beta1": {"GrafanaDashboard": "grafanadashboards"},
    "monitoring.coreos.com/v1": {"PrometheusRule": "prometheusrules", "ServiceMonitor": "servicemonitors"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
}
VERBS = ["create", "delete", "get", "list", "patch", "update"]


class Cluster:
    """What is stored, by API path; and each request that changed something, as `(method, path)`.

    `forbids` are plurals of which nothing may be changed: as by a right that is missing, or a webhook.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.asked: list[tuple[str, str]] = []
        self.refused: list[str] = []
        self.forbids: set[str] = set()
        self.address = ""
        self._made = 0

    @property
    def kubeconfig(self) -> str:
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "stub", "cluster": {"server": self.address}}],
                "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
                "users": [{"name": "stub", "user": {}}],
                "current-context": "stub",
            }
        )

    def refusal(self, path: str, wanted: Object) -> tuple[int, str, str] | None:
        """Code, reason and words with which the server says no; None when it takes the object."""
        plural = path.split("/")[-2]
        if plural in self.forbids:
            return 403, "Forbidden", f"{plural} is forbidden"
        said = refusals(self.objects.get(path), wanted)
        return (422, "Invalid", f"{wanted['metadata']['name']} is invalid: {', '.join(said)}") if said else None

    def of(self, kind: str) -> list[Object]:
        return [found for found in self.objects.values() if found["kind"] == kind]

    def store(self, path: str, wanted: Object) -> Object:
        """Keep the object; one that is replaced passes its uid on."""
        self._made += 1
        before = self.objects.get(path, {}).get("metadata", {})
        meta = wanted.setdefault("metadata", {})
        meta["uid"] = before.get("uid", f"00000000-0000-4000-8000-{self._made:012d}")
        meta["resourceVersion"] = str(self._made)
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        self.objects[path] = wanted
        return wanted


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster that answers on a free loopback port while the block runs."""
    cluster = Cluster()
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    cluster.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # without this and the buffer each call costs 40 ms
    wbufsize = 1 << 16

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if (found := self.cluster.objects.get(url.path) or _discovery(url.path)) is not None:
            self._answer(200, found)
        elif kind := _collection(url.path):
            selector = parse_qs(url.query).get("labelSelector", [""])[0]
            inside = [one for path, one in self.cluster.objects.items() if path.rpartition("/")[0] == url.path]
            items = [one for one in inside if _selected(one, selector)]
            self._answer(200, {"apiVersion": "v1", "kind": f"{kind}List", "metadata": {}, "items": items})
        else:
            self._missing()

    def do_POST(self) -> None:
        path, wanted = urlsplit(self.path).path, self._body()
        if _collection(path) is None:
            return self._missing()
        return self._change(f"{path}/{wanted['metadata']['name']}", wanted, 201)

    def do_PUT(self) -> None:
        self._change(urlsplit(self.path).path, self._body(), 200)

    def do_PATCH(self) -> None:
        """Server-side apply replaces, for there is one manager here; a merge patch merges."""
        path, wanted = urlsplit(self.path).path, self._body()
        if "apply-patch" not in self.headers["Content-Type"]:
            if path not in self.cluster.objects:
                return self._missing()
            wanted = _merged(self.cluster.objects[path], wanted)
        return self._change(path, wanted, 200)

    def do_DELETE(self) -> None:
        self._raw()
        path = urlsplit(self.path).path
        self.cluster.asked.append(("DELETE", path))
        if self.cluster.objects.pop(path, None) is None:
            return self._missing()
        return self._answer(200, {"apiVersion": "v1", "kind": "Status", "status": "Success"})

    def _change(self, path: str, wanted: Object, code: int) -> None:
        wanted = filled_in(self.cluster.objects.get(path), wanted)
        if no := self.cluster.refusal(path, wanted):
            self.cluster.refused.append(no[2])
            return self._fail(*no)
        self.cluster.asked.append((self.command, path))
        return self._answer(code, self.cluster.store(path, wanted))

    def _missing(self) -> None:
        self._fail(404, "NotFound", f"{self.path} not found")

    def _fail(self, code: int, reason: str, message: str) -> None:
        status = {"apiVersion": "v1", "kind": "Status", "status": "Failure"}
        self._answer(code, {**status, "reason": reason, "code": code, "message": message})

    def _raw(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _body(self) -> Object:
        raw = self._raw()
        return _secret(raw[4:]) if raw.startswith(b"k8s\0") else yaml.safe_load(raw)

    def _answer(self, code: int, body: Object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def _discovery(path: str) -> Object | None:
    """The answers by which a client finds out what there is."""
    if path == "/version":
        return {"major": "1", "minor": "29", "gitVersion": "v1.29.4-stub"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [_group(api) for api in RESOURCES if "/" in api]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    api = path.removeprefix("/apis/").removeprefix("/api/")
    if api not in RESOURCES:
        return None
    resources = [
        {"name": plural, "kind": kind, "namespaced": kind != "Namespace", "verbs": VERBS}
        for kind, plural in RESOURCES[api].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": resources}


def _group(api: str) -> Object:
    name, _, number = api.partition("/")
    version = {"groupVersion": api, "version": number}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _collection(path: str) -> str | None:
    kinds = {plural: kind for known in RESOURCES.values() for kind, plural in known.items()}
    return kinds.get(path.rpartition("/")[2])


def _selected(found: Object, selector: str) -> bool:
    labels = found["metadata"].get("labels", {})
    return all(labels.get(pair.split("=")[0]) == pair.split("=")[-1] for pair in selector.split(",") if pair)


def _merged(before: Object, patch: Object) -> Object:
    """RFC 7386; a list is replaced."""
    found = dict(before)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _merged(found.get(key) or {}, value) if isinstance(value, dict) else value
    return found


def _secret(raw: bytes) -> Object:
    """A Secret from Kubernetes' protobuf, in which Helm writes its releases."""
    secret = _fields(_fields(raw)[2][0])
    meta = _fields(secret[1][0])
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": secret[3][0].decode(),
        "metadata": {
            "name": meta[1][0].decode(),
            "namespace": meta.get(3, [b"default"])[0].decode(),
            "labels": {key: value.decode() for key, value in _pairs(meta.get(11, []))},
        },
        "data": {key: base64.b64encode(value).decode() for key, value in _pairs(secret[2])},
    }


def _pairs(entries: list[bytes]) -> Iterator[tuple[str, bytes]]:
    for entry in entries:
        pair = _fields(entry)
        yield pair[1][0].decode(), pair.get(2, [b""])[0]


def _fields(raw: bytes) -> dict[int, list[bytes]]:
    """The length-delimited fields of a protobuf message, by number; numbers are skipped."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        length, at = _varint(raw, at)
        if key & 7 == 2:
            found.setdefault(key >> 3, []).append(raw[at : at + length])
            at += length
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (raw[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if raw[at - 1] < 0x80:
            return value, at
