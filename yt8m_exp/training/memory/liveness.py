"""The most memory that the tensors of a traced function take at a time; nothing is run.

The operations are followed in the order in which they were made. A tensor lives from the operation
that makes it to the last one that takes it. Not counted is what TensorFlow saves when it optimizes
the graph or writes over an input, nor what it adds when it runs operations in another order.
"""

import math
from dataclasses import dataclass
from graphlib import TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import Any

import tensorflow as tf

VIEWS = {
    *("Identity", "IdentityN", "StopGradient", "Reshape", "ExpandDims", "Squeeze"),
    "TensorListFromTensor",
}
"""Operations whose outputs are the memory of their inputs, the first of the first and so on."""
WITHOUT_MEMORY = {"ReadVariableOp", "TensorListGetItem", "TensorListReserve", "EmptyTensorList"}
"""Operations whose outputs are empty, or memory that is counted where it was made."""
ADDS_TO_LIST = {"TensorListSetItem", "TensorListPushBack"}
"""Operations that keep a tensor, their last input, in a list, their first input."""
LOOPS = {"While", "StatelessWhile"}
CALLS = {
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
} | dict.fromkeys(LOOPS, ("body",))
"""The attributes by which operations name the functions that they run."""


@dataclass(eq=False)
class _Buffer:
    """Memory of one tensor, or of several that are views of it; `uses` are still to come."""

    size: int
    uses: int = 0


def peak_bytes(graph: Any) -> int:
    """Returns the most bytes of tensors that live at a time, beside variables.

    Args:
        graph: of a concrete function, traced with known shapes. A tensor of unknown shape counts
            as much as the known inputs of its operation.
    """
    return sum(_bytes(given) for given in graph.inputs) + _peak(graph)


def _peak(graph: Any) -> int:
    """Returns the most bytes that live at a time, without the function's arguments."""
    operations = _needed(graph)
    buffers = _buffers(graph, operations)
    live = most = 0
    for op in operations:
        taken = _of(buffers, op.inputs)
        made = [buffer for buffer in _of(buffers, op.outputs) if buffer not in taken]
        for buffer in taken:
            buffer.uses -= 1
        ending = sum(buffer.size for buffer in taken if not buffer.uses)
        new = sum(buffer.size for buffer in made)
        inside = max((_peak(function) for function in _functions(op)), default=0)
        most = max(most, live + max(new, inside))
        live += new - ending - sum(buffer.size for buffer in made if not buffer.uses)
    return most


def _needed(graph: Any) -> list[tf.Operation]:
    """Returns the operations that an output or a side effect needs, each behind what it takes.

    A gradient may add inputs to a loop that was made before it, so the order of the graph is kept
    only where it is such an order.
    """
    waiting = [x.op for x in graph.outputs] + list(graph.control_outputs)
    before: dict[str, set[str]] = {}
    while waiting:
        op = waiting.pop()
        if op.name not in before:
            needed = [x.op for x in op.inputs] + list(op.control_inputs)
            before[op.name] = {other.name for other in needed}
            waiting += needed
    operations = {op.name: op for op in graph.get_operations() if op.name in before}
    places = {name: place for place, name in enumerate(operations)}
    sorter = TopologicalSorter(before)
    sorter.prepare()
    ready, names = [(places[name], name) for name in sorter.get_ready()], []
    heapify(ready)
    while ready:
        names.append(heappop(ready)[1])
        sorter.done(names[-1])
        for name in sorter.get_ready():
            heappush(ready, (places[name], name))
    return [operations[name] for name in names]


def _buffers(graph: Any, operations: list[tf.Operation]) -> dict[str, _Buffer]:
    """Returns the memory of each tensor by name, with the number of operations that take it."""
    buffers = {given.name: _Buffer(0) for given in graph.inputs}
    for op in operations:
        for place, output in enumerate(op.outputs):
            source = _source(op, place)
            if source is not None:
                buffers[output.name] = buffers[source.name]
            elif output.name not in buffers:
                buffers[output.name] = _Buffer(_made_bytes(op, place))
        for buffer in _of(buffers, op.inputs):
            buffer.uses += 1
    for buffer in _of(buffers, graph.outputs):
        buffer.uses += 1
    return buffers


def _of(buffers: dict[str, _Buffer], tensors: Any) -> list[_Buffer]:
    return list({id(b): b for b in (buffers[tensor.name] for tensor in tensors)}.values())


def _source(op: tf.Operation, place: int) -> tf.Tensor | None:
    """Returns the input whose memory an output is, if it is one's."""
    if op.type in VIEWS:
        return op.inputs[place]
    if op.type in LOOPS:
        (body,) = _functions(op)
        return op.inputs[place] if _origin(body.outputs[place]) is body.inputs[place] else None
    return None


def _made_bytes(op: tf.Operation, place: int) -> int:
    """Returns the bytes of a new output; lists have those of the tensors that they keep."""
    if op.type in WITHOUT_MEMORY or op.type == "Const":
        return 0
    if op.type in ADDS_TO_LIST:
        return _bytes(op.inputs[-1])
    output = op.outputs[place]
    if op.type in LOOPS and output.dtype == tf.variant:
        (body,) = _functions(op)
        return _list_length(op, place) * _kept(body.outputs[place])
    known = output.shape.is_fully_defined()
    return _bytes(output) if known else sum(_bytes(given) for given in op.inputs)


def _kept(tensor: tf.Tensor) -> int:
    """Returns the bytes that a turn of a loop adds to a list."""
    kept, origin = 0, _origin(tensor)
    while origin.op.type in ADDS_TO_LIST:
        kept += _bytes(origin.op.inputs[-1])
        origin = _origin(origin.op.inputs[0])
    return kept


def _list_length(loop: tf.Operation, place: int) -> int:
    """Returns how many tensors a list of a loop holds at last: what is known, or one a turn."""
    lists = [_origin(given) for given in loop.inputs if given.dtype == tf.variant]
    own = _reserved(_origin(loop.inputs[place]))
    turns = [_reserved(given) or 0 for given in lists]
    turns += [x.op.inputs[0].shape[0] or 0 for x in lists if x.op.type == "TensorListFromTensor"]
    return own or max(turns, default=1)


def _reserved(tensor: tf.Tensor) -> int | None:
    """Returns the length of a list as it was made, if that is known."""
    while tensor.op.type in ADDS_TO_LIST:
        tensor = _origin(tensor.op.inputs[0])
    if tensor.op.type != "TensorListReserve":
        return None
    length = tf.get_static_value(tensor.op.inputs[1])
    return None if length is None else int(length)


def _origin(tensor: tf.Tensor) -> tf.Tensor:
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor


def _functions(op: tf.Operation) -> list[Any]:
    """Returns the graphs of the functions that an operation runs."""
    names = [op.get_attr(key).name for key in CALLS.get(op.type, ())]
    return [op.graph._get_function(name).graph for name in names]  # no public way leads there


def _bytes(tensor: tf.Tensor) -> int:
    shape = tensor.shape
    if tensor.dtype in (tf.resource, tf.variant) or not shape.is_fully_defined():
        return 0
    return math.prod(shape) * tensor.dtype.size
