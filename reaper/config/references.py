"""What must fit together across the file: names that are referred to, and things that may be there only once."""

from __future__ import annotations

from collections.abc import Iterator

from reaper.config.addresses import Endpoint, parse_endpoint
from reaper.config.document import Document, Value
from reaper.config.holds import hold_findings
from reaper.config.models import DEFAULT_LISTEN
from reaper.config.problem import BadValue, Finding, Path, did_you_mean, escaped, show_path
from reaper.config.tree import child, entries, has, items, texts
from reaper.core.policy import BEYOND, NEWEST


def reference_findings(document: Document) -> list[Finding]:
    """Everything that refers to nothing, or stands twice where it may stand once."""
    root = document.value
    return [
        *_policies_of_agents(root),
        *_agents_listed_twice(root),
        *_rules_named_twice(root),
        *_rules_named_as_ranks(root),
        *_connections(root),
        *_endpoints_used_twice(root),
        *_projects_of_quotas(root),
        *_listeners(root),
        *hold_findings(root),
    ]


def _agents(root: Value) -> Iterator[tuple[Path, Value]]:
    for path, project in entries(root, (), "projects"):
        yield from items(project, path, "agents")


def _policies_of_agents(root: Value) -> Iterator[Finding]:
    policies = child(root, "policies")
    if not isinstance(policies, dict):
        return
    for path, agent in _agents(root):
        name, seen = child(agent, "policy"), dict[str, Path]()
        if isinstance(name, str) and name not in policies:
            yield Finding((*path, "policy"), "is not one of the policies", did_you_mean(name, policies))
        for place, chosen in texts(agent, path, "may_choose"):
            if chosen not in policies:
                yield Finding(place, "is not one of the policies", did_you_mean(chosen, policies))
            elif seen.setdefault(chosen, place) != place:
                yield Finding(place, f"is listed already in {show_path(seen[chosen])}", "remove one of them")


def _agents_listed_twice(root: Value) -> Iterator[Finding]:
    seen: dict[tuple[Path, str], Path] = {}
    for path, agent in _agents(root):
        name = child(agent, "name")
        if not isinstance(name, str):
            continue
        first = seen.setdefault((path[:2], name), path)
        if first != path:
            message = f"is listed twice, first as {show_path(first)}"
            yield Finding((*path, "name"), message, "remove one of them; the first decides")


def _rules_named_twice(root: Value) -> Iterator[Finding]:
    for path, policy in entries(root, (), "policies"):
        seen: dict[str, Path] = {}
        for place, rule in items(policy, path, "rules"):
            name = child(rule, "name")
            if isinstance(name, str) and seen.setdefault(name, place) != place:
                message = f"names two rules, the first is {show_path(seen[name])}"
                yield Finding((*place, "name"), message, "give each rule of a policy its own name")


def _rules_named_as_ranks(root: Value) -> Iterator[Finding]:
    """What names a rule, such as a metric or the record, would mean two things."""
    for path, policy in entries(root, (), "policies"):
        for place, rule in items(policy, path, "rules"):
            name = child(rule, "name")
            if isinstance(name, str) and name in {BEYOND.name, NEWEST.name} and has(policy, name):
                message = f"is the name under which the {name} of this policy is shown"
                yield Finding((*place, "name"), message, "give the rule another name")


def _endpoints(root: Value) -> Iterator[tuple[Path, Value, Endpoint]]:
    for path, project in entries(root, (), "projects"):
        text = child(project, "endpoint")
        try:
            endpoint = parse_endpoint(text) if isinstance(text, str) else None
        except BadValue:
            continue
        if endpoint:
            yield path, project, endpoint


def _connections(root: Value) -> Iterator[Finding]:
    for path, project, endpoint in _endpoints(root):
        place = (*path, "endpoint")
        trusted = child(project, "trusted_host") is True
        if endpoint.scheme == "http" and not endpoint.is_loopback:
            yield Finding(place, "sends tokens unencrypted", "write https://; http:// is for loopback only")
        elif not (endpoint.is_loopback or endpoint.is_platform or trusted):
            message = "is not one of the platform's hosts (*.services.ai.azure.com, *.services.ai.azure.us)"
            yield Finding(place, message, "mend the name, or set `trusted_host: true` beside it")
        if child(project, "credential") == "none" and not (endpoint.is_loopback or trusted):
            hint = "name the identity that asks for tokens, as in workload-identity"
            yield Finding((*path, "credential"), "is for loopback and trusted hosts only", hint)
        yield from _headers_named_twice(project, path)


def _headers_named_twice(project: Value, path: Path) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for place, _ in entries(project, path, "headers"):
        name = str(place[-1])
        first = seen.setdefault(name.lower(), name)
        if first != name:
            message = f"the same header as {escaped(first)}"
            yield Finding(place, message, "upper and lower case do not matter: remove one", False, at_key=True)


def _endpoints_used_twice(root: Value) -> Iterator[Finding]:
    """Two projects on one endpoint would judge each session twice, and each with the full limits."""
    seen: dict[tuple[str, int, str], Path] = {}
    for path, _, endpoint in _endpoints(root):
        first = seen.setdefault((endpoint.host, endpoint.port, endpoint.project.lower()), path)
        if first != path:
            message = f"is the endpoint of {show_path(first)} too"
            yield Finding((*path, "endpoint"), message, "put the agents of both under one project")


def _projects_of_quotas(root: Value) -> Iterator[Finding]:
    projects = child(root, "projects")
    seen: dict[str, Path] = {}
    for path, quota in entries(root, (), "quotas"):
        for place, name in texts(quota, path, "projects"):
            if isinstance(projects, dict) and name not in projects:
                yield Finding(place, "is not one of the projects", did_you_mean(name, projects))
            elif seen.setdefault(name, place) != place:
                message = f"is counted already in {show_path(seen[name])}"
                yield Finding(place, message, "a project belongs to one subscription and region: remove one")


def _listeners(root: Value) -> Iterator[Finding]:
    server = child(root, "server")
    page, listen = child(server, "page"), child(server, "listen") or DEFAULT_LISTEN
    if isinstance(page, str) and page == listen and not page.endswith(":0"):
        yield Finding(("server", "page"), "is `listen`, too", "write another port, or remove the key")
