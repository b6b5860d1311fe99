"""Serialized records: the TFRecord container, the wire format inside, and their checks."""
