"""What `deploy/` offers is valid, and agrees with the program: its settings, routes, meters and times."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from headgate.http.meters import Meters
from headgate.http.server import drain, siblings
from headgate.kernel import units
from headgate.platform import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "headgate.service"
FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
NO_OBJECTS = {"kustomization.yaml", "prometheus-adapter.yaml"}
VERSIONS = ("1.30.0", "1.33.0", kubernetes_validate.latest_version())
REST_S = 10
"""What a server may need beside the delay and its answers: jobs that give themselves back, traces that are written."""


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in FILES:
        if file.name not in NO_OBJECTS:
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                yield f"{file.name} {document['kind']}", document


OBJECTS = dict(objects())


def settings() -> set[str]:
    """Return the variables that the program reads."""
    sections = [section.default_factory for section in fields(Settings)]
    return {item.metadata["env"] for section in sections for item in fields(section)}  # type: ignore[arg-type]


def drained_in(delay: str) -> float:
    return units.parse_duration(delay) / 1e6 + drain.ANSWERS_S + drain.ENDS_S + REST_S


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_kubernetes_understands_every_object(name: str, version: str) -> None:
    kubernetes_validate.validate(OBJECTS[name], version, strict=True)


def test_a_wrong_key_would_be_found() -> None:
    wrong = {**OBJECTS["service.yaml Service"], "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_what_is_applied_together_exists() -> None:
    listed = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert set(listed) == {file.name for file in FILES} - NO_OBJECTS - {"vllm.yaml"}


def test_settings_exist_and_hold_no_secret() -> None:
    data = OBJECTS["configmap.yaml ConfigMap"]["data"]
    assert set(data) <= settings()
    assert not [name for name in data if "KEY" in name or "DATABASE" in name or "SPANS" in name]
    named = {pair.partition("=")[0] for key, pair in unit() if key == "Environment"}
    assert named <= settings()


@pytest.mark.parametrize("name", ["deployment.yaml Deployment", "vllm.yaml Deployment"])
def test_parts_name_each_other(name: str) -> None:
    spec = OBJECTS[name]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    [container] = spec["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    probes = [container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")]
    assert {probe["port"] for probe in probes} <= ports
    volumes = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    services = [
        found for found in OBJECTS.values() if found["kind"] == "Service" and found["spec"]["selector"] == labels
    ]
    assert [service["spec"]["ports"][0]["targetPort"] for service in services] == ["http"]
    scalers = [found["spec"]["scaleTargetRef"] for found in OBJECTS.values() if "Autoscaler" in found["kind"]]
    assert {"apiVersion": "apps/v1", "kind": "Deployment", "name": OBJECTS[name]["metadata"]["name"]} in scalers


def test_a_pod_lives_until_it_is_drained_and_asks_routes_that_exist() -> None:
    spec = OBJECTS["deployment.yaml Deployment"]["spec"]["template"]["spec"]
    data = OBJECTS["configmap.yaml ConfigMap"]["data"]
    assert spec["terminationGracePeriodSeconds"] >= drained_in(data["HEADGATE_DRAIN_DELAY"])
    [container] = spec["containers"]
    ready = container["readinessProbe"]
    noticed = ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"]
    assert units.parse_duration(data["HEADGATE_DRAIN_DELAY"]) / 1e6 >= noticed, "until nobody is sent here any more"
    routes = (ROOT / "src/headgate/http/app.py").read_text(encoding="utf-8")
    for probe in ("startup", "liveness", "readiness"):
        assert f'"{container[f"{probe}Probe"]["httpGet"]["path"]}": ("GET"' in routes
    assert container["ports"][0]["containerPort"] == int(data["HEADGATE_PORT"])


def test_a_pod_may_do_little() -> None:
    spec = OBJECTS["deployment.yaml Deployment"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    [container] = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"memory"} <= set(container["resources"]["limits"])
    assert all(mount["mountPath"] != "/" for mount in container["volumeMounts"])


def test_what_scales_is_measured_and_adapted() -> None:
    rules = yaml.safe_load((DEPLOY / "kubernetes/prometheus-adapter.yaml").read_text(encoding="utf-8"))["rules"][
        "custom"
    ]
    adapted = {rule["name"]["as"]: rule["seriesQuery"].partition("{")[0] for rule in rules}
    asked = {
        metric["pods"]["metric"]["name"]
        for found in OBJECTS.values()
        if found["kind"] == "HorizontalPodAutoscaler"
        for metric in found["spec"]["metrics"]
        if metric["type"] == "Pods"
    }
    assert asked == set(adapted)
    own = siblings.merged({0: Meters(lambda: 0).render()}).decode()
    assert f"\n{adapted['headgate_in_flight']}{{" in own


def unit() -> list[tuple[str, str]]:
    """Read the unit strictly: sections, `Key=value`, comments, nothing else."""
    found = []
    for number, line in enumerate(UNIT.read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#") and not re.fullmatch(r"\[(Unit|Service|Install)\]", line):
            pair = re.fullmatch(r"([A-Z][A-Za-z]+)=(.*)", line)
            assert pair, f"{UNIT.name}:{number}: {line}"
            found.append((pair[1], pair[2]))
    return found


def test_the_unit_starts_what_exists_and_waits_for_the_drain() -> None:
    pairs = unit()
    once = dict(pairs)
    repeated = {key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1}
    assert repeated == {"Environment"}
    given = dict(pair.split("=", 1) for key, pair in pairs if key == "Environment")
    assert units.parse_duration(once["TimeoutStopSec"]) / 1e6 >= drained_in(given["HEADGATE_DRAIN_DELAY"])
    assert re.fullmatch(r"/\S+/headgate serve --host \S+ --port \d+", once["ExecStart"])
    assert (once["KillMode"], once["KillSignal"], once["Restart"]) == ("mixed", "SIGTERM", "always")
    assert once["ReadWritePaths"] == f"{once['WorkingDirectory']}/.headgate"
    assert {once[key] for key in ("NoNewPrivileges", "PrivateDevices", "RestrictSUIDSGID")} == {"yes"}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    checked = tmp_path / UNIT.name
    checked.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/sh", text), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(checked)], capture_output=True, text=True)
    own = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, own) == (0, [])
