"""How pods are placed, started, replaced and stopped, and what they may do."""

from __future__ import annotations

import pytest

from tests.helm.chart import CHART, ROOT, SETS, RefusedError, one_model, render, selects

DEPLOYMENT = "Deployment/paddock-model-mine"


def mine(**model):
    """Render one model, and give the chart and its only container."""
    chart = render(**one_model(**model))
    return chart, chart.pod(DEPLOYMENT)["spec"]["containers"][0]


@pytest.mark.parametrize(("tensor", "pipeline"), [(1, 1), (2, 1), (8, 1), (4, 2)])
def test_gpus_follow_from_parallelism(tensor, pipeline):
    _, container = mine(parallelism={"tensor": tensor, "pipeline": pipeline})
    assert container["resources"]["limits"]["nvidia.com/gpu"] == tensor * pipeline


def test_gpus_of_other_makers_and_products():
    chart, container = mine(gpu={"resource": "amd.com/gpu", "product": "H100"}, parallelism={"tensor": 2})
    assert container["resources"]["limits"] == {"amd.com/gpu": 2}
    spec = chart.pod(DEPLOYMENT)["spec"]
    assert spec["tolerations"] == [{"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0]["values"] == ["H100"]


def test_parts_of_gpus_are_on_nodes_with_the_taint_of_gpus():
    chart, container = mine(gpu={"resource": "nvidia.com/mig-3g.40gb"})
    assert container["resources"]["limits"] == {"nvidia.com/mig-3g.40gb": 1}
    tolerated = {each["key"] for each in chart.pod(DEPLOYMENT)["spec"]["tolerations"]}
    assert tolerated == {"nvidia.com/mig-3g.40gb", "nvidia.com/gpu"}


def test_a_variable_of_ones_own_is_there_instead_of_the_charts():
    """Twice, it is refused by server-side apply, which Helm 4 does, and lost by some upgrades of Helm 3's."""
    env = [{"name": "HF_HOME", "value": "/fast"}, {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]
    wide = {"parallelism": {"tensor": 2, "nodes": 2}, "launch": {"existingSecret": "ssh"}}
    token = {"huggingface": {"existingSecret": "my.token"}}
    chart = render(gateway={"env": env}, **token, **one_model(env=env, cache={"existingClaim": "a.claim"}, **wide))
    for name, pod in chart.templates():
        if not name.startswith("Pod/"):
            names = [each["name"] for each in pod["spec"]["containers"][0]["env"]]
            assert len(names) == len(set(names)), name
            assert env[0] in pod["spec"]["containers"][0]["env"]
            assert ("HF_TOKEN_PATH" in names) == name.startswith("Job/")
    (leader,) = (pod for name, pod in chart.templates() if name.endswith("leaderTemplate"))
    script = leader["spec"]["containers"][0]["command"][2]
    assert (script.count("-x HF_HOME"), script.count("-x HTTPS_PROXY")) == (1, 1)


def test_several_nodes_and_only_they_are_a_leader_worker_set():
    wide = {"parallelism": {"tensor": 8, "pipeline": 2, "nodes": 2}, "launch": {"existingSecret": "ssh"}}
    wide |= {"cache": {"existingClaim": "models"}}
    near = {"leaderworkerset.sigs.k8s.io/exclusive-topology": "rack"}
    chart = render(**one_model(replicas=3, workloadAnnotations=near, **wide))
    assert chart.one("LeaderWorkerSet")["metadata"]["annotations"] == near
    found = chart.one("LeaderWorkerSet")["spec"]
    assert (found["replicas"], found["leaderWorkerTemplate"]["size"]) == (3, 2)
    assert found["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"
    assert found["rolloutStrategy"]["rollingUpdateConfiguration"] == {"maxSurge": 0, "maxUnavailable": 1}
    for role in ("leaderTemplate", "workerTemplate"):
        pod = found["leaderWorkerTemplate"][role]
        assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 8
    selector = chart.one("Service", "paddock-model-mine")["spec"]["selector"]
    leader, rank = (
        found["leaderWorkerTemplate"][role]["metadata"]["labels"] for role in ("leaderTemplate", "workerTemplate")
    )
    assert selector.items() <= leader.items()
    assert not selector.items() <= rank.items()  # only rank 0 serves
    assert not render(**one_model(parallelism={"tensor": 8})).all("LeaderWorkerSet")


def test_the_start_has_one_budget():
    chart, container = mine(startup={"budgetSeconds": 3595}, drain={"preStopSeconds": 20, "timeoutSeconds": 300})
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 3600
    grace = chart.pod(DEPLOYMENT)["spec"]["terminationGracePeriodSeconds"]
    assert grace == 20 + 300 + 10 + 5 + 15
    deadline = chart.one("Deployment", "paddock-model-mine")["spec"]["progressDeadlineSeconds"]
    assert deadline >= 3600 + grace  # the pod before must stop first
    cache = {"existingClaim": "models", "budgetSeconds": 9000}
    waiting = render(**one_model(startup={"budgetSeconds": 3600}, cache=cache))
    assert waiting.one("Deployment", "paddock-model-mine")["spec"]["progressDeadlineSeconds"] >= 12600
    assert waiting.one("Job")["spec"]["activeDeadlineSeconds"] == 9000
    assert waiting.pod(DEPLOYMENT)["spec"]["initContainers"][0]["args"][2] == "9000"


def test_gpus_are_not_asked_for_twice():
    """A rolling update with a surge waits for ever on a cluster whose GPUs are all in use."""
    rollout = {"maxSurge": 0, "maxUnavailable": 1}
    assert mine()[0].one("Deployment", "paddock-model-mine")["spec"]["strategy"]["rollingUpdate"] == rollout
    cpu = render().one("Deployment", "paddock-model-paddock-tiny")["spec"]["strategy"]["rollingUpdate"]
    assert cpu == {"maxSurge": 1, "maxUnavailable": 0}
    for access in ("ReadWriteOnce", "ReadWriteMany"):  # a surge would wait for the volume, which another node has
        cache = {"size": "1Gi", "accessMode": access}
        chart = render(**one_model(backend="transformers", device="cpu", cache=cache))
        found = chart.one("Deployment", "paddock-model-mine")["spec"]["strategy"]["rollingUpdate"]
        assert found == (rollout if access == "ReadWriteOnce" else cpu)


@pytest.mark.parametrize("name", SETS)
def test_everything_that_serves_may_be_moved_one_by_one(name):
    """Ranks too: one that is moved takes its group with it. An eviction fails where two budgets hold."""
    chart = render(name)
    budgets = [budget["spec"] for budget in chart.all("PodDisruptionBudget")]
    for where, pod in chart.templates():
        labels = pod["metadata"]["labels"]
        held = [budget for budget in budgets if selects(budget["selector"], labels)]
        assert len(held) == (not where.startswith(("Job/", "Pod/"))), where
    for budget in budgets:
        assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


@pytest.mark.parametrize("name", SETS)
def test_services_reach_grpc_and_metrics(name):
    chart = render(name)
    ports = [port for service in chart.all("Service") for port in service["spec"]["ports"]]
    assert {(port["name"], port["port"]) for port in ports} == {("grpc", 50051), ("metrics", 9464)}
    protocol = "https" if name == "everything" else "kubernetes.io/h2c"
    assert {port["appProtocol"] for port in ports if port["name"] == "grpc"} == {protocol}


@pytest.mark.parametrize("name", SETS)
def test_pods_are_restricted(name):
    """Kubernetes' Pod Security Standard `restricted`, a read-only root, and tokens where they are needed only."""
    chart = render(name)
    for where, pod in chart.templates():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], where
        assert spec["securityContext"]["runAsUser"] == 65532
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] == ("gateway" in where and "/endpointslices" in slices(chart))
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        allowed = {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}
        assert all(len(volume.keys() & allowed) == 1 for volume in spec["volumes"])
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            security = container["securityContext"]
            assert not security["allowPrivilegeEscalation"]
            assert security["readOnlyRootFilesystem"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            for variable in container.get("env", ()):
                assert "value" in variable or variable["name"] == "PADDOCK_API_KEY"
    assert not chart.all("Secret")
    assert all(found["automountServiceAccountToken"] is False for found in chart.all("ServiceAccount"))


def slices(chart):
    """Tell what the chart's roles allow, as text."""
    return " ".join(f"/{name}" for role in chart.all("Role") for rule in role["rules"] for name in rule["resources"])


def test_the_gateway_may_watch_endpoint_slices_of_its_namespace():
    chart = render(gateway={"discovery": "endpointSlices"})
    (rule,) = chart.one("Role")["rules"]
    assert rule == {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    assert chart.one("RoleBinding")["subjects"][0]["name"] == "paddock-gateway"
    assert not chart.all("ClusterRole")
    assert not render(gateway={"discovery": "dns"}).all("Role")


def test_a_user_id_can_be_left_to_the_platform():
    ids = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))
    for _, pod in render(podSecurityContext=ids).templates():
        assert pod["spec"]["securityContext"].keys() & ids.keys() == set()


def claim(**cache):
    """Render one model with a cache."""
    return render(**one_model(cache=cache))


def test_a_claim_that_exists_comes_first():
    chart = claim(existingClaim="models", size="1Gi")
    assert not chart.all("PersistentVolumeClaim")
    volumes = chart.pod(DEPLOYMENT)["spec"]["volumes"]
    assert [each["persistentVolumeClaim"] for each in volumes if each["name"] == "cache"] == [{"claimName": "models"}]
    made = claim(size="1Gi", storageClass="fast").one("PersistentVolumeClaim")
    assert made["spec"]["storageClassName"] == "fast"
    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


@pytest.mark.parametrize("model", [{"replicas": 2}, {"autoscaling": {"kind": "hpa", "maxReplicas": 2}}])
def test_a_claim_for_one_pod_is_refused_for_more(model):
    with pytest.raises(RefusedError, match=r"models\.mine\.cache\.accessMode: ReadWriteOnce holds one pod"):
        render(**one_model(cache={"size": "1Gi", "accessMode": "ReadWriteOnce"}, **model))
    assert claim(size="1Gi", accessMode="ReadWriteOnce").all("PersistentVolumeClaim")


@pytest.mark.parametrize("access", ["ReadWriteMany", "ReadWriteOnce"])
@pytest.mark.parametrize("engine", [True, False])
def test_who_serves_only_reads_the_cache(access, engine):
    """A Job fills it where pods share it, else the pod itself does: a Job might hold the volume on another node."""
    chart = render(
        huggingface={"existingSecret": "hub"},
        **one_model(cache={"size": "1Gi", "accessMode": access}, engine={"build": {"enabled": engine}}),
    )
    spec = chart.pod(DEPLOYMENT)["spec"]
    (container,), (first,) = spec["containers"], spec["initContainers"]
    mount = next(mount for mount in container["volumeMounts"] if mount["mountPath"] == "/var/cache/paddock")
    assert mount["readOnly"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert "HF_TOKEN_PATH" not in variables
    assert variables["HF_HOME"].startswith("/tmp/")  # locks are kept there
    jobs = chart.all("Job")
    assert len(jobs) == (access == "ReadWriteMany")
    (builder,) = jobs[0]["spec"]["template"]["spec"]["containers"] if jobs else [first]
    assert ("nvidia.com/gpu" in builder["resources"]["limits"]) == engine
    assert {"name": "HF_TOKEN_PATH", "value": "/run/huggingface/token"} in builder["env"]
    assert {"name": "HF_HOME", "value": "/var/cache/paddock/huggingface"} in builder["env"]
    config = chart.one("ConfigMap", "paddock-model-mine")["data"]["model.yaml"]
    marker = builder["args"][2]
    assert f"checkpoint: /var/cache/paddock/ready/{marker}/checkpoint" in config
    assert (f"engine: /var/cache/paddock/ready/{marker}/engine" in config) == engine
    if jobs:
        assert first["args"][1] == f"/var/cache/paddock/ready/{marker}"


def test_an_engine_may_be_compiled_where_there_are_no_gpus_to_spare():
    """By the first pod itself: beside a Job, pods that wait for it have the GPUs that it waits for."""
    build = {"build": {"enabled": True, "where": "pod"}}
    sizes = {"cache": {"size": "1Gi"}, "parallelism": {"tensor": 4}, "replicas": 2}
    chart = render(**one_model(engine=build, **sizes))
    assert not chart.all("Job")
    spec = chart.pod(DEPLOYMENT)["spec"]
    assert [each["name"] for each in spec["initContainers"]] == ["fill"]
    assert spec["initContainers"][0]["resources"]["limits"] == {"nvidia.com/gpu": 4}
    fetched = render(**one_model(engine={"build": {**build["build"], "enabled": False}}, **sizes))
    assert fetched.all("Job")


@pytest.mark.parametrize("compiled", [True, False])
def test_a_job_has_what_its_work_needs(compiled):
    """A share of memory and the GPUs to compile; and to fetch, leave to be on the nodes that the model names."""
    engine = {"build": {"enabled": compiled}}
    pool = {"pool": "h100"}
    model = {
        "parallelism": {"tensor": 4},
        "gpu": {"product": "H100"},
        "nodeSelector": pool,
        "runtimeClassName": "nvidia",
    }
    spec = render(**one_model(engine=engine, cache={"size": "1Gi"}, **model)).one("Job")["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == pool
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert ("affinity" in spec) == ("runtimeClassName" in spec) == compiled
    (container,) = spec["containers"]
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert ("/dev/shm" in mounts) == compiled
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def test_what_needs_no_fetching_is_not_fetched():
    chart = render(models={"paddock-tiny": {"cache": {"size": "1Gi"}}})
    assert not chart.all("Job")
    assert "initContainers" not in chart.pod("Deployment/paddock-model-paddock-tiny")["spec"]


CHANGES = {
    "revision": {"revision": "b"},
    "checkpoint": {"checkpoint": "org/other"},
    "precision": {"engine": {"precision": "bf16"}},
    "tensor": {"parallelism": {"tensor": 4}},
    "pipeline": {"parallelism": {"tensor": 2, "pipeline": 2}},
    "gpu": {"gpu": {"product": "H200"}},
    "limits": {"engine": {"maxBatchSize": 8}},
}


def build_of(compiled=True, image=None, **change):
    """Give the name of the Job, and that of what it makes."""
    base = {"cache": {"size": "1Gi"}, "parallelism": {"tensor": 2}, "revision": "a"}
    base |= {"engine": {"precision": "fp8", "maxBatchSize": 4}}
    merged = {
        key: {**base[key], **value} if isinstance(base.get(key), dict) else value for key, value in change.items()
    }
    model = {**base, **merged}
    model["engine"] = {**model["engine"], "build": {"enabled": compiled}}
    job = render(**one_model(**model), image=image or {}).one("Job")
    return job["metadata"]["name"], job["spec"]["template"]["spec"]["containers"][0]["args"][2]


@pytest.mark.parametrize("change", CHANGES)
def test_an_engine_is_built_anew_when_what_it_is_made_of_changes(change):
    for before, after in zip(build_of(), build_of(**CHANGES[change]), strict=True):
        assert before != after


def test_an_engine_is_built_anew_for_another_tensorrt_llm_and_kept_for_another_paddock():
    name, marker = build_of()
    assert build_of(image={"tensorrtLlm": {"version": "1.2.2"}})[1] != marker
    again, same = build_of(image={"tag": "9.9.9"})
    assert same == marker
    assert again != name  # a Job can't be changed


def test_a_checkpoint_alone_does_not_depend_on_gpus():
    assert build_of(compiled=False)[1] == build_of(compiled=False, parallelism={"tensor": 4})[1]


def test_a_stateful_set_has_a_cache_for_each_replica():
    chart = render(**one_model(workload="StatefulSet", replicas=3, cache={"size": "9Gi"}))
    found = chart.one("StatefulSet")["spec"]
    (template,) = found["volumeClaimTemplates"]
    assert template["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert found["serviceName"] == chart.one("Service", "paddock-model-mine")["metadata"]["name"]
    assert not chart.all("PersistentVolumeClaim")


@pytest.mark.parametrize("kind", ["keda", "hpa"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_who_scales_alone_says_how_many(kind, nodes):
    wide = {"parallelism": {"tensor": 8, "nodes": nodes}, "launch": {"existingSecret": "ssh"}, "cache": {"size": "1Gi"}}
    scaling = {"kind": kind, "maxReplicas": 5, "targetOutputs": 9, "prometheusAddress": "http://prometheus:9090"}
    chart = render(**one_model(autoscaling=scaling, **wide))
    scaler = chart.one({"keda": "ScaledObject", "hpa": "HorizontalPodAutoscaler"}[kind])["spec"]
    target = scaler["scaleTargetRef"]
    scaled = chart.one(target["kind"], target["name"])
    assert scaled["apiVersion"] == target["apiVersion"]
    assert "replicas" not in scaled["spec"]
    assert 5 in scaler.values()
    (metric,) = scaler["triggers" if kind == "keda" else "metrics"]
    target = metric["metadata"]["threshold"] if kind == "keda" else metric["pods"]["target"]["averageValue"]
    assert target == "9"


def test_a_dashboard_is_there_from_one_place():
    chart = render(monitoring={"dashboards": {"enabled": True}})
    shown = chart.one("ConfigMap", "paddock-dashboards")["data"]["paddock.json"]
    source = CHART / "dashboards" / "paddock.json"
    assert shown.strip() == source.read_text(encoding="utf-8").strip()
    assert (ROOT / "docs" / "dashboard.json").resolve() == source


@pytest.mark.parametrize(("requested", "threads"), [("1500m", "2"), ("4", "4"), (2, "2"), ("500m", "1"), (None, None)])
def test_threads_are_as_many_as_cpus_are_asked_for(requested, threads):
    """Without a limit on CPUs, which would throttle, nothing else tells PyTorch how many it has."""
    resources = {"requests": {"cpu": requested}} if requested else {}
    _, container = mine(backend="transformers", device="cpu", resources=resources)
    told = {each["name"]: each["value"] for each in container["env"]}
    assert told.get("OMP_NUM_THREADS") == threads
    _, container = mine(resources=resources)
    assert "OMP_NUM_THREADS" not in {each["name"] for each in container["env"]}


def test_volumes_of_ones_own_are_mounted():
    """Such as an authority of the hub's mirror: also where checkpoints are fetched."""
    own = {"volumes": [{"name": "own", "configMap": {"name": "ca"}}]}
    own["volumeMounts"] = [{"name": "own", "mountPath": "/run/own", "readOnly": True}]
    chart = render(gateway=own, **one_model(cache={"size": "1Gi"}, **own))
    for where, pod in chart.templates():
        if where.startswith("Pod/"):
            continue
        spec = pod["spec"]
        assert own["volumes"][0] in spec["volumes"], where
        assert own["volumeMounts"][0] in spec["containers"][0]["volumeMounts"], where
    assert len(list(chart.templates())) == 4


@pytest.mark.parametrize("name", SETS)
def test_replicas_are_spread_over_nodes_and_zones(name):
    """As far as that goes: a pod that must share a node is better than none."""
    for where, pod in render(name).templates():
        if where.startswith("Pod/"):
            continue
        for spread in pod["spec"]["topologySpreadConstraints"]:
            assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
            assert spread["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items(), where
    own = [{"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]
    chart = render(gateway={"topologySpreadConstraints": own}, modelDefaults={"topologySpreadConstraints": own})
    for where in ("Deployment/paddock-gateway", "Deployment/paddock-model-paddock-tiny"):
        assert chart.pod(where)["spec"]["topologySpreadConstraints"] == own
