"""What a real collector and a real scrape get of calls: through a gateway, by a worker, with guards, of failures."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from backends.simulator.backend import SimulatorBackend
from backends.simulator.config import Fault
from backends.types import Finish, FinishReason, TokenDelta, Usage
from paddock.v1 import generate_pb2
from services.admission.limit import LimitsConfig
from services.config import GuardKind, PaddockConfig
from services.errors import ConfigError
from services.guard.config import GuardConfig, GuardSubject
from services.server import Server
from services.telemetry.config import TelemetryConfig
from services.telemetry.log import JsonFormatter
from tests.helm.chart import render
from tests.scripted_guard import ScriptedGuard
from tests.service.answer import Stream
from tests.service.backend import Breaking, ScriptedBackend, byte_id, text
from tests.service.collector import Collector, attributes, collecting
from tests.service.failure import failure
from tests.service.gateway import pool, routed, routing
from tests.service.judge import guard_config, guard_folder
from tests.service.rig import MODEL, chat, model_config, request, serving, simulator, soon, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT = "00f067aa0ba902b7"
TRACEPARENT = (("traceparent", f"00-{TRACE}-{CLIENT}-01"), ("x-request-id", "traced"))
SECRET = "xyzzy"
DOCS = Path(__file__).parents[2] / "docs"
OPERATING = (DOCS / "operating.md").read_text(encoding="utf-8")


@dataclass
class Told:
    """What was seen of some calls."""

    gateway: Collector
    worker: Collector
    scraped: dict[str, Any]
    """Of the worker."""
    scraped_gateway: dict[str, Any]
    stream: Stream


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(checkpoint, tmp_path_factory):
    """A gateway and a worker with a guard, after a stream within a trace, an answer, and calls that fail."""
    attached = GuardConfig(model="z-guard", subject=GuardSubject.input)
    models = (
        model_config(checkpoint, guards=[attached], aliases=["known"]),
        guard_config(guard_folder(tmp_path_factory.mktemp("guard")), GuardKind.llama_guard, name="z-guard"),
    )
    async with AsyncExitStack() as stack:
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        scripted = ScriptedGuard(lambda text: "unsafe" in text)
        patched.setattr("services.inference.classify", lambda request, models, origin: scripted.classify(request))
        seen = [await stack.enter_async_context(collecting()) for _ in range(2)]
        telemetry = [
            TelemetryConfig(trace_ratio=1.0, otlp_endpoint=c.endpoint, metrics_address="127.0.0.1:0") for c in seen
        ]
        async with AsyncExitStack() as servers:
            backend = ScriptedBackend(_reusing)
            worker = await servers.enter_async_context(serving(*models, backend=backend, telemetry=telemetry[1]))
            routes = routing(routed(pool(worker.address), aliases=["known"]))
            rig = await servers.enter_async_context(serving(routing=routes, telemetry=telemetry[0]))
            await soon(rig.server.router.heard(10.0))
            stream = await rig.stream(request(f"the horse {SECRET}", seed=2**64 - 1), metadata=TRACEPARENT)
            await rig.generate(request(model="known", chat=chat(SECRET)))
            await failure(rig.generate(request(f"unsafe-name-{SECRET}", model=f"no-such-{SECRET}")))
            await failure(rig.generate(request(max_tokens=0)))
            await worker.generate(request("unsafe"))
            await rig.model()
            texts = [await scrape(one.server.telemetry.metrics_address) for one in (worker, rig)]
        yield Told(*seen, families(texts[0]), families(texts[1]), stream)


async def _reusing(wanted):
    """Say One.Two., with three tokens of the prompt reused."""
    yield TokenDelta(tuple(map(byte_id, "One.")))
    ids = tuple(map(byte_id, "Two."))
    yield TokenDelta(ids, finish=Finish(FinishReason.MAX_TOKENS, Usage(len(wanted.prompt), 8, 3), 0.0))


async def scrape(address, path="/metrics", method="GET"):
    """Ask over HTTP, and give the body of what answers with 200."""
    head, body = await exchange(address, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
    return body.decode()


async def exchange(address, sent):
    """Send bytes and give the head and the body of the answer."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    answer = await soon(reader.read())
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def families(scraped):
    """Parse what Prometheus would."""
    return {family.name: family for family in text_string_to_metric_families(scraped)}


def samples(family, suffix=""):
    """Give the samples of a family, or of one of a histogram's series."""
    return [(s.labels, s.value) for s in family.samples if s.name == family.name + suffix]


async def test_calls_are_counted_by_model_method_and_code(told):
    counts = {
        (a.get("gen_ai.request.model"), a["rpc.method"], a["rpc.response.status_code"]): point.as_int
        for a, point in told.gateway.points("paddock.requests")
    }
    assert counts == {
        (MODEL, "GenerateStream", "OK"): 1,
        (MODEL, "Generate", "OK"): 1,
        (None, "Generate", "NOT_FOUND"): 1,
        (MODEL, "Generate", "INVALID_ARGUMENT"): 1,
        (MODEL, "GetModel", "OK"): 1,
    }


@pytest.mark.parametrize("who", ["gateway", "worker"])
async def test_tokens_are_counted_once_on_each_side(told, who):
    calls = 2 if who == "gateway" else 3
    usage = told.stream.usage
    points = {
        (a["gen_ai.token.type"], a["gen_ai.operation.name"]): point
        for a, point in getattr(told, who).points("gen_ai.client.token.usage")
    }
    assert points["input", "chat"].count == points["output", "chat"].count == 1
    assert points["input", "text_completion"].count == calls - 1
    if who == "gateway":
        assert points["output", "text_completion"].sum == usage.completion_tokens
        assert points["input", "text_completion"].sum == usage.prompt_tokens
    assert getattr(told, who).unit("gen_ai.client.token.usage") == "{token}"


@pytest.mark.parametrize("who", ["gateway", "worker"])
async def test_times_are_of_the_calls_that_had_them(told, who):
    def count(name):
        return sum(point.count for _, point in getattr(told, who).points(name))

    asked = {"gateway": 3, "worker": 4}[who]  # the unknown model is no generation of any
    begun = {"gateway": 1, "worker": 2}[who]  # a gateway can't see when an answer in one message began
    assert count("gen_ai.server.request.duration") == asked
    assert count("gen_ai.server.time_to_first_token") == begun
    assert count("gen_ai.server.time_per_output_token") == begun
    (bounds,) = {tuple(p.explicit_bounds) for _, p in getattr(told, who).points("gen_ai.server.time_to_first_token")}
    assert (bounds[0], bounds[-1]) == (0.001, 10.0)


async def test_errors_are_told_apart(told):
    errors = [a.get("error.type") for a, _ in told.gateway.points("gen_ai.server.request.duration")]
    assert sorted(filter(None, errors)) == ["INVALID_ARGUMENT"]


async def test_judgments_are_counted_by_decision(told):
    counts = {
        (a["paddock.guard"], a["paddock.guard.subject"], a["paddock.guard.decision"]): point.count
        for a, point in told.worker.points("paddock.guard.duration")
    }
    assert counts == {("z-guard", "input", "safe"): 2, ("z-guard", "input", "unsafe"): 1}


async def test_one_trace_leads_from_the_client_through_the_gateway_to_the_steps(told):
    outer = told.gateway.span("paddock.v1.InferenceService/GenerateStream")
    inner = told.worker.span("paddock.v1.InferenceService/GenerateStream")
    assert outer.trace_id == inner.trace_id == bytes.fromhex(TRACE)
    assert (outer.parent_span_id, inner.parent_span_id) == (bytes.fromhex(CLIENT), outer.span_id)
    assert outer.kind == inner.kind == 2  # SERVER, in OTLP
    steps = [s for s in told.worker.spans if s.parent_span_id == inner.span_id]
    assert {s.name for s in steps} == {"decode", "guard", "prefill"}
    assert all(inner.start_time_unix_nano <= s.start_time_unix_nano <= s.end_time_unix_nano for s in steps)
    assert all(s.end_time_unix_nano <= inner.end_time_unix_nano for s in steps)
    (attempt,) = outer.events
    assert (attempt.name, attributes(attempt)["paddock.pool"]) == ("attempt", "main")


async def test_a_call_outside_any_trace_begins_one(told):
    outer = told.gateway.span("paddock.v1.InferenceService/Generate", gen_ai__operation__name="chat")
    inner = told.worker.span("paddock.v1.InferenceService/Generate", gen_ai__operation__name="chat")
    assert outer.parent_span_id == b""
    assert outer.trace_id == inner.trace_id != bytes.fromhex(TRACE)


async def test_a_span_says_what_was_asked_and_used(told):
    span = attributes(told.worker.span("paddock.v1.InferenceService/GenerateStream"))
    assert span["gen_ai.request.model"] == MODEL
    assert span["gen_ai.operation.name"] == "text_completion"
    assert span["gen_ai.request.seed"] == str(2**64 - 1)
    assert span["gen_ai.usage.output_tokens"] == told.stream.usage.completion_tokens
    assert span["gen_ai.response.finish_reasons"] == ["max_tokens"]
    assert span["paddock.request.id"] == "traced"
    assert span["rpc.response.status_code"] == "OK"


async def test_a_clients_mistake_is_no_error_of_the_server(told):
    span = told.gateway.span("paddock.v1.InferenceService/Generate", rpc__response__status_code="INVALID_ARGUMENT")
    assert (span.status.code, "error.type" in attributes(span)) == (0, False)


async def test_no_text_of_a_client_is_told(told):
    everything = str([told.gateway.spans, told.worker.spans, told.gateway._metrics, told.worker._metrics])
    assert MODEL in everything
    assert SECRET not in everything
    assert "One.Two." not in everything


async def test_a_scrape_has_the_same_numbers(told):
    requests = samples(told.scraped["paddock_requests"], "_total")
    labels = {"gen_ai_request_model": MODEL, "rpc_method": "GenerateStream", "rpc_response_status_code": "OK"}
    assert (labels, 1.0) in requests
    for name in ("gen_ai_server_time_to_first_token_seconds", "gen_ai_server_request_duration_seconds"):
        family = told.scraped[name]
        assert family.type == "histogram"
        for labels, count in samples(family, "_count"):
            buckets = [value for its, value in samples(family, "_bucket") if {**its, "le": 0} == {**labels, "le": 0}]
            assert buckets == sorted(buckets)
            assert buckets[-1] == count
    assert told.scraped["paddock_requests"].type == "counter"
    assert told.scraped["paddock_model_ready"].type == "gauge"
    assert ({"gen_ai_request_model": "z-guard"}, 1.0) in samples(told.scraped["paddock_model_ready"])


async def test_workers_and_their_server_are_told(told):
    ((labels, point),) = told.gateway.points("paddock.upstream.serving")
    assert (labels["gen_ai.request.model"], labels["paddock.pool"]) == (MODEL, "main")
    assert point.as_double in (0.0, 1.0)
    assert all(r["service.name"] == "paddock" for r in told.gateway.resources)


def live(told):
    """Give the names of labels by the names of samples, of the worker and the gateway together."""
    labels: dict[str, set[str]] = {}
    for family in (*told.scraped.values(), *told.scraped_gateway.values()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


OF_PROMETHEUS = {"namespace"}
"""Labels that a ServiceMonitor adds; the chart asks for them where it makes one."""


def queried(query, known):
    """Check that metrics and labels of a query are live ones, and give its metrics and what it groups by."""
    grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(",")}
    selected = {match for within in re.findall(r"{([^}]*)}", query) for match in re.findall(r"(\w+)[!=]", within)}
    bare = re.sub(r"by \([^)]*\)|{[^}]*}", "", query)
    names = re.findall(r"\b(?:paddock|gen_ai)_\w+", bare)
    assert names, query
    for name in names:
        assert (grouped | selected) - OF_PROMETHEUS <= known.get(name, set()), query
    return names, grouped


async def test_every_query_of_the_dashboard_finds_its_metrics_and_labels(told):
    known = live(told)
    asked = set()
    panels = json.loads((DOCS / "dashboard.json").read_text())["panels"]
    for target in (target for panel in panels for target in panel["targets"]):
        names, grouped = queried(target["expr"], known)
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= grouped - {"le"}, target
        asked |= set(names)
    families_asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked}
    assert families_asked == {re.sub(r"_(bucket|count|sum)$", "", name) for name in known}


@pytest.mark.parametrize("scraped", [True, False], ids=["ServiceMonitor", "no ServiceMonitor"])
async def test_every_query_of_the_chart_finds_its_metrics_and_labels(told, scraped):
    known = live(told)
    chart = render("everything", monitoring={"serviceMonitor": {"enabled": scraped}})
    rules = [rule for group in chart.one("PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    assert len(rules) >= 6
    for rule in rules:
        _, grouped = queried(rule["expr"], known)
        assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= grouped
    triggers = [trigger["metadata"] for scaled in chart.all("ScaledObject") for trigger in scaled["spec"]["triggers"]]
    assert triggers
    for trigger in triggers:
        queried(trigger["query"], known)
    assert all(("namespace" in query) == scraped for query in (rules[0]["expr"], triggers[0]["query"]))
    scalers = [scaler for scaler in chart.all("HorizontalPodAutoscaler") if "pods" in scaler["spec"]["metrics"][0]]
    for scaler in scalers:
        metric = scaler["spec"]["metrics"][0]["pods"]["metric"]
        assert metric["selector"]["matchLabels"].keys() <= known[metric["name"]]
    assert scalers


async def test_operating_lists_every_metric_with_its_labels(told):
    listed = {}
    labels = ""
    for names, _, said in re.findall(
        r"^\| (`[^|]*) \| (counter|gauge|histogram) \| ([^|]*) \|", OPERATING, re.MULTILINE
    ):
        labels = labels + said if "the same" in said else said
        listed |= {name: set(re.findall(r"`(\w+)`", labels)) for name in re.findall(r"`(\w+)`", names)}
    constant = {"gen_ai_provider_name", "le"}
    shown: dict[str, set[str]] = {}
    for name, labels_of in live(told).items():
        shown.setdefault(re.sub(r"_(bucket|count|sum)$", "", name), set()).update(labels_of - constant)
    for name, its in shown.items():
        assert its <= listed[name], name
    assert shown.keys() | {"paddock_certificate_expiry_seconds"} == listed.keys()  # that one: test_tls.py


async def test_reused_tokens_are_counted(told):
    assert samples(told.scraped["paddock_prompt_cached_tokens"], "_total") == [({"gen_ai_request_model": MODEL}, 9.0)]
    assert samples(told.scraped_gateway["paddock_prompt_cached_tokens"], "_total")[0][1] == 6.0


@pytest_asyncio.fixture(loop_scope="session")
async def collector():
    """A collector."""
    async with collecting() as running:
        yield running


async def test_a_client_that_leaves_is_told(checkpoint, collector):
    silent = model_config(checkpoint, simulator(fault=Fault.HANG_AT_TOKEN, fault_at_token=4))
    async with serving(silent, telemetry=TelemetryConfig(trace_ratio=1.0, otlp_endpoint=collector.endpoint)) as rig:
        call = rig.stub.GenerateStream(request())
        await soon(call.read())
        call.cancel()
        await soon(rig.until_idle())
    left = collector.span("paddock.v1.InferenceService/GenerateStream")
    assert attributes(left)["rpc.response.status_code"] == "CANCELLED"
    assert left.status.code == 0
    assert [a["error.type"] for a, _ in collector.points("gen_ai.server.request.duration")] == ["CANCELLED"]


async def test_retries_resumes_and_ejections_are_counted(checkpoint, collector):
    model, settings = model_config(checkpoint), dataclasses.asdict(simulator())
    settings.pop("_target_")
    backends = [Breaking(SimulatorBackend(**settings), at, losses=1 - number) for number, at in enumerate((0, 7))]
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(serving(model, backend=b)) for b in (*backends, None)]
        pools = [pool(worker.address, name=str(number)) for number, worker in enumerate(workers)]
        routes = routing(routed(*pools), consecutive_failures=1, base_ejection_s=600.0, max_ejection_s=600.0)
        telemetry = TelemetryConfig(trace_ratio=1.0, otlp_endpoint=collector.endpoint)
        rig = await stack.enter_async_context(serving(routing=routes, telemetry=telemetry))
        await soon(rig.server.router.heard(10.0))
        await rig.generate(request(max_tokens=3))
        backends[1].losses = 1
        stream = await rig.stream(request())
    assert len(stream.only.ids) == 24
    for name in ("paddock.retries", "paddock.resumes"):
        assert [point.as_double for _, point in collector.points(name)] == [1.0]
    ejections = {a["paddock.pool"]: point.as_double for a, point in collector.points("paddock.upstream.ejections")}
    assert ejections == {"0": 1.0, "1": 1.0, "2": 0.0}
    span = collector.span("paddock.v1.InferenceService/GenerateStream")
    assert [event.name for event in span.events] == ["attempt", "attempt", "resume"]
    used = {a["gen_ai.token.type"]: point for a, point in collector.points("gen_ai.client.token.usage")}
    assert (used["output"].count, used["output"].sum) == (2, 27)


async def test_a_continuation_counts_what_is_new(checkpoint, collector):
    async with serving(
        model_config(checkpoint), telemetry=TelemetryConfig(trace_ratio=1.0, otlp_endpoint=collector.endpoint)
    ) as rig:
        given = generate_pb2.Continuation(token_ids=[70, 71, 72])
        await rig.stream(request(max_tokens=10, continuations=[given]))
    used = {a["gen_ai.token.type"]: point for a, point in collector.points("gen_ai.client.token.usage")}
    assert used["output"].sum == 7


async def test_a_full_queue_is_told(checkpoint, collector):
    hanging = simulator(max_concurrency=1, fault=Fault.HANG_AT_TOKEN)
    telemetry = TelemetryConfig(metrics_address="127.0.0.1:0")
    async with serving(model_config(checkpoint, hanging, max_queue=1), telemetry=telemetry) as rig:
        calls = [rig.stub.GenerateStream(request()) for _ in range(2)]
        await rig.until_load(1, 1)
        await failure(rig.generate(request()))
        scraped = families(await scrape(rig.server.telemetry.metrics_address))
        for call in calls:
            call.cancel()
        await soon(rig.until_idle())
    ours = {"gen_ai_request_model": MODEL}
    for name in ("paddock_model_running", "paddock_model_waiting"):
        assert samples(scraped[name]) == [(ours, 1.0)]
    assert samples(scraped["paddock_admission_computing"]) == [(ours, 2.0)]
    assert samples(scraped["paddock_admission_waiting"]) == [(ours, 0.0)]
    causes = {"full": 1.0, "late": 0.0, "displaced": 0.0}
    assert samples(scraped["paddock_admission_refused"], "_total") == [
        ({**ours, "paddock_cause": cause}, count) for cause, count in causes.items()
    ]


async def test_waiting_for_a_turn_limits_and_callers_are_told(checkpoint, collector):
    telemetry = TelemetryConfig(metrics_address="127.0.0.1:0", callers=True)
    limits = LimitsConfig(requests=1)
    async with serving(model_config(checkpoint), telemetry=telemetry, limits=limits) as rig:
        call = rig.stub.GenerateStream(request(max_tokens=1))
        while await soon(call.read()) is not grpc.aio.EOF:
            pass
        rig.server.limiter._accounts["anyone"].requests = 1
        await failure(rig.generate(request()))
        rig.server.limiter._accounts["anyone"].requests = 0
        rig.server.models.all[0].limiter.refused["tokens"] += 2
        scraped = families(await scrape(rig.server.telemetry.metrics_address))
    ((labels, count),) = samples(scraped["paddock_admission_duration_seconds"], "_count")
    assert (labels, count) == ({"gen_ai_request_model": MODEL}, 1.0)
    refused = {labels["paddock_limit"]: n for labels, n in samples(scraped["paddock_limits_refused"], "_total")}
    assert refused == {"requests": 1.0, "tokens": 2.0, "requests_per_minute": 0.0, "tokens_per_minute": 0.0}
    assert {labels["paddock_caller"] for labels, _ in samples(scraped["paddock_requests"], "_total")} == {"anyone"}


async def test_the_wait_for_a_slot_is_told_apart(checkpoint, collector):
    telemetry = TelemetryConfig(trace_ratio=1.0, otlp_endpoint=collector.endpoint)
    async with serving(model_config(checkpoint, simulator(max_concurrency=1)), telemetry=telemetry) as rig:
        await rig.stream(request(n=2))
    ((labels, point),) = collector.points("paddock.queue.duration")
    assert (labels, point.count) == ({"gen_ai.request.model": MODEL}, 2)
    assert point.max > point.min >= 0.0
    (waited,) = [span for span in collector.spans if span.name == "queue"]
    assert waited.parent_span_id == collector.span("paddock.v1.InferenceService/GenerateStream").span_id


async def test_logs_of_a_call_name_it_and_its_trace(checkpoint):
    async def broken(wanted):
        raise RuntimeError("broken")
        yield

    lines = []
    handler = logging.Handler()
    handler.setFormatter(JsonFormatter())
    handler.emit = lambda record: lines.append(json.loads(handler.format(record)))
    telemetry = TelemetryConfig(log_format="json")
    async with serving(model_config(checkpoint), backend=ScriptedBackend(broken), telemetry=telemetry) as rig:
        logging.getLogger("services.edge").addHandler(handler)
        try:
            refused = await failure(rig.stream(request(f"the {SECRET}"), metadata=TRACEPARENT))
        finally:
            logging.getLogger("services.edge").removeHandler(handler)
    assert refused.code is grpc.StatusCode.INTERNAL
    (line,) = lines
    assert (line["request_id"], line["trace_id"]) == ("traced", TRACE)
    assert "RuntimeError: broken" in line["exception"]
    assert SECRET not in str(line)


async def test_content_is_told_where_that_is_asked_for(checkpoint, collector):
    telemetry = TelemetryConfig(trace_ratio=1.0, otlp_endpoint=collector.endpoint, record_content=True)
    async with serving(model_config(checkpoint), backend=ScriptedBackend(text("One.Two.")), telemetry=telemetry) as rig:
        await rig.stream(request("the horse"))
        await rig.generate(request(chat=chat("Who?")))
    spans = {span.name.rpartition("/")[2]: attributes(span) for span in collector.spans if span.kind == 2}
    assert spans["GenerateStream"]["gen_ai.input.messages"] == "the horse"
    assert json.loads(spans["Generate"]["gen_ai.input.messages"]) == ["Who?"]
    assert json.loads(spans["GenerateStream"]["gen_ai.output.messages"]) == ["One.Two."]


async def test_what_a_client_does_not_want_traced_is_not(checkpoint, collector):
    async with serving(
        model_config(checkpoint), telemetry=TelemetryConfig(trace_ratio=1.0, otlp_endpoint=collector.endpoint)
    ) as rig:
        await rig.stream(request(), metadata=(("traceparent", f"00-{TRACE}-{CLIENT}-00"),))
        await rig.stream(request(), metadata=(("traceparent", f"ff-{'0' * 32}-nonsense"),))
    (span,) = [span for span in collector.spans if span.kind == 2]
    assert span.trace_id != bytes.fromhex(TRACE)
    assert sum(point.as_int for _, point in collector.points("paddock.requests")) == 2


async def test_a_collector_that_is_not_there_costs_a_bounded_wait(checkpoint):
    async with collecting() as gone:
        endpoint = gone.endpoint
    telemetry = TelemetryConfig(trace_ratio=1.0, otlp_endpoint=endpoint, flush_s=0.2)
    async with serving(model_config(checkpoint), telemetry=telemetry) as rig:
        assert len((await rig.stream(request())).only.ids) == 24


async def test_an_address_that_is_taken_is_an_error_that_names_its_key(checkpoint):
    async with serving(model_config(checkpoint), telemetry=TelemetryConfig(metrics_address="127.0.0.1:0")) as rig:
        taken = TelemetryConfig(metrics_address=rig.server.telemetry.metrics_address)
        with pytest.raises(ConfigError, match=r"telemetry\.metrics_address: .* can't be bound"):
            async with serving(model_config(checkpoint), telemetry=taken):
                pass


@pytest.mark.parametrize(
    ("sent", "head"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 "),
        (b"GET /metrics/../x HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 "),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 "),
        (b"GET /metrics?a=b HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 "),
        (b"\r\n\r\n", b"HTTP/1.1 404 "),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 404 "),
        (b"x" * 40_000, b""),
    ],
)
async def test_what_else_arrives_at_the_metrics_port_is_refused(metrics, sent, head):
    assert (await exchange(metrics, sent))[0].startswith(head)
    assert (await exchange(metrics, b"GET /metrics HTTP/1.1\r\n\r\n"))[0].startswith(b"HTTP/1.1 200 ")


async def test_connections_that_say_nothing_are_few(metrics):
    host, port = metrics.split(":")
    silent = [await asyncio.open_connection(host, int(port)) for _ in range(40)]
    closed = [asyncio.ensure_future(reader.read()) for reader, _ in silent]
    done, waiting = await asyncio.wait(closed, return_when=asyncio.FIRST_COMPLETED)
    while len(waiting) > 16:
        more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert len(waiting) == 16
    await asyncio.gather(*done, return_exceptions=True)
    for _, writer in silent:
        writer.transport.abort()
    await asyncio.gather(*waiting, return_exceptions=True)

    async def answers():
        return (await exchange(metrics, b"GET /metrics HTTP/1.1\r\n\r\n"))[0].startswith(b"HTTP/1.1 200")

    await until(answers)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def metrics():
    """The address of a metrics endpoint, of a server without models."""
    config = PaddockConfig(telemetry=TelemetryConfig(metrics_address="127.0.0.1:0"))
    config.server.address = "127.0.0.1:0"
    server = Server(config)
    await server.start()
    yield server.telemetry.metrics_address
    await server.stop()
