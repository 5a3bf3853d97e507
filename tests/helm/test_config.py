"""What the chart sets reaches the process: files and arguments go through its own loader and command line."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from services.commands.command_line import parse
from tests.helm.chart import SETS, Chart, loaded, one_model, render

GATEWAYS = ("cpu-embedded", "everything")
"""Of other presets, the gateway's configuration is that of the first with another model's name."""


def servers(chart: Chart):
    """Give the pods that serve, by the name of what makes them."""
    return {
        name: pod
        for name, pod in chart.templates()
        if not name.startswith(("Pod/", "Job/")) and not name.endswith("/workerTemplate")
    }


@pytest.mark.parametrize("name", SETS)
def test_every_process_understands_its_configuration(name):
    chart = render(name, gateway={"discovery": "dns"})
    for where, pod in servers(chart).items():
        if "gateway" in where and name not in GATEWAYS:
            continue
        config = loaded(chart, pod)
        check_ports(config, pod)
        check_times(config, pod, where)
        if "gateway" in where:
            assert not config.models
            check_routes(config, chart)
        else:
            (model,) = config.models.values()
            check_gpus(model.backend, pod)
            (again,) = (key for key in config.models)
            assert pod["metadata"]["labels"]["paddock/model"] == again


def check_ports(config, pod):
    """The ports are the ones served, and the probes ask where health answers in the clear."""
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    server = config.server
    addresses = {
        "grpc": server.address,
        "health": server.health_address,
        "metrics": config.telemetry.metrics_address,
    }
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == addresses
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == ports["health"]
    assert container["livenessProbe"]["grpc"]["service"] == "liveness"
    assert "service" not in container["readinessProbe"]["grpc"]


def check_times(config, pod, where):
    """The process stops within the grace period, however long its calls go on."""
    (container,) = pod["spec"]["containers"]
    stop = container["lifecycle"]["preStop"]
    before = 15 if where.endswith("leaderTemplate") else stop["sleep"]["seconds"]
    needed = before + config.server.drain_s + config.server.close_s + config.telemetry.flush_s
    assert needed + 10 <= pod["spec"]["terminationGracePeriodSeconds"] <= needed + 20


def check_routes(config, chart):
    """The gateway knows each model where its Service is, and by the name that its pods serve it by."""
    services = {service["metadata"]["name"]: service for service in chart.all("Service")}
    for key, route in config.routing.models.items():
        (pool,) = route.pools
        host, port = pool.dns.split(":")
        name, namespace, _ = host.split(".")
        service = services[name]
        assert namespace == service["metadata"]["namespace"]
        assert service["spec"]["clusterIP"] == "None"
        assert int(port) in [port["port"] for port in service["spec"]["ports"]]
        assert service["spec"]["selector"]["paddock/model"] == key


def check_gpus(backend, pod):
    """The pod has the GPUs that its process computes on."""
    limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
    parallel = getattr(backend, "parallel", None)
    if parallel is None:
        wanted = 1 if backend.device == "cuda" else 0
    else:
        wanted = parallel.gpus_per_node or parallel.tensor * parallel.pipeline
    assert limits.get("nvidia.com/gpu", 0) == wanted


def test_drain_reaches_the_process():
    drain = {"preStopSeconds": 7, "timeoutSeconds": 1234}
    chart = render(gateway={"discovery": "dns", "drain": drain}, **one_model(drain={**drain, "timeoutSeconds": 99}))
    seen = {name: loaded(chart, pod).server.drain_s for name, pod in servers(chart).items()}
    assert seen == {"Deployment/paddock-gateway": 1234.0, "Deployment/paddock-model-mine": 99.0}


def test_other_settings_reach_the_process():
    chart = render(
        config={"server": {"close_s": 30, "stall_s": 3}, "telemetry": {"log_level": "DEBUG"}},
        gateway={"discovery": "dns", "config": {"server": {"stall_s": 4}, "routing": {"dns_refresh_s": 2}}},
        **one_model(
            settings={"max_queue": 7, "sampling": {"top_p": 0.5}, "backend": {"scheduler": "max_utilization"}},
            config={"telemetry": {"trace_ratio": 1.0}},
            engine={"maxTokens": 4096, "cachePrecision": "fp8", "cacheMemoryFraction": 0.5},
        ),
    )
    gateway, mine = (loaded(chart, pod) for name, pod in servers(chart).items())
    assert (gateway.server.stall_s, gateway.server.close_s, gateway.routing.dns_refresh_s) == (4, 30, 2)
    assert (mine.server.stall_s, mine.telemetry.trace_ratio, mine.telemetry.log_level) == (3, 1.0, "DEBUG")
    model = mine.models["mine"]
    assert (model.max_queue, model.sampling.top_p, model.backend.scheduler.value) == (7, 0.5, "max_utilization")
    cache = model.backend.kv_cache
    assert (model.backend.max_batch_tokens, cache.dtype, cache.memory_fraction) == (4096, "fp8", 0.5)
    assert pod_grace(chart) == {15 + 600 + 30 + 5 + 15}


def pod_grace(chart):
    """Give all grace periods."""
    return {pod["spec"]["terminationGracePeriodSeconds"] for pod in servers(chart).values()}


def test_a_simulator_runs_in_the_gateways_image():
    """As docs/deploying.md has it. That image holds no torch, and a simulator needs none."""
    shape = {"vocab_size": 1536, "last_token_id": 1519}
    model = {"backend": "simulator", "device": "cpu", "checkpoint": "embedded:paddock-tiny"}
    settings = {"chat_layout": "hf", "backend": shape}
    chart = render(**one_model(**model, settings=settings, engine={"maxBatchSize": 7}))
    pod = chart.pod("Deployment/paddock-model-mine")
    assert pod["spec"]["containers"][0]["image"] == "paddock-gateway:0.1.0"
    backend = loaded(chart, pod).models["mine"].backend
    assert (backend.vocab_size, backend.max_concurrency) == (1536, 7)
    source = "import sys, backends.simulator.backend; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)


def test_guards_are_routed_to_by_the_models_they_guard():
    chart = render("everything")
    config = loaded(chart, chart.pod("Deployment/paddock-model-chat"))
    (attached,) = config.models["chat"].guards
    route = config.routing.models["guard"]
    assert (attached.model, route.name, route.guard.value) == ("llama-guard", "llama-guard", "llama_guard")
    assert route.pools[0].dns == "paddock-model-guard.serving.svc:50051"


def test_a_revision_reaches_the_process():
    chart = render(**one_model(revision="abc"))
    config = loaded(chart, chart.pod("Deployment/paddock-model-mine"))
    assert config.models["mine"].revision == "abc"


def test_tls_is_mutual_and_its_files_are_mounted():
    chart = render("everything", gateway={"discovery": "dns"})
    for pod in servers(chart).values():
        config = loaded(chart, pod)
        mounts = {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        tls = config.server.tls
        pools = [pool for route in config.routing.models.values() for pool in route.pools]
        files = [tls.cert_file, tls.key_file, tls.client_ca_file, config.server.api_keys]
        files += [getattr(pool.tls, key) for pool in pools for key in ("ca_file", "cert_file", "key_file")]
        for file in filter(None, files):
            assert any(file.startswith(f"{mount}/") for mount in mounts), file
        assert tls.cert_file
        assert tls.client_ca_file
        assert not config.server.insecure
        for pool in pools:
            assert pool.tls.server_name == pool.dns.split(":")[0]
    names = {found["spec"]["secretName"]: found["spec"]["dnsNames"] for found in chart.all("Certificate")}
    assert "paddock-gateway.serving.svc" in names["paddock-tls-gateway"]
    assert "paddock-model-chat.serving.svc" in names["paddock-tls-model-chat"]
    secrets = {
        volume["secret"]["secretName"]
        for pod in servers(chart).values()
        for volume in pod["spec"]["volumes"]
        if volume["name"] == "tls"
    }
    assert secrets == names.keys()


def test_secrets_by_reference_serve_where_there_is_no_cert_manager():
    tls = {"enabled": True, "gatewaySecret": "mine-gateway", "modelSecrets": {"mine": "mine-model"}}
    chart = render(tls=tls, gateway={"discovery": "dns"}, **one_model())
    assert not chart.all("Certificate")
    found = {
        volume["secret"]["secretName"]
        for _, pod in chart.templates()
        for volume in pod["spec"]["volumes"]
        if "secret" in volume
    }
    assert found == {"mine-gateway", "mine-model"}
    config = loaded(chart, chart.pod("Deployment/paddock-gateway"))
    assert config.server.tls.client_ca_file == "/run/tls/ca.crt"


@pytest.mark.parametrize("name", SETS)
def test_the_tests_of_helm_are_commands(name):
    chart = render(name)
    pods = chart.all("Pod")
    routed = {
        pod["metadata"]["labels"]["paddock/model"] for where, pod in servers(chart).items() if "gateway" not in where
    }
    assert len(pods) == len(routed)
    for pod in pods:
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        args = parse(pod["spec"]["containers"][0]["args"])
        assert args.command in ("generate", "classify")
        assert args.address == "paddock-gateway.serving.svc:50051"
        assert 0 < args.timeout < pod["spec"]["activeDeadlineSeconds"]
        mounts = {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        files = [getattr(args, f"tls_{each}") for each in ("ca", "cert", "key")]
        assert all(str(file).rpartition("/")[0] in mounts for file in files if file)
    if name == "everything":
        assert {args_of(pod)[0] for pod in pods} == {"generate", "classify"}
        assert "/run/client/tls.crt" in args_of(pods[0])  # the gateway's own is of an authority that clients aren't of


def args_of(pod):
    """Give the arguments of a pod's only container."""
    return pod["spec"]["containers"][0]["args"]


def test_one_release_per_model():
    chart = render(gateway={"enabled": False}, **one_model("guard", guard="llama_guard"))
    assert set(servers(chart)) == {"Deployment/paddock-model-guard"}
    assert [args_of(pod)[2] for pod in chart.all("Pod")] == ["paddock-model-guard.serving.svc:50051"]
    assert not chart.all("Role")
    config = loaded(chart, chart.pod("Deployment/paddock-model-guard"))
    assert config.models["guard"].guard.value == "llama_guard"
    other = {"far": {"name": "far", "pools": [{"name": "main", "dns": "far.elsewhere.svc:50051"}]}}
    gateway = render(gateway={"routes": other, "discovery": "dns"}, models={"paddock-tiny": None})
    config = loaded(gateway, gateway.pod("Deployment/paddock-gateway"))
    assert config.routing.models.keys() == {"far"}
    assert config.routing.models["far"].pools[0].dns == "far.elsewhere.svc:50051"
    both = render(gateway={"routes": other}).one("ConfigMap", "paddock-gateway")["data"]["gateway.yaml"]
    assert yaml.safe_load(both)["routing"]["models"].keys() == {"far", "paddock-tiny"}


def test_the_gateway_follows_the_endpoint_slices_of_each_model():
    """Without any values too: of the Service, the namespace and the port that there are."""
    for chart in (render(), render("everything", gateway={"discovery": "endpointSlices"})):
        config = loaded(chart, chart.pod("Deployment/paddock-gateway"))
        assert config.routing.models
        for key, route in config.routing.models.items():
            (pool,) = route.pools
            wanted = pool.endpoint_slices
            service = chart.one("Service", wanted.service)
            assert service["metadata"]["namespace"] == wanted.namespace
            assert wanted.port in {port["name"] for port in service["spec"]["ports"]}
            assert service["spec"]["selector"]["paddock/model"] == key
            if pool.tls.ca_file:
                assert pool.tls.server_name == f"{wanted.service}.{wanted.namespace}.svc"
