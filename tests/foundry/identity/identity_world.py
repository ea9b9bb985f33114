"""What a pod with workload identity has around it: a cluster that signs tokens, a token endpoint, a platform.

The token endpoint speaks HTTPS with a certificate of its own authority, and checks what Microsoft Entra ID
checks of a federated exchange. The platform takes only tokens which that endpoint gave out, while they last.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import jwt
import uvicorn
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from reaper.emulator import Emulator
from reaper.emulator.asgi import Receive, Scope, Send
from reaper.emulator.emulator import PROJECT_PATH

REAPER = Path(sys.executable).with_name("reaper")
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
CLUSTER = "https://oidc.cluster.example/"
SUBJECT = "system:serviceaccount:session-reaper:session-reaper"
AUDIENCE = "api://AzureADTokenExchange"
SCOPE = "https://ai.azure.com/.default"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
HOUR = 3600


class Cluster:
    """Signs service account tokens, as the API server of a cluster does."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public_key = self._key.public_key()

    def token(self, key: rsa.RSAPrivateKey | None = None, **changes: Any) -> str:
        """A projected token; keywords replace its claims."""
        now = int(time.time())
        claims = {"iss": CLUSTER, "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + HOUR}
        return jwt.encode({**claims, "jti": str(uuid4()), **changes}, key or self._key, "RS256")


class Refused(Exception):  # noqa: N818 - it is an answer
    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


@dataclass
class Exchange:
    """One request at the token endpoint, and the access token it got."""

    form: dict[str, str]
    claims: dict[str, Any] = field(default_factory=dict)
    token: str = ""


@dataclass
class TokenEndpoint:
    """Trades service account tokens for access tokens that last `lifetime_s`.

    `before` is called before each exchange is judged, with how many there were: the place to change something.
    """

    cluster: Cluster
    lifetime_s: int = HOUR
    exchanges: list[Exchange] = field(default_factory=list)
    before: Callable[[int], None] = lambda _: None
    echoes: bool = False
    """Whether refusals hold the assertion they refuse."""
    _ends: dict[str, float] = field(default_factory=dict)

    @property
    def given(self) -> list[str]:
        return [exchange.token for exchange in self.exchanges if exchange.token]

    def is_good(self, token: str) -> bool:
        return time.monotonic() < self._ends.get(token, 0.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        exchange = Exchange({name: values[0] for name, values in parse_qs(body.decode()).items()})
        self.before(len(self.exchanges))
        self.exchanges.append(exchange)
        try:
            self._judge(scope, exchange)
        except (Refused, jwt.PyJWTError) as error:
            said = f"AADSTS70021: {error}."
            if self.echoes:
                said += f" Assertion: {exchange.form['client_assertion']}"
            said += "\r\nTrace ID: 0\r\nCorrelation ID: 0"
            await _answer(send, 401, {"error": getattr(error, "error", "invalid_client"), "error_description": said})
            return
        exchange.token = jwt.encode({"jti": str(uuid4()), "aud": SCOPE}, "x" * 32, "HS256")
        self._ends[exchange.token] = time.monotonic() + self.lifetime_s
        answer = {"token_type": "Bearer", "expires_in": self.lifetime_s, "access_token": exchange.token}
        await _answer(send, 200, answer)

    def _judge(self, scope: Scope, exchange: Exchange) -> None:
        form = exchange.form
        if (scope["method"], scope["path"]) != ("POST", f"/{TENANT}/oauth2/v2.0/token"):
            raise Refused("invalid_request", f"No such tenant or route: {scope['path']}")
        if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != ASSERTION_TYPE:
            raise Refused("unsupported_grant_type", "The grant type is not supported")
        if form.get("client_id") != CLIENT:
            raise Refused("unauthorized_client", f"Application '{form.get('client_id')}' was not found")
        if form.get("scope") != SCOPE:
            raise Refused("invalid_scope", f"The scope '{form.get('scope')}' is not valid")
        exchange.claims = jwt.decode(
            form.get("client_assertion", ""),
            self.cluster.public_key,
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=CLUSTER,
            options={"require": ["exp", "iss", "sub", "aud"]},
        )
        if exchange.claims["sub"] != SUBJECT:
            raise Refused("invalid_client", "No matching federated identity record found for presented subject")


@dataclass
class HttpAccess:
    """Before the platform: only a good token is let through, any other arrives there as none."""

    emulator: Emulator
    is_good: Callable[[str], bool]
    rejected: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shown = dict(scope["headers"]).get(b"authorization", b"").decode()
        kind, _, token = shown.partition(" ")
        if kind != "Bearer" or not self.is_good(token):
            self.rejected += 1
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        await self.emulator.asgi(scope, receive, send)


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


@contextlib.contextmanager
def serving(app: Any, **options: Any) -> Iterator[int]:
    """Serve on a free loopback port, in a thread; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=1, **options)
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
    assert not thread.is_alive()


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """A throw-away authority and a certificate of it for the loopback; gives its file, and the server's."""
    now = datetime.now(UTC)

    def certificate(name: str, key: Any, issuer: str, signer: Any) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
            now - timedelta(hours=1),
            now + timedelta(days=1),
        )
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return builder.add_extension(authority, critical=False).add_extension(identifier, critical=False)

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = (
        certificate("throw-away authority", ca_key, "throw-away authority", ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signs(), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = (
        certificate("token endpoint", key, "throw-away authority", ca_key)
        .add_extension(address, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    trusted, served = folder / "ca.pem", folder / "server.pem"
    trusted.write_bytes(ca.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    served.write_bytes(leaf.public_bytes(pem) + private)
    return trusted, served


def _signs() -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    no = dict.fromkeys((*names, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(**no, key_cert_sign=True, crl_sign=True)


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        return self.stdout + self.stderr

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stderr.splitlines()]


@dataclass
class Pod:
    """`reaper` with what the webhook of AKS puts into a pod, and everything it reaches."""

    folder: Path
    cluster: Cluster
    tokens: TokenEndpoint
    emulator: Emulator
    access: HttpAccess
    environ: dict[str, str]
    endpoint: str

    @property
    def token_file(self) -> Path:
        return Path(self.environ["AZURE_FEDERATED_TOKEN_FILE"])

    def project(self, token: str) -> None:
        """Put a service account token where the kubelet does: in one move."""
        fresh = self.token_file.with_suffix(".new")
        fresh.write_text(token)
        fresh.replace(self.token_file)

    def deleted(self) -> list[tuple[str, str]]:
        return [(event.agent, event.session) for event in self.emulator.platform.history if event.kind == "deleted"]

    def due(self) -> set[tuple[str, str]]:
        now, platform = self.emulator.now(), self.emulator.platform
        return {
            (agent, one.id)
            for agent in platform.agents
            for one in platform.sessions(agent)
            if one.status == "idle" and now - one.last_accessed_at >= 7 * 86_400
        }

    def sweep(self, credential: str = "workload-identity", *, concurrency: int = 16, **environ: str | None) -> Done:
        """Run `reaper sweep` as a process; a keyword with None takes a variable away."""
        config = {
            "version": 1,
            "projects": {
                "here": {
                    "endpoint": self.endpoint,
                    "credential": credential,
                    "agents": [{"name": "*", "policy": "week"}],
                    "requests": {"concurrency": concurrency, "max_per_second": 1000},
                }
            },
            "policies": {
                "week": {
                    "mode": "enforce",
                    "grace": "0s",
                    "rules": [{"name": "idle-a-week", "action": "delete", "when": {"status": "idle", "idle": "7d"}}],
                    "limits": {"per_sweep": "100%", "per_day": "100%"},
                }
            },
            "state": f"sqlite:///{self.folder / 'state.db'}",
            "log": {"format": "json"},
        }
        path = self.folder / "reaper.yaml"
        path.write_text(yaml.safe_dump(config))
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("REAPER", "AZURE"))}
        asked = {**inherited, **self.environ, **environ}
        ended = subprocess.run(
            [REAPER, "sweep", "--config", path],
            check=False,
            capture_output=True,
            timeout=60,
            cwd=self.folder,
            env={key: value for key, value in asked.items() if value is not None},
            text=True,
        )
        done = Done(ended.returncode, ended.stdout, ended.stderr)
        secrets = [*self.tokens.given, *(one.form.get("client_assertion", "?") for one in self.tokens.exchanges)]
        assert not any(secret in done.said for secret in secrets), done.said
        assert "eyJ" not in done.said, done.said
        assert "Traceback" not in done.said, done.said
        return done


@contextlib.contextmanager
def pod(folder: Path, cluster: Cluster, certificates: tuple[Path, Path], **world: Any) -> Iterator[Pod]:
    trusted, served = certificates
    tokens = TokenEndpoint(cluster)
    emulator = Emulator(agents=2, sessions=60, require_token=True, **world)
    access = HttpAccess(emulator, tokens.is_good)
    with serving(tokens, ssl_certfile=served) as token_port, serving(access) as port:
        environ = {
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_TENANT_ID": TENANT,
            "AZURE_FEDERATED_TOKEN_FILE": str(folder / "azure-identity-token"),
            "AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{token_port}/",
            "SSL_CERT_FILE": str(trusted),
            "NO_PROXY": "127.0.0.1",
        }
        made = Pod(folder, cluster, tokens, emulator, access, environ, f"http://127.0.0.1:{port}{PROJECT_PATH}")
        made.project(cluster.token())
        yield made
