"""A worker that loses one call after the other is left alone, longer each time."""

from __future__ import annotations

import pytest

from services.routing.config import OutlierConfig
from services.routing.outlier import OutlierDetector
from tests.unit.routing.fake import Clock

CONFIG = OutlierConfig(consecutive_failures=3, base_ejection_s=2.0, max_ejection_s=10.0, slow_start_s=4.0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def detector(clock):
    return OutlierDetector(CONFIG, clock)


def fail(detector, times=3):
    """Lose so many calls; give what the last one led to."""
    return [detector.failed() for _ in range(times)][-1]


def test_it_takes_failures_in_a_row(detector):
    for _ in range(5):
        assert detector.failed() is None
        assert detector.failed() is None
        detector.succeeded()
    assert not detector.ejected
    assert fail(detector) == 2.0
    assert detector.ejected


def test_an_ejection_ends_by_itself(detector, clock):
    fail(detector)
    clock.pass_(1.99)
    assert detector.ejected
    clock.pass_(0.02)
    assert not detector.ejected


def test_each_further_one_takes_twice_as_long_up_to_a_limit(detector, clock):
    lengths = []
    for _ in range(60):
        lengths.append(fail(detector))
        clock.pass_(lengths[-1])
    assert lengths[:4] == [2.0, 4.0, 8.0, 10.0]
    assert set(lengths[4:]) == {10.0}


def test_after_a_good_while_the_first_one_is_a_first_one_again(detector, clock):
    for _ in range(3):
        clock.pass_(fail(detector))
    clock.pass_(10.5)
    assert fail(detector) == 2.0


def test_calls_that_are_lost_during_an_ejection_do_not_lengthen_it(detector, clock):
    fail(detector)
    assert fail(detector, 10) is None
    clock.pass_(2.0)
    assert not detector.ejected


def test_weight_comes_back_slowly(detector, clock):
    assert detector.share == 1.0
    detector.came_back()
    assert detector.share == 0.1
    clock.pass_(2.0)
    assert detector.share == 0.5
    clock.pass_(2.0)
    assert detector.share == 1.0
    fail(detector)
    clock.pass_(2.0)
    assert detector.share == 0.1
    clock.pass_(1.0)
    assert detector.share == 0.25


def test_coming_back_forgets_what_was_lost_before(detector):
    fail(detector, 2)
    detector.came_back()
    assert fail(detector, 2) is None


def test_without_slow_start_all_weight_is_back_at_once(clock):
    detector = OutlierDetector(OutlierConfig(slow_start_s=0.0), clock)
    detector.came_back()
    assert detector.share == 1.0
