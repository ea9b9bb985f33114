"""`reaper sweep` as a real process under workload identity: federated exchanges, renewals, and refusals."""

from __future__ import annotations

import socket
import time
from collections import Counter

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from identity_world import ASSERTION_TYPE, AUDIENCE, CLIENT, SCOPE, SUBJECT, Pod

pytestmark = pytest.mark.process


def refused(pod: Pod, **environ: str | None) -> str:
    """The one line that tells of a sweep that got no token."""
    done = pod.sweep(**environ)  # type: ignore[arg-type]
    assert done.code == 1, done.said
    assert pod.deleted() == []
    assert pod.emulator.api.requests.total() == 0
    lines = [line for line in done.stdout.splitlines() if "no token from the credential 'workload-identity'" in line]
    assert len(lines) == 1, done.said
    assert [line["result"] for line in done.log if line["event"] == "sweep"] == ["failed"]
    return lines[0]


@pytest.mark.parametrize("credential", ["workload-identity", "default"])
def test_a_sweep_trades_the_service_account_token_and_deletes_what_is_due(here: Pod, credential: str) -> None:
    due = here.due()
    assert due
    done = here.sweep(credential)
    assert done.code == 0, done.said
    assert set(here.deleted()) == due
    [exchange] = here.tokens.exchanges
    assert exchange.form["grant_type"] == "client_credentials"
    assert exchange.form["client_assertion_type"] == ASSERTION_TYPE
    assert exchange.form["client_id"] == CLIENT
    assert exchange.form["scope"] == SCOPE
    assert exchange.claims["aud"] == [AUDIENCE]
    assert exchange.claims["sub"] == SUBJECT
    assert here.access.rejected == 0


def test_tokens_that_end_during_a_sweep_are_renewed_with_the_service_account_token_as_it_is_then(slow: Pod) -> None:
    due = slow.due()
    slow.tokens.lifetime_s = 2
    first = slow.token_file.read_text()

    def rotate(exchanges_before: int) -> None:
        if exchanges_before == 0:
            slow.project(slow.cluster.token())

    slow.tokens.before = rotate
    started = time.monotonic()
    done = slow.sweep(concurrency=2)
    took = time.monotonic() - started
    assert done.code == 0, done.said
    assert Counter(slow.deleted()) == Counter(due)
    assert slow.access.rejected >= 1
    assert 2 <= len(slow.tokens.given) <= took / slow.tokens.lifetime_s + 1
    assert len(set(slow.tokens.given)) == len(slow.tokens.given) == len(slow.tokens.exchanges)
    assertions = [exchange.form["client_assertion"] for exchange in slow.tokens.exchanges]
    assert assertions[0] == first
    assert set(assertions[1:]) == {slow.token_file.read_text()}


def test_a_renewal_that_is_refused_ends_the_sweep_as_failed_and_deletes_nothing_more(slow: Pod) -> None:
    due = slow.due()
    slow.tokens.lifetime_s = 1

    def spoil(exchanges_before: int) -> None:
        if exchanges_before == 0:
            slow.project(slow.cluster.token(aud=["https://kubernetes.default.svc"]))

    slow.tokens.before = spoil
    done = slow.sweep(concurrency=2)
    assert done.code == 1, done.said
    assert "Audience doesn't match" in done.said
    assert len(slow.tokens.given) == 1
    assert set(slow.deleted()) < due


def test_a_wrong_audience_is_told_in_one_line_without_the_token_that_the_refusal_holds(here: Pod) -> None:
    here.tokens.echoes = True
    here.project(here.cluster.token(aud=["https://kubernetes.default.svc"]))
    assert "AADSTS70021: Audience doesn't match" in refused(here)
    assert len(here.tokens.exchanges) == 1


def test_a_wrong_client_is_told_in_one_line(here: Pod) -> None:
    said = refused(here, AZURE_CLIENT_ID="ffffffff-0000-0000-0000-000000000000")
    assert "Application 'ffffffff-0000-0000-0000-000000000000' was not found" in said


def test_a_subject_without_federation_is_told_in_one_line(here: Pod) -> None:
    here.project(here.cluster.token(sub="system:serviceaccount:default:default"))
    assert "No matching federated identity" in refused(here)


def test_a_service_account_token_of_another_cluster_is_told_in_one_line(here: Pod) -> None:
    here.project(here.cluster.token(rsa.generate_private_key(65537, 2048)))
    assert "Signature verification failed" in refused(here)


def test_a_token_file_that_cannot_be_read_is_named(here: Pod) -> None:
    here.token_file.unlink()
    here.token_file.mkdir()
    assert str(here.token_file) in refused(here)
    assert here.tokens.exchanges == []


def test_variables_that_were_not_injected_are_told_in_one_line(here: Pod) -> None:
    lines = refused(here, AZURE_CLIENT_ID=None, AZURE_FEDERATED_TOKEN_FILE=None)
    assert "not in the environment: AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE" in lines
    assert here.tokens.exchanges == []


def test_a_token_endpoint_that_is_down_is_told_in_one_line(here: Pod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    lines = refused(here, AZURE_AUTHORITY_HOST=f"https://127.0.0.1:{port}/")
    assert f"the token endpoint was not reached: Cannot connect to host 127.0.0.1:{port}" in lines


def test_a_token_endpoint_with_an_unknown_certificate_gets_no_assertion(here: Pod) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in refused(here, SSL_CERT_FILE=None)
    assert here.tokens.exchanges == []


def test_an_authority_without_tls_gets_no_assertion(here: Pod) -> None:
    plain = here.environ["AZURE_AUTHORITY_HOST"].replace("https", "http")
    assert "must be a TLS protected (https) URL" in refused(here, AZURE_AUTHORITY_HOST=plain)
    assert here.tokens.exchanges == []
