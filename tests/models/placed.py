"""Where the operations of a traced function run."""

import tensorflow as tf


def devices_of_bytes(traced) -> set[str]:
    """Returns the devices of what takes bytes, but for what the function returns."""
    operations = [op for op in traced.graph.get_operations() if op.type != "Identity"]
    assert "GatherV2" in {op.type for op in operations}
    return {op.device for op in operations if tf.uint8 in [x.dtype for x in op.inputs]}
