"""Who reaches whom: the NetworkPolicies, read as a network plugin reads them."""

from __future__ import annotations

import pytest
import yaml

from tests.helm.chart import NAMESPACE, ROOT, Chart, one_model, render, selects

GRPC, HEALTH, METRICS, SSH = 50051, 50052, 9464, 2222
ELSEWHERE = {"app": "other"}


def is_peer(peer, labels, namespace):
    """Tell whether a pod is one of a rule's. An address stands for what is no pod."""
    if "ipBlock" in peer:
        return labels is None
    if labels is None:
        return False
    where = peer.get("namespaceSelector")
    if where is None and namespace != NAMESPACE:
        return False
    if where is not None and not selects(where, {"kubernetes.io/metadata.name": namespace}):
        return False
    return selects(peer.get("podSelector", {}), labels)


def allows(chart, direction, pod, other, port, namespace=NAMESPACE):
    """Tell whether some policy of a pod's lets it be reached by another (Ingress), or reach it (Egress)."""
    policies = [
        policy["spec"]
        for policy in chart.all("NetworkPolicy")
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pod)
    ]
    if not policies:
        return True
    rules = [rule for policy in policies for rule in policy.get(direction.lower()) or ()]
    side = "from" if direction == "Ingress" else "to"
    return any(
        (side not in rule or any(is_peer(peer, other, namespace) for peer in rule[side]))
        and ("ports" not in rule or any(each["port"] == port for each in rule["ports"]))
        for rule in rules
    )


def labels(chart: Chart, name):
    """Give the labels of the pods of a workload."""
    return chart.pod(name)["metadata"]["labels"]


def reaches(chart, caller, called, port):
    """Tell whether both ends allow it."""
    return allows(chart, "Egress", caller, called, port) and allows(chart, "Ingress", called, caller, port)


@pytest.fixture(scope="module")
def chart():
    """All that there is."""
    return render("everything")


def test_calls_go_from_clients_by_the_gateway_to_models(chart):
    gateway, model = labels(chart, "Deployment/paddock-gateway"), labels(chart, "Deployment/paddock-model-chat")
    assert allows(chart, "Ingress", gateway, ELSEWHERE, GRPC)
    assert not allows(chart, "Ingress", gateway, ELSEWHERE, GRPC, namespace="another")
    assert not allows(chart, "Ingress", model, ELSEWHERE, GRPC)
    assert reaches(chart, gateway, model, GRPC)
    assert not reaches(chart, model, gateway, GRPC)


@pytest.mark.parametrize("port", [HEALTH, SSH, 80])
def test_no_pod_reaches_another_port(chart, port):
    """The kubelet, which asks for health, is the node's and no policy's matter."""
    for name, pod in chart.templates():
        if "LeaderWorkerSet" not in name:
            for caller in (ELSEWHERE, labels(chart, "Deployment/paddock-gateway")):
                assert not allows(chart, "Ingress", pod["metadata"]["labels"], caller, port), name


def test_metrics_are_prometheus_matter(chart):
    for name in ("Deployment/paddock-gateway", "Deployment/paddock-model-chat", "StatefulSet/paddock-model-guard"):
        pod = labels(chart, name)
        assert allows(chart, "Ingress", pod, {"app": "prometheus"}, METRICS, namespace="monitoring")
        assert not allows(chart, "Ingress", pod, ELSEWHERE, METRICS)
        assert not allows(chart, "Ingress", pod, {"app": "prometheus"}, GRPC, namespace="monitoring")


def test_guards_are_asked_by_the_models_they_guard(chart):
    chat, guard = labels(chart, "Deployment/paddock-model-chat"), labels(chart, "StatefulSet/paddock-model-guard")
    prompt = labels(chart, "Deployment/paddock-model-prompt")
    assert reaches(chart, chat, guard, GRPC)
    assert not reaches(chart, guard, chat, GRPC)
    assert not reaches(chart, prompt, guard, GRPC)


def test_the_ranks_of_one_model_reach_each_other_on_all_ports(chart):
    leader, rank = (
        labels(chart, f"LeaderWorkerSet/paddock-group-wide/{role}Template") for role in ("leader", "worker")
    )
    assert all(reaches(chart, one, other, 31337) for one, other in ((leader, rank), (rank, leader)))
    assert not reaches(chart, labels(chart, "Deployment/paddock-model-chat"), rank, SSH)
    assert reaches(chart, labels(chart, "Deployment/paddock-gateway"), leader, GRPC)


def test_names_are_looked_up_and_traces_sent(chart):
    dns = {"k8s-app": "kube-dns"}
    for name, pod in chart.templates():
        its = pod["metadata"]["labels"]
        assert allows(chart, "Egress", its, dns, 53, namespace="kube-system"), name
        serves = not name.startswith(("Job/", "Pod/"))
        assert allows(chart, "Egress", its, {"app": "otel"}, 4317, namespace="monitoring") == serves, name


def test_only_who_fetches_reaches_the_hub(chart):
    """Addresses outside: the hub's, by port 443."""
    job = next(name for name, _ in chart.templates() if name.startswith("Job/paddock-build-chat"))
    assert allows(chart, "Egress", labels(chart, job), None, 443)
    assert not allows(chart, "Egress", labels(chart, "Deployment/paddock-model-chat"), None, 443)
    assert allows(chart, "Egress", labels(chart, "StatefulSet/paddock-model-guard"), None, 443)  # for itself
    assert not allows(chart, "Egress", labels(chart, "Deployment/paddock-gateway"), None, 443)
    watching = render(gateway={"discovery": "endpointSlices"})
    assert allows(watching, "Egress", labels(watching, "Deployment/paddock-gateway"), None, 443)  # Kubernetes' API
    assert not allows(watching, "Egress", labels(watching, "Deployment/paddock-model-paddock-tiny"), None, 443)


def test_the_hub_is_reached_by_either_kind_of_address(chart):
    """As there may be one only, for which `listen` is."""
    (rule,) = chart.one("NetworkPolicy", "paddock-build-chat")["spec"]["egress"]
    assert {peer["ipBlock"]["cidr"] for peer in rule["to"]} == {"0.0.0.0/0", "::/0"}


def test_an_empty_list_of_peers_is_nobody():
    """To Kubernetes, `to: []` is everybody."""
    nobody = {"networkPolicy": {"dns": [], "hub": [], "kubernetesApi": []}}
    models = {"job": {"cache": {"size": "1Gi"}}, "self": {}}
    closed = render(models={key: {"checkpoint": "org/name", **each} for key, each in models.items()}, **nobody)
    for name, pod in closed.templates():
        for port in (53, 443, 6443):
            assert not allows(closed, "Egress", pod["metadata"]["labels"], None, port), (name, port)


def test_helm_s_tests_reach_what_clients_do(chart):
    test = labels(chart, "Pod/paddock-test-chat")
    gateway, model = labels(chart, "Deployment/paddock-gateway"), labels(chart, "Deployment/paddock-model-chat")
    assert reaches(chart, test, gateway, GRPC)
    assert not reaches(chart, test, model, GRPC)
    closed = render(networkPolicy={"clients": []})
    assert reaches(closed, test, gateway, GRPC)


def test_without_a_gateway_clients_reach_models():
    chart = render(gateway={"enabled": False}, **one_model())
    model = labels(chart, "Deployment/paddock-model-mine")
    assert allows(chart, "Ingress", model, ELSEWHERE, GRPC)
    assert reaches(chart, labels(chart, "Pod/paddock-test-mine"), model, GRPC)


def test_pods_of_other_releases_are_not_let_in(chart):
    stranger = {**labels(chart, "Deployment/paddock-gateway"), "app.kubernetes.io/instance": "another"}
    assert not allows(chart, "Ingress", labels(chart, "Deployment/paddock-model-chat"), stranger, GRPC)


def test_it_can_be_left_to_others():
    assert not render(networkPolicy={"enabled": False}).all("NetworkPolicy")


MESHES = {"istio": (GRPC, "istio-system", 15012), "ambient": (15008, None, None), "linkerd": (4143, "linkerd", 8086)}
"""The port by which pods call each other, and the namespace and a port of the control plane that proxies need."""


@pytest.mark.parametrize("mesh", MESHES)
def test_a_mesh_gets_its_ports(mesh):
    """By the values that docs/deploying.md has for it."""
    text = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    values = yaml.safe_load(text.partition(f"# {mesh}.yaml\n")[2].partition("```")[0])
    chart = render(**values)
    gateway, model = (labels(chart, f"Deployment/paddock-{name}") for name in ("gateway", "model-paddock-tiny"))
    port, control, its_port = MESHES[mesh]
    assert reaches(chart, gateway, model, port)
    for pod in (gateway, model):
        assert control is None or allows(chart, "Egress", pod, {"app": "proxy"}, its_port, namespace=control)
        assert not allows(chart, "Egress", pod, ELSEWHERE, port, namespace="another") or mesh == "ambient"
    service = chart.one("Service", "paddock-model-paddock-tiny")
    assert (service["spec"]["ports"][0]["appProtocol"] == "tcp") == (mesh == "istio")
