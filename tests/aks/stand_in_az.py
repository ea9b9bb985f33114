"""`az` for stand_in.py: the grammar is that of the real one (az_grammar.json), the answers are the world's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

GRAMMAR = json.loads((Path(__file__).parent / "az_grammar.json").read_text())
READS = ("show", "list", "get-credentials", "show-tags")
Given = dict[str, Any]
World = dict[str, Any]


def command(world: World, arguments: list[str], folder: Path) -> tuple[bool, Callable[[], str]]:
    """Whether a call changes anything, and how to do it; ValueError for what the real one refuses."""
    name = max((known for known in GRAMMAR["commands"] if _begins(arguments, known)), key=len, default=None)
    if name is None:
        raise ValueError(f"'{' '.join(arguments)}' is misspelled or not recognized by the system.")
    given = {**_parsed(name, arguments[len(name.split()) :]), "folder": folder}
    answer = ANSWERS[name]
    return not name.endswith(READS), lambda: printed(answer(world, given), given)


def _begins(arguments: list[str], known: str) -> bool:
    return arguments[: len(known.split())] == known.split()


def _parsed(name: str, rest: list[str]) -> Given:
    """The options by their first name."""
    found: Given = {}
    known = GRAMMAR["commands"][name]
    first = {word: words.split()[0] for words in (*known["options"], *GRAMMAR["common"]) for word in words.split()}
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") and name in GRAMMAR["positional"]:
            found["positional"] = word
        elif word not in first:
            raise ValueError(f"unrecognized arguments: {word}")
        elif word in GRAMMAR["switches"]:
            found[word] = True
        else:
            values = [rest.pop(0)] if rest else []
            while word in GRAMMAR["many"] and rest and not rest[0].startswith("-"):
                values.append(rest.pop(0))
            if not values or values[0].startswith("--"):
                raise ValueError(f"argument {word}: expected one argument")
            found[first[word]] = values if word in GRAMMAR["many"] else values[0]
    if missing := [option for option in known["required"] if option not in found]:
        raise ValueError(f"the following arguments are required: {', '.join(missing)}")
    return found


def printed(value: Any, given: Given) -> str:
    """What the real one prints: nothing for nothing, `tsv` without quotes, `true` in small letters."""
    found = asked(value, given["--query"]) if "--query" in given else value
    if found is None or given.get("--output") == "none":
        return ""
    if given.get("--output") != "tsv":
        return json.dumps(found, indent=2) + "\n"
    return "".join(f"{_row(row)}\n" for row in (found if isinstance(found, list) else [found]))


def _row(row: Any) -> str:
    if isinstance(row, bool):
        return str(row).lower()
    return "\t".join(map(str, row)) if isinstance(row, list) else str(row)


def asked(value: Any, query: str) -> Any:
    """As much of JMESPath as is used here; ValueError for more."""
    if query.startswith("[?"):
        chosen = re.fullmatch(r"\[\?(\w+)=='([^']*)'\]\.(.+)", query)
        if chosen is None:
            raise ValueError(f"argument --query: invalid jmespath_type value: {query!r}")
        return [asked(item, chosen[3]) for item in value if item[chosen[1]] == chosen[2]]
    if query.startswith("[") and not query.startswith("[]"):
        return [asked(value, part.strip()) for part in query[1:-1].split(",")]
    head, _, rest = query.partition(".")
    if not re.fullmatch(r"\w*(\[\])?", head):
        raise ValueError(f"argument --query: invalid jmespath_type value: {query!r}")
    name = head.removesuffix("[]")
    found = value.get(name) if name and value is not None else value
    if not head.endswith("[]"):
        return asked(found, rest) if rest and found is not None else found
    inner = [asked(item, rest) if rest else item for item in found]
    return [one for item in inner for one in (item if isinstance(item, list) else [item])]


def _of(world: World, kind: str, name: str) -> Any:
    if name not in world[kind]:
        raise ValueError(f"(ResourceNotFound) {name} was not found among the {kind}.")
    return world[kind][name]


def _aks_show(world: World, given: Given) -> Any:
    cluster = _of(world, "clusters", given["--name"])
    return {
        "oidcIssuerProfile": {
            "enabled": cluster["oidc"],
            "issuerUrl": cluster["issuer"] if cluster["oidc"] else None,
        },
        "securityProfile": {"workloadIdentity": {"enabled": True} if cluster["identity"] else None},
        "identityProfile": {"kubeletidentity": {"objectId": cluster["kubelet"]}},
    }


def _aks_update(world: World, given: Given) -> Any:
    cluster = _of(world, "clusters", given["--name"])
    cluster["oidc"] = cluster["oidc"] or "--enable-oidc-issuer" in given
    cluster["identity"] = cluster["identity"] or "--enable-workload-identity" in given
    if "--attach-acr" in given:
        _role_assignment_create(
            world,
            {
                "--role": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
                "--scope": f"/registries/{given['--attach-acr']}",
                "--assignee-object-id": cluster["kubelet"],
            },
        )
    if "--enable-azure-monitor-metrics" in given:
        world["crds"].append("servicemonitors.azmonitoring.coreos.com")
    return _aks_show(world, given)


def _get_credentials(world: World, given: Given) -> None:
    _of(world, "clusters", given["--name"])
    if "--file" in given:
        (given["folder"] / given["--file"]).write_text(given["--name"])
    else:
        world["kubeconfig"] = given["--name"]


def _identity_create(world: World, given: Given) -> Any:
    name = given["--name"]
    number = sum(map(ord, name))
    fresh = {
        "name": name,
        "clientId": f"00000000-0000-4000-8000-{number:012}",
        "principalId": f"10000000-0000-4000-8000-{number:012}",
        "credentials": {},
    }
    return world["identities"].setdefault(name, fresh)


def _identities(world: World, given: Given) -> Any:
    if world["identities"] is None:
        raise ValueError("the connection broke")
    return list(world["identities"].values())


def _credential(world: World, given: Given) -> Any:
    identity = _of(world, "identities", given["--identity-name"])
    identity["credentials"][given["--name"]] = {
        "name": given["--name"],
        "issuer": given["--issuer"],
        "subject": given["--subject"],
        "audiences": [given["--audiences"]],
    }


def _credentials(world: World, given: Given) -> Any:
    return list(_of(world, "identities", given["--identity-name"])["credentials"].values())


def _assignment(given: Given) -> dict[str, str]:
    role, scope, who = given["--role"], given["--scope"], given["--assignee-object-id"]
    return {"id": f"{scope}:{role}:{who}", "role": role, "scope": scope, "who": who}


def _role_assignment_create(world: World, given: Given) -> Any:
    if _assignment(given) not in world["assignments"]:
        world["assignments"].append(_assignment(given))


def _role_assignment_delete(world: World, given: Given) -> Any:
    if _assignment(given) not in world["assignments"]:
        raise ValueError("No matched assignments were found to delete")
    world["assignments"].remove(_assignment(given))


def _role_assignments(world: World, given: Given) -> Any:
    return [found for found in world["assignments"] if found == _assignment(given)]


def _role_definition_create(world: World, given: Given) -> Any:
    text = given["--role-definition"]
    role = json.loads((given["folder"] / text[1:]).read_text() if text.startswith("@") else text)
    world["roles"][role["Name"]] = role


def _acr_build(world: World, given: Given) -> Any:
    if not (given["folder"] / given["positional"] / "Dockerfile").exists():
        raise ValueError(f"Unable to find '{given['positional']}/Dockerfile'.")
    _push(world, given["--registry"], given["--image"])


def _push(world: World, registry: str, image: str) -> None:
    repository, _, tag = image.partition(":")
    tags = _of(world, "registries", registry).setdefault(repository, {})
    tags[tag] = "sha256:" + f"{sum(map(ord, image)):064x}"


def _tags(world: World, given: Given) -> Any:
    repositories = _of(world, "registries", given["--name"])
    if given["--repository"] not in repositories:
        raise ValueError("repository name not known to registry.")
    return list(repositories[given["--repository"]])


def _image(world: World, given: Given) -> Any:
    repository, _, tag = given["--image"].partition(":")
    return {"digest": _of(world, "registries", given["--name"])[repository][tag]}


def _deployment(world: World, given: Given) -> Any:
    template = json.loads((given["folder"] / given["--template-file"]).read_text())
    parameters = dict(text.split("=", 1) for text in given["--parameters"])
    if unknown := parameters.keys() - template["parameters"].keys():
        raise ValueError(f"The following parameters are not in the template: {unknown}")
    needed = {name for name, declared in template["parameters"].items() if "defaultValue" not in declared}
    if missing := needed - parameters.keys():
        raise ValueError(f"Missing input parameters: {missing}")
    world["deployments"][given["--name"]] = {"template": template["metadata"], "parameters": parameters}


def _resource(world: World, given: Given) -> Any:
    return {"id": given["--ids"], "location": _of(world, "resources", given["--ids"])}


ANSWERS: dict[str, Callable[[World, Given], Any]] = {
    "account show": lambda world, given: {"name": "production", "id": "s", "user": {"name": "somebody"}},
    "acr build": _acr_build,
    "acr import": lambda world, given: _push(world, given["--name"], given["--image"]),
    "acr repository list": lambda world, given: list(_of(world, "registries", given["--name"])),
    "acr repository show": _image,
    "acr repository show-tags": _tags,
    "acr show": lambda world, given: {
        "loginServer": f"{given['--name']}.azurecr.io",
        "id": f"/registries/{given['--name']}",
    },
    "aks get-credentials": _get_credentials,
    "aks show": _aks_show,
    "aks update": _aks_update,
    "deployment group create": _deployment,
    "identity create": _identity_create,
    "identity federated-credential create": _credential,
    "identity federated-credential list": _credentials,
    "identity federated-credential update": _credential,
    "identity list": _identities,
    "identity show": lambda world, given: _of(world, "identities", given["--name"]),
    "provider operation show": lambda world, given: {
        "resourceTypes": [{"operations": [{"name": name} for name in world["actions"]]}]
    },
    "resource show": _resource,
    "role assignment create": _role_assignment_create,
    "role assignment delete": _role_assignment_delete,
    "role assignment list": _role_assignments,
    "role definition create": _role_definition_create,
}
