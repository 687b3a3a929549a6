"""Execution params as a value with an id. Their fields, defaults and reading are the algorithm's own."""

from typing import Any

from workbench.algorithm import params as rules
from workbench.algorithm.params import SCHEMA, ExecutionParams, RiskLimits
from workbench.errors import BadInput
from workbench.words.identity import content_id

__all__ = ["SCHEMA", "ExecutionParams", "RiskLimits", "body", "params_id", "read"]


def read(given: Any, *, where: str = "") -> ExecutionParams:
    """Params from fields by name. Raises `BadInput` naming the field, the value and what is allowed."""
    try:
        return rules.read(given)
    except ValueError as error:
        raise BadInput(str(error), where=where) from None


def params_id(params: ExecutionParams) -> str:
    """`p…`: the content of all fields."""
    return content_id("p", params.body())


def body(params: ExecutionParams) -> dict[str, Any]:
    """Every field, ready to be written."""
    return {"schema": SCHEMA, **params.body()}
