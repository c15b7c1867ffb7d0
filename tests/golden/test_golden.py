"""No number changes unseen: everything in `tests/golden/values`, computed again."""

from __future__ import annotations

import pytest

from tests.golden.__main__ import VALUES, stored
from tests.golden.comparing import differences
from tests.golden.groups import GROUPS, compute

#: Differences that are shown of a group.
MOST_SHOWN = 20


@pytest.mark.fixed_seed
@pytest.mark.parametrize("group", GROUPS)
def test_values_are_those_that_were_kept(group: str) -> None:
    found = [str(each) for each in differences(stored(group), compute(group), group)]
    shown = "\n".join(found[:MOST_SHOWN])
    assert not found, f"{len(found)} values differ:\n{shown}"


def test_every_file_belongs_to_a_group() -> None:
    assert {path.stem for path in VALUES.glob("*.json")} == set(GROUPS)
