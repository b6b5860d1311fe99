"""`tf.Example` and `tf.SequenceExample` as classes of protobuf, without TensorFlow.

Source: tensorflow/core/example/feature.proto and example.proto.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_BYTES, _FLOAT, _INT64 = _Field.TYPE_BYTES, _Field.TYPE_FLOAT, _Field.TYPE_INT64
_PACKAGE = "yt8m_exp"

DecodeError = message.DecodeError
"""Raised by `FromString` for what is no such message."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="yt8m_exp/example.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, kind in (("BytesList", _BYTES), ("FloatList", _FLOAT), ("Int64List", _INT64)):
        _add(file.message_type.add(name=name), "value", 1, kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("bytes_list", "float_list", "int64_list"), 1):
        _add(feature, name, number, name.title().replace("_", ""), oneof_index=0)
    _add_map(file.message_type.add(name="Features"), "feature", "Feature")
    _add(file.message_type.add(name="FeatureList"), "feature", 1, "Feature", repeated=True)
    _add_map(file.message_type.add(name="FeatureLists"), "feature_list", "FeatureList")
    _add(file.message_type.add(name="Example"), "features", 1, "Features")
    sequence = file.message_type.add(name="SequenceExample")
    _add(sequence, "context", 1, "Features")
    _add(sequence, "feature_lists", 2, "FeatureLists")
    return file


def _add(
    message: Any, name: str, number: int, kind: Any, *, repeated: bool = False, **options: Any
) -> None:
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    if isinstance(kind, str):
        options |= {"type": _Field.TYPE_MESSAGE, "type_name": f".{_PACKAGE}.{kind}"}
    else:
        options |= {"type": kind}
    message.field.add(name=name, number=number, label=label, **options)


def _add_map(message: Any, name: str, kind: str) -> None:
    entry = name.title().replace("_", "") + "Entry"
    nested = message.nested_type.add(name=entry)
    nested.options.map_entry = True
    _add(nested, "key", 1, _Field.TYPE_STRING)
    _add(nested, "value", 2, kind)
    _add(message, name, 1, f"{message.name}.{entry}", repeated=True)


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_POOL = descriptor_pool.DescriptorPool()  # of its own, as TensorFlow's classes may be loaded too
_POOL.Add(_file())
Example, SequenceExample = _class("Example"), _class("SequenceExample")
