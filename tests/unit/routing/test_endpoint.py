"""What EndpointSlices say, whatever the order in which it was heard."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.routing.endpoint import Event, MalformedError, Slices, Standing, read_event, read_list
from tests.cluster import endpoint, slice_of

OUT, LEAVING, READY = Standing


def event(kind, told, version="7", port="grpc"):
    """Read an event as it comes over the wire."""
    told = {**told, "metadata": {**told.get("metadata", {}), "resourceVersion": version}}
    return read_event(json.dumps({"type": kind, "object": told}).encode(), port)


def listed(*slices, port="grpc"):
    """Take a list of slices as it comes over the wire."""
    state = Slices()
    body = json.dumps({"metadata": {"resourceVersion": "7"}, "items": slices}).encode()
    state.listed(read_list(body, port)[1])
    return state


def ready(*slices, port="grpc"):
    """Give what a list of slices amounts to."""
    return dict(listed(*slices, port=port).endpoints)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, READY),
        ({"ready": None, "serving": None, "terminating": None}, READY),
        ({"ready": True, "serving": True, "terminating": False}, READY),
        ({"ready": False}, OUT),
        ({"ready": False, "serving": True}, OUT),
        ({"ready": False, "serving": True, "terminating": True}, LEAVING),
        ({"ready": False, "serving": False, "terminating": True}, OUT),
        ({"ready": True, "serving": True, "terminating": True}, LEAVING),  # as with publishNotReadyAddresses
        ({"terminating": True}, LEAVING),
        ({"ready": False, "terminating": True}, OUT),
    ],
)
def test_conditions(conditions, expected):
    assert ready(slice_of("a", endpoint("10.0.0.1", **conditions))) == {"10.0.0.1:50051": expected}


def test_an_endpoint_without_conditions_is_ready():
    assert ready(slice_of("a", {"addresses": ["10.0.0.1"]})) == {"10.0.0.1:50051": READY}
    assert ready(slice_of("a", {"addresses": ["10.0.0.1"], "conditions": None})) == {"10.0.0.1:50051": READY}


def test_only_the_first_address_counts():
    assert ready(slice_of("a", {"addresses": ["10.0.0.1", "10.0.0.2"]})) == {"10.0.0.1:50051": READY}


def test_ports():
    first, second = slice_of("a", endpoint("10.0.0.1")), slice_of("b", endpoint("10.0.0.2"), port=50052)
    assert ready(first, second) == {"10.0.0.1:50051": READY, "10.0.0.2:50052": READY}
    assert ready(first, second, port="metrics") == {"10.0.0.1:9": READY, "10.0.0.2:9": READY}
    assert ready(first, second, port="4000") == {"10.0.0.1:4000": READY, "10.0.0.2:4000": READY}
    udp = {"name": "grpc", "port": 1, "protocol": "UDP"}
    assert ready({**first, "ports": [udp, *first["ports"]]}) == {"10.0.0.1:50051": READY}
    assert ready({**first, "ports": [{"name": "grpc", "port": 50051}]}) == {"10.0.0.1:50051": READY}


def test_that_no_endpoint_has_the_port_is_known():
    slices = [slice_of("a", endpoint("10.0.0.1")), slice_of("b")]
    assert not listed(*slices).portless
    assert listed(*slices, port="http").portless
    assert not listed(slice_of("b"), port="http").portless
    assert ready(*slices, port="http") == {}
    for ports in (None, [], [{"name": None, "port": None}]):
        assert listed({**slices[0], "ports": ports}).portless


def test_families():
    six = slice_of("b", endpoint("2001:DB8::1", "p"), endpoint("2001:db8:0::2", "q"), family="IPv6")
    assert ready(six) == {"[2001:db8::1]:50051": READY, "[2001:db8::2]:50051": READY}
    both = ready(slice_of("a", endpoint("10.0.0.1", "p")), six)
    assert both == {"10.0.0.1:50051": READY, "[2001:db8::2]:50051": READY}


def test_names_are_no_addresses():
    assert ready(slice_of("a", endpoint("worker.example"), family="FQDN")) == {}


def test_one_address_in_two_slices_is_one_worker_and_ready_if_either_says_so():
    for first, second in ((True, False), (False, True)):
        a = slice_of("a", endpoint("10.0.0.1", "p", ready=first))
        b = slice_of("b", endpoint("10.0.0.1", "p", ready=second))
        assert ready(a, b) == {"10.0.0.1:50051": READY}
    gone = [slice_of(name, endpoint("10.0.0.1", terminating=True)) for name in "ab"]
    assert ready(*gone) == {"10.0.0.1:50051": LEAVING}


def test_an_endpoint_moves_between_slices():
    state = listed(slice_of("a", endpoint("10.0.0.1"), endpoint("10.0.0.2")), slice_of("b"))
    everything = dict(state.endpoints)
    state.changed(event("MODIFIED", slice_of("b", endpoint("10.0.0.1"))))
    assert state.endpoints == everything
    state.changed(event("MODIFIED", slice_of("a", endpoint("10.0.0.2"))))
    assert state.endpoints == everything
    state.changed(event("DELETED", slice_of("b", endpoint("10.0.0.1"))))
    assert state.endpoints == {"10.0.0.2:50051": READY}
    state.changed(event("DELETED", slice_of("b")))
    assert state.endpoints == {"10.0.0.2:50051": READY}


def test_events_without_a_slice():
    assert event("BOOKMARK", {}, "123") == Event("BOOKMARK", "123")
    gone = read_event(b'{"type": "ERROR", "object": {"code": 410, "message": "m"}}', "grpc")
    assert gone == Event("ERROR", "", code=410)
    assert read_event(b'{"type": "ERROR", "object": {}}', "grpc").code == 0


def test_lists_that_are_null_are_empty():
    assert read_list(b'{"metadata": {"resourceVersion": "1"}, "items": null}', "grpc") == ("1", ())
    assert ready(slice_of("a")) == {}


GOOD = slice_of("a", endpoint("10.0.0.1"))
BAD_SLICES = [
    None,
    [],
    "a",
    {**GOOD, "metadata": None},
    {**GOOD, "metadata": {"name": ""}},
    {**GOOD, "metadata": {"name": 5}},
    {**GOOD, "endpoints": {}},
    {**GOOD, "endpoints": [None]},
    {**GOOD, "endpoints": [{"addresses": []}]},
    {**GOOD, "endpoints": [{}]},
    {**GOOD, "endpoints": [endpoint("worker.example")]},
    {**GOOD, "endpoints": [endpoint("10.0.0.1/24")]},
    {**GOOD, "endpoints": [{"addresses": [167772161]}]},
    {**GOOD, "endpoints": [endpoint("10.0.0.1", ready="true")]},
    {**GOOD, "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": "p"}]},
    {**GOOD, "ports": ["grpc"]},
    {**GOOD, "ports": [{"name": "grpc", "port": "50051"}]},
    {**GOOD, "ports": [{"name": "grpc", "port": True}]},
    {**GOOD, "ports": [{"name": "grpc", "port": 0}]},
    {**GOOD, "ports": [{"name": "grpc", "port": 65536}]},
]


@pytest.mark.parametrize("bad", BAD_SLICES, ids=str)
def test_what_is_no_slice_is_refused_whole(bad):
    if isinstance(bad, dict) and isinstance(bad["metadata"], dict):
        with pytest.raises(MalformedError):
            event("ADDED", bad)
    with pytest.raises(MalformedError):
        listed(GOOD, bad)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"{",
        b"[" * 100_000,
        b'{"type": "ADDED"}',
        b'{"type": 5, "object": {}}',
        b'{"type": "ADDED", "object": {"metadata": {"name": "a"}}}',
        b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": ""}}}',
        b'{"type": "RENAMED", "object": {"metadata": {"name": "a", "resourceVersion": "1"}}}',
        b'{"type": "ERROR", "object": {"code": 1' + b"0" * 5000 + b"}}",
    ],
    ids=lambda line: line[:30].decode("latin-1"),
)
def test_what_is_no_event_is_refused(line):
    with pytest.raises(MalformedError):
        read_event(line, "grpc")
    with pytest.raises(MalformedError):
        read_list(line, "grpc")


KEYS = "type object metadata name resourceVersion items endpoints ports port addresses conditions".split()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["ADDED", "10.0.0.1"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
        max_leaves=10,
    )
)
@settings(max_examples=30)
def test_arbitrary_json_is_read_or_refused(value):
    for read in (read_event, read_list):
        with suppress(MalformedError):
            read(json.dumps(value).encode(), "grpc")


def test_slices_are_bounded_and_what_was_known_stays():
    state = listed(*(slice_of(str(number), endpoint("10.0.0.1")) for number in range(1000)))
    known = dict(state.endpoints)
    with pytest.raises(MalformedError):
        state.changed(event("ADDED", slice_of("one more", endpoint("10.0.0.2"))))
    state.changed(event("MODIFIED", slice_of("7", endpoint("10.0.0.1"))))
    with pytest.raises(MalformedError):
        state.listed(tuple(event("ADDED", slice_of(str(number))).slice for number in range(1001)))
    assert state.endpoints == known


def test_endpoints_are_bounded():
    many = [endpoint(f"10.0.{number // 250}.{number % 250}") for number in range(1200)]
    assert len(ready(slice_of("a", *many[:600]), slice_of("b", *many[600:]))) == 1000


ENDPOINTS = st.builds(
    endpoint,
    st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"]),
    st.sampled_from([None, "p", "q"]),
    ready=st.sampled_from([True, False, None]),
    serving=st.sampled_from([True, False, None]),
    terminating=st.sampled_from([True, False, None]),
)
CHANGES = st.tuples(st.sampled_from("abcd"), st.none() | st.lists(ENDPOINTS, max_size=4))


@given(st.lists(CHANGES, max_size=20), st.sets(st.integers(0, 20)))
def test_any_sequence_of_events_and_relists_ends_in_what_the_last_state_says(changes, relists):
    heard, truth = Slices(), {}
    for number, (name, endpoints) in enumerate(changes):
        if number in relists:  # which repeats, or jumps over, what events would have told
            heard = listed(*truth.values())
        if endpoints is None:
            told = truth.pop(name, slice_of(name))
            heard.changed(event("DELETED", told))
        else:
            kind = "MODIFIED" if name in truth else "ADDED"
            truth[name] = slice_of(name, *endpoints)
            heard.changed(event(kind, truth[name]))
            heard.changed(event(kind, truth[name]))  # a watch may repeat what the list had

    assert heard.endpoints == expected([one for part in truth.values() for one in part["endpoints"] or ()])


def expected(endpoints):
    """Say what endpoints amount to, in other words."""

    def standing(one):
        ready, serving, terminating = (one["conditions"][name] for name in ("ready", "serving", "terminating"))
        if not terminating:
            return OUT if ready is False else READY
        return OUT if False in ((ready,) if serving is None else (serving,)) else LEAVING

    def hidden(one):
        pod = one.get("targetRef", {}).get("uid")
        others = [other for other in endpoints if pod is not None and other.get("targetRef", {}).get("uid") == pod]
        return ":" in one["addresses"][0] and any("." in other["addresses"][0] for other in others)

    seen = [one for one in endpoints if not hidden(one)]
    hosts = {one["addresses"][0] for one in seen}
    return {
        f"[{host}]:50051" if ":" in host else f"{host}:50051": max(
            standing(one) for one in seen if one["addresses"][0] == host
        )
        for host in hosts
    }
