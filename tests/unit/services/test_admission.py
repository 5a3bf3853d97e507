"""services.admission: a bound, and a guess at when to come back."""

import pytest

from services.admission import Admission
from services.errors import InvalidArgumentError, QueueFullError


def test_room_is_bounded_and_given_back():
    admission = Admission("m", max_concurrency=1, max_queue=2)
    with admission.admit(1), admission.admit(2):
        assert admission.admitted == 3
        with pytest.raises(QueueFullError) as caught, admission.admit(1):
            pytest.fail("there was no room")
        assert caught.value.model == "m"
        assert 0.1 <= caught.value.retry_after_s <= 30
    assert admission.admitted == 0


def test_a_request_of_more_outputs_than_there_will_ever_be_room_for_is_refused_for_good():
    admission = Admission("m", max_concurrency=2, max_queue=0)
    with pytest.raises(InvalidArgumentError), admission.admit(3):
        pytest.fail("there was no room")
    assert admission.admitted == 0


def test_room_is_given_back_after_a_failure():
    admission = Admission("m", max_concurrency=1, max_queue=0)
    with pytest.raises(ValueError, match="x"), admission.admit(1):
        raise ValueError("x")
    assert admission.admitted == 0
