"""Conditions and arithmetic over configuration keys, as studies write them.

`model.head=moe` is Hydra's spelling of equality, `model.head=[moe,logistic]` of one among several;
anything else is a small part of Python: `model.units % model.clusters == 0`, `parameters <= 5e7`.
It is read with `ast` and never executed.
"""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from yt8m_exp.spec import InputError

EQUALITY = re.compile(r"\s*([A-Za-z_][\w.]*)\s*=\s*([^=\s][^=]*)")
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, many: value in many,
}
GATHER = {ast.And: all, ast.Or: any}
Lookup = Callable[[str], Any]


@dataclass(frozen=True)
class Expression:
    """An expression over configuration keys.

    Args:
        text: as it was written.

    Raises:
        InputError: it is no expression, or holds something other than keys, constants, arithmetic,
            comparisons, `and`, `or`, and lists.
    """

    text: str

    def __post_init__(self) -> None:
        _keys(self._tree(), self.text)

    @property
    def keys(self) -> set[str]:
        """The configuration keys that it names."""
        return _keys(self._tree(), self.text)

    def value(self, lookup: Lookup) -> Any:
        """Returns its value.

        Args:
            lookup: the value of a configuration key.

        Raises:
            InputError: it cannot be computed with these values.
        """
        try:
            return _value(self._tree(), lookup)
        except InputError:
            raise
        except (TypeError, ValueError, ArithmeticError, MemoryError) as error:
            values = ", ".join(f"{key}={lookup(key)!r}" for key in sorted(self.keys))
            raise InputError(f"`{self.text}` cannot be computed with {values}: {error}.") from error

    def _tree(self) -> ast.expr:
        if equality := EQUALITY.fullmatch(self.text):
            key, value = equality[1], self._yaml(equality[2])
            text = f"{key} {'in' if isinstance(value, list) else '=='} {value!r}"
        else:
            text = self.text.strip()
        try:
            return ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError(
                f"`{self.text}` is no expression ({error}). Write one as `model.head=moe`, or "
                "as `model.units % 8 == 0`."
            ) from None

    def _yaml(self, value: str) -> Any:
        try:
            return yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"`{self.text}` has no value behind `=`, but `{value}`.") from None


def _keys(node: ast.expr, text: str) -> set[str]:
    if isinstance(node, ast.Name | ast.Attribute):
        return {_key(node, text)}
    parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    known = isinstance(node, ast.Constant | ast.List | ast.Tuple)
    known |= isinstance(node, ast.BoolOp) and type(node.op) in GATHER
    known |= isinstance(node, ast.BinOp) and type(node.op) in OPERATORS
    known |= isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    known |= isinstance(node, ast.Compare) and {type(op) for op in node.ops} <= OPERATORS.keys()
    if not known:
        raise InputError(
            f"`{text}` must be made of configuration keys, constants, arithmetic, comparisons, "
            f"`and`, `or` and lists, but holds `{ast.unparse(node)}`."
        )
    return set().union(*(_keys(part, text) for part in parts))


def _key(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_key(node.value, text)}.{node.attr}"
    raise InputError(f"`{text}`: `{ast.unparse(node)}` is no configuration key.")


def _value(node: ast.expr, lookup: Lookup) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple():
            return [_value(part, lookup) for part in node.elts]
        case ast.BinOp():
            return OPERATORS[type(node.op)](_value(node.left, lookup), _value(node.right, lookup))
        case ast.UnaryOp():
            return -_value(node.operand, lookup)
        case ast.BoolOp():
            return GATHER[type(node.op)](_value(part, lookup) for part in node.values)
        case ast.Compare():
            sides = [_value(side, lookup) for side in (node.left, *node.comparators)]
            pairs = zip(node.ops, sides, sides[1:], strict=False)
            return all(OPERATORS[type(op)](left, right) for op, left, right in pairs)
    return lookup(_key(node, ""))
