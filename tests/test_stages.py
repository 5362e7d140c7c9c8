"""Stages and the turned backward loop: what a GPU may run together, for the LSTM and for cells that lack its shape."""

from __future__ import annotations

import pytest

from derive.emit.cuda.phases import Phases, from_memory
from derive.emit.storage import Storage
from derive.index import Entry
from derive.plan.rotation import AFTER
from derive.plan.schedule import schedule
from derive.plan.stages import same_point, stages
from derive.plan.sums import Sum, in_parts, name_sums
from tests.cuda_cells import HARD
from tests.example_cells import ALL

CELLS = {**ALL, **HARD}
CELL_NAMES = sorted(CELLS)


def phases(name: str) -> Phases:
    plan = schedule(CELLS[name])
    return Phases(plan, Storage(plan))


def test_the_lstm_takes_one_kernel_for_every_step() -> None:
    """Broken if a product and its gates, or ∂h of step t + 1 and ∂a of step t, are no longer one kernel."""
    before, step, after = phases("lstm").forward
    assert [len(one.stages) for one in (before, step, after)] == [1, 1, 0]
    turn, rest, deferred = phases("lstm").backward
    assert [len(one.stages) for one in (turn, rest)] == [1, 1]
    (stage,) = turn.stages
    assert [one.name for one in stage.sums] == ["sum_dh_prev_after"]
    assert [one.name for one in stage.equations] == ["d_next_h", "d_next_c", "J_c", "dc", "J_a", "da", "dc_prev"]
    assert sum(len(one.sums) for one in deferred.stages if one.parts) == 3


def test_the_gru_forms_a_shared_product_once() -> None:
    """∂n · U_hᵀ is in ∂r and in ∂h_prev: broken if it is formed twice, or the loop has more than two stages."""
    turn, _, _ = phases("gru").backward
    assert len(turn.stages) == 2
    assert [one.name for one in turn.stages[1].sums] == ["sum_dr_sum"]


@pytest.mark.parametrize("name", CELL_NAMES)
def test_a_stage_reads_its_own_results_at_its_own_point_only(name: str) -> None:
    """Broken if a thread could need what another thread of the same kernel computes."""
    for phase in phases(name).all:
        for stage in phase.stages:
            own = {one.name: one for one in (*stage.sums, *stage.equations)}
            for one in own.values():
                assert all(same_point(e, one, own) for e in one.reads if e.name in own)


@pytest.mark.parametrize("name", CELL_NAMES)
def test_what_is_read_from_memory_is_stored_before(name: str) -> None:
    """Broken if a kernel reads an array that no kernel stores, or that a later one of its phase does."""
    made = phases(name)
    inputs = {array.name for array in made.plan.step.inputs} | {f"d{o}_given" for o in made.plan.cell.outputs}
    stored: set[str] = set()
    for phase in made.all:
        for stage in phase.stages:
            missing = {n for n in from_memory(stage) if not n.endswith(AFTER)} - stored - inputs
            assert not missing, f"{phase.name} reads {missing} too early"
            stored |= {array.name for array in stage.produced if array.name in made.in_memory}


@pytest.mark.parametrize("name", CELL_NAMES)
def test_nothing_that_others_sum_over_is_overwritten(name: str) -> None:
    """Broken if a turn's sums could read what the same turn writes: arrays of step t + 1 have a name of their own."""
    rotation = phases(name).rotation
    written = {one.name for one in rotation.turn}
    for arrival in rotation.arrivals:
        for late in arrival.late:
            (sum_,) = [one for one in rotation.turn if one.name == late.name + AFTER]
            assert not {entry.name for entry in sum_.reads} & written


@pytest.mark.parametrize("name", CELL_NAMES)
def test_sums_are_apart_and_only_once(name: str) -> None:
    """Broken if a Σ stays inside of a pointwise equation, or two sums are the same."""
    plan = schedule(CELLS[name])
    for equations in (plan.hoisted, plan.loop, plan.after, plan.recurrence, plan.deferred):
        named = name_sums(equations)
        sums = [one for one in named if isinstance(one, Sum)]
        assert len({(one.array.indices, one.value) for one in sums}) == len(sums)
        assert len({one.name for one in named}) == len(named)
        for one in in_parts(named, plan.batch):
            assert isinstance(one, Sum) or all(isinstance(e, Entry) for e in one.reads)
        assert sum(len(s.sums) + len(s.equations) for s in stages(named)) == len(named)
