"""What a message and its contact are, as far as rules of the pack ask: the segments left alone, and the stock shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memory.play import Play, RecordKind
from memory.steps import SendStep
from policies.facts import STOCK_UNKNOWN
from policies.pack import Pack
from policies.rules.not_for import NotForLimits
from policies.table import Coded, Column
from tools.bindings import promotes_product
from tools.records import LakeRecords


def in_barred_segment(
    ids: NDArray[np.int64], play: Play, pack: Pack, records: LakeRecords, at: datetime
) -> Column | None:
    """Whether each contact is in a segment that the pack has the playbook leave alone; None where it names no segment.

    Of whom the lake knows nothing yet, it is not known.
    """
    segments = pack.limits("not_for", NotForLimits).segments(play.playbook)
    if not segments:
        return None
    known, inside = records.within({"type": "any", "of": segments}, at)
    codes = np.where(np.isin(ids, inside), 1, np.where(np.isin(ids, known), 0, 2))
    return Coded(codes.astype(np.int32), [False, True, None]) if (codes == 2).any() else np.equal(codes, 1)


def stock_units(
    play: Play, step: SendStep, named: Iterable[Mapping[RecordKind, str]], records: LakeRecords
) -> NDArray[np.int64] | None:
    """How many there are of the product that each message shows, by the records that it speaks of; None where no
    message of the step shows one."""
    if not promotes_product(play, step):
        return None
    shown = (records.products().get(one.get("product", "")) for one in named)
    return np.asarray(
        [STOCK_UNKNOWN if one is None or one.stock_units is None else one.stock_units for one in shown], np.int64
    )
