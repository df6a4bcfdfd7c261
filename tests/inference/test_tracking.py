import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import linear_sum_assignment

from mien.inference.assignment import assign
from mien.inference.follow.smoothing import TIME_CONSTANT_SECONDS, CausalSmoother, smooth_two_sided
from mien.inference.follow.tracking import Tracker


def square(x, y, side=100):
    return (x - side / 2, y - side / 2, x + side / 2, y + side / 2)


# --- assign


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_assigned_to_nothing(shape):
    assert assign(np.zeros(shape)) == []


@pytest.mark.parametrize(
    ("costs", "pairs"),
    [
        ([[7]], [(0, 0)]),
        ([[1, 2], [2, 9]], [(0, 1), (1, 0)]),  # greed would take 1 + 9
        ([[4, 1, 3], [2, 0, 5], [3, 2, 2]], [(0, 1), (1, 0), (2, 2)]),  # 1 + 2 + 2
        ([[5, 1, 9], [9, 2, 4]], [(0, 1), (1, 2)]),  # wide: 1 + 4
        ([[5, 9], [1, 2], [9, 4]], [(1, 0), (2, 1)]),  # tall: its transpose
        ([[-3, 0], [-5, -1]], [(0, 1), (1, 0)]),  # -5, against -4
    ],
)
def test_the_cheapest_pairs_by_hand(costs, pairs):
    assert assign(np.array(costs, float)) == pairs


@settings(deadline=None)
@given(
    st.one_of(st.floats(-1e3, 1e3), st.integers(0, 3).map(float)).flatmap(
        lambda fill: arrays(
            float,
            array_shapes(min_dims=2, max_dims=2, max_side=9),
            elements=st.one_of(st.floats(-1e3, 1e3), st.integers(0, 3).map(float)),
            fill=st.just(fill),
        )
    )
)
def test_assignments_cost_what_scipys_do(costs):
    pairs = assign(costs)
    rows, columns = zip(*pairs, strict=True)
    assert len(pairs) == len(set(rows)) == len(set(columns)) == min(costs.shape)
    assert list(rows) == sorted(rows)
    expected = costs[linear_sum_assignment(costs)].sum()
    assert costs[list(rows), list(columns)].sum() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_costs_must_be_finite(bad):
    with pytest.raises(ValueError, match="finite"):
        assign(np.array([[bad, 1.0]]))


# --- Tracker


def test_ids_count_from_1_in_the_order_of_the_boxes():
    tracker = Tracker()
    a, b, c = square(100, 100), square(400, 100), square(700, 100)
    assert tracker.update([a, b], 0) == [1, 2]
    assert tracker.update([b, a], 0.04) == [2, 1]
    assert tracker.update([c, b, a], 0.08) == [3, 2, 1]


def test_frames_without_faces():
    tracker = Tracker()
    assert tracker.update([], 0) == []
    assert tracker.update([square(100, 100)], 0.04) == [1]
    assert tracker.update([], 0.08) == []
    assert tracker.update([square(100, 100)], 0.12) == [1]


@pytest.mark.parametrize(
    ("absence", "expected"), [(0.5, 1), (1.0, 1), (1.0000005, 1), (1.01, 2), (2.0, 2)]
)
@pytest.mark.parametrize("start", [0, 0.1, 3600.7])  # 3600.7 + 1.0 - 3600.7 is not quite 1
def test_a_face_keeps_its_id_while_absent_for_at_most_a_second(absence, expected, start):
    tracker = Tracker()
    assert tracker.update([square(100, 100)], start) == [1]
    for share in (0.25, 0.5, 0.75):
        assert tracker.update([], start + share * absence) == []
    assert tracker.update([square(105, 98)], start + absence) == [expected]


def test_ids_are_never_reused():
    tracker = Tracker()
    ids = []
    for k in range(5):
        ids.append(tracker.update([square(100, 100)] * (1 + k % 2), 5.0 * k))
        tracker.update([], 5.0 * k + 0.1)
    assert ids == [[1], [2, 3], [4], [5, 6], [7]]


def test_rare_frames_that_all_show_a_face_show_one_face():
    tracker = Tracker()
    ids = [tracker.update([square(100 + 20 * k, 100)], 5.0 * k) for k in range(4)]
    assert ids == [[1]] * 4
    far_off = square(100 + 60 + 450, 100)  # beyond 3.7 sides: the reach grows for a second only
    assert tracker.update([far_off], 60.0) == [2]


def test_time_does_not_go_backwards():
    tracker = Tracker()
    tracker.update([], 1.0)
    tracker.update([], 1.0)  # may stand still
    for time in (0.9, math.nan):
        with pytest.raises(ValueError, match="backwards"):
            tracker.update([], time)


# Exactly on top of each other (dy = 0) no one could tell them apart.
@settings(max_examples=60, deadline=None)
@given(
    fps=st.sampled_from([10, 15, 25, 30, 60]),
    speeds=st.tuples(st.floats(100, 300), st.floats(100, 300)),
    dy=st.floats(1, 60),
)
def test_faces_that_cross_keep_their_ids(fps, speeds, dy):
    tracker = Tracker()
    for frame in range(4 * fps):
        time = frame / fps
        left, right = square(100 + speeds[0] * time, 200), square(700 - speeds[1] * time, 200 + dy)
        boxes, expected = [left, right], [1, 2]
        if frame % 2:  # the detector's order says nothing
            boxes, expected = boxes[::-1], expected[::-1]
        assert tracker.update(boxes, time) == expected


@pytest.mark.parametrize("gap", range(60, 260, 10))
@pytest.mark.parametrize("speed", [100, 150, 200, 300])
def test_faces_that_cross_soon_after_they_appear_keep_their_ids(gap, speed):
    tracker = Tracker()
    for frame in range(20):
        time = frame / 10
        boxes = [square(speed * time, 0), square(gap - speed * time, 3)]
        assert tracker.update(boxes, time) == [1, 2]


@pytest.mark.parametrize("fps", [10, 25, 30])
def test_faces_keep_their_ids_when_one_passes_behind_the_other(fps):
    tracker = Tracker()
    for frame in range(3 * fps):
        time = frame / fps
        front, behind = 100 + 200 * time, 600 - 200 * time
        hidden = abs(front - behind) < 43  # overlap > 0.4: the detector suppresses one
        boxes = [square(front, 200)] + [square(behind, 220)] * (not hidden)
        assert tracker.update(boxes, time) == [1, 2][: len(boxes)]


def test_a_fast_face_is_found_at_two_frames_per_second():
    tracker = Tracker()
    positions = [100 + 150 * k for k in range(8)]  # 300 pixels per second, no overlap
    assert [tracker.update([square(x, 100)], k / 2) for k, x in enumerate(positions)] == [[1]] * 8


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_many_jittery_faces_keep_their_ids_at_a_variable_rate(seed):
    rng = np.random.default_rng(seed)
    tracker = Tracker()
    homes = [(150 * column, 160 * row) for column in range(3) for row in range(2)]
    time, ids = 0.0, {}
    for frame in range(300):
        time += rng.choice([0.02, 0.04, 0.1, 0.2])
        # A fifth go unfound, never four frames in a row, hence for less than a second.
        order = rng.permutation(len(homes))
        # All are there at first: one that comes while its neighbour is away may pass for it.
        found = [frame == 0 or rng.random() > 0.2 or (frame + face) % 4 == 0 for face in order]
        faces = order[found]
        boxes = [
            square(*(homes[face] + rng.normal(0, 3, 2)), 100 * math.exp(rng.normal(0, 0.04)))
            for face in faces
        ]
        for face, track in zip(faces, tracker.update(boxes, time), strict=True):
            assert ids.setdefault(face, track) == track
    assert sorted(ids.values()) == [1, 2, 3, 4, 5, 6]


def test_a_face_elsewhere_is_new_though_another_vanished():
    tracker = Tracker()
    here, gone, elsewhere = square(600, 100), square(100, 100), square(1100, 100)
    assert tracker.update([gone, here], 0) == [1, 2]
    assert tracker.update([here, elsewhere], 0.04) == [2, 3]


def test_no_row_of_faces_shifts_when_one_leaves_and_another_comes():
    tracker = Tracker()
    assert tracker.update([square(0, 0), square(150, 0)], 0) == [1, 2]
    # 1 could just become 2's box and 2 the new one (each 1.5 sides in 0.5 s): both would be wrong.
    assert tracker.update([square(150, 0), square(300, 0)], 0.5) == [2, 3]


@pytest.mark.parametrize(("side", "expected"), [(60, 1), (190, 1), (40, 2), (220, 2)])
def test_a_face_of_another_size_is_another_face(side, expected):
    tracker = Tracker()
    tracker.update([square(100, 100)], 0)
    assert tracker.update([square(100, 100, side)], 0.04) == [expected]


def test_boxes_without_area_do_no_harm():
    tracker = Tracker()
    assert [tracker.update([(5, 5, 5, 5)], time) for time in (0, 0.04)] == [[1], [1]]


# --- CausalSmoother


def update(smoother, track, time, probabilities):
    smoother.add(time, {track: probabilities})
    return smoother.at(time, track)


def test_exponential_smoothing_by_hand():
    smoother, half = CausalSmoother(), TIME_CONSTANT_SECONDS * math.log(2)
    assert update(smoother, 1, 10 * half, {"a": 1.0, "b": 0.0}) == {"a": 1, "b": 0}
    assert update(smoother, 1, 11 * half, {"a": 0.0, "b": 1.0}) == pytest.approx(
        {"a": 0.5, "b": 0.5}
    )
    assert update(smoother, 2, 11 * half, {"a": 0.2, "b": 0.8}) == {"a": 0.2, "b": 0.8}  # its own
    assert update(smoother, 1, 13 * half, {"a": 0.0, "b": 1.0}) == pytest.approx(
        {"a": 1 / 8, "b": 7 / 8}
    )


def test_what_was_returned_and_given_is_not_tied_to_the_state():
    smoother = CausalSmoother()
    given_first = {"a": 1.0}
    update(smoother, 1, 0, given_first)["a"] = 5
    given_first["a"] = 7
    assert update(smoother, 1, 0, {"a": 0.0}) == {"a": 1}


def test_smoothing_does_not_go_backwards():
    smoother = CausalSmoother()
    update(smoother, 1, 1, {"a": 1.0})
    with pytest.raises(ValueError, match="backwards"):
        update(smoother, 1, 0.5, {"a": 1.0})


def test_the_memory_of_tracks_does_not_grow():
    smoother = CausalSmoother()
    for track in range(1000):
        update(smoother, track, track, {"a": 1.0})
    assert len(smoother._states) == 4  # 3 seconds, inclusive
    assert update(smoother, 996, 1000, {"a": 0.25}) == {"a": 0.25}  # begins anew


# --- smooth_two_sided


def test_triangular_smoothing_by_hand():
    values = np.array([[1, 0], [0, 1], [1, 0], [0.5, 0.5]])
    # At 1 s, half width 1 s: weights 0, 0.5, 1, 0.25 of 1.75.
    smoothed = smooth_two_sided([0, 0.5, 1, 1.75], values, 1, 1)
    assert smoothed == pytest.approx([1.125 / 1.75, 0.625 / 1.75])
    assert smooth_two_sided([0, 1], values[:2], 0.25, 1) == pytest.approx([0.75, 0.25])
    assert smooth_two_sided([0, 0.5], values[:2], 0).tolist() == [1, 0]  # the edge does not count


def test_triangular_smoothing_needs_values():
    for times in ([], [0, 0.5]):
        with pytest.raises(ValueError, match="no values"):
            smooth_two_sided(times, np.ones((len(times), 1)), 1)
    with pytest.raises(ValueError, match="half_width_seconds"):
        smooth_two_sided([0], np.ones((1, 1)), 0, 0)


@settings(deadline=None)
@given(
    arrays(float, st.tuples(st.integers(1, 20), st.integers(1, 7)), elements=st.floats(1e-3, 1)),
    st.data(),
)
def test_smoothed_distributions_are_distributions(values, data):
    values = values / values.sum(axis=1, keepdims=True)
    count, kinds = values.shape
    time = st.floats(0, 10)
    times = sorted(data.draw(st.lists(time, min_size=count, max_size=count)))
    causal = CausalSmoother()
    for at, row in zip(times, values, strict=True):
        smoothed = smooth_two_sided(times, values, at)
        past = update(causal, 1, at, dict(zip("abcdefg"[:kinds], row.tolist(), strict=True)))
        for result in (smoothed, np.array(list(past.values()))):
            assert result.shape == (kinds,)
            assert result.sum() == pytest.approx(1, abs=1e-9)
            assert (result >= values.min(axis=0) - 1e-12).all()
            assert (result <= values.max(axis=0) + 1e-12).all()
