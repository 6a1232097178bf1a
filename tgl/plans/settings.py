"""The configuration of plans, and the types of plan and method names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tgl.core.config_types import FilePath, Section
from tgl.core.errors import TglError
from tgl.core.vocabulary import DENOMINATORS, SALIENT_KINDS, UPDATED, WINDOW
from tgl.plans.names import parse_plan


def _is_plan(value: str) -> str:
    try:
        parse_plan(value)
    except TglError as error:
        raise ValueError(str(error)) from None
    return value


PlanText = Annotated[str, AfterValidator(_is_plan)]
Denominator = Literal[DENOMINATORS]


class PlanConfig(Section):
    """Choices that a plan's name may leave open."""

    salient: Literal[SALIENT_KINDS] = Field(
        UPDATED,
        description="Kind of probe whose gradients rank sublayers. updated: changed facts; new_entity: new entities.",
    )
    denominator: Denominator = Field(
        WINDOW,
        description=(
            "Divisor of the relative norm. window: plain text (the paper's); matched_span: short spans; "
            "unchanged: unchanged facts."
        ),
    )
    embedding: Literal["frozen", "trained"] = Field(
        "frozen",
        description=(
            "Embeddings, final norm and output head. frozen: they stay as they are; trained: they are trained too."
        ),
    )
    borrow: FilePath | None = Field(
        None,
        description="Folder results/NAME of a run with the same model shape, for plans named .borrowed. null: none.",
    )
