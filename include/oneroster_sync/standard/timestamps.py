"""Normalize timestamps of an SIS to a text format that sorts in the order of time."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_DATED = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"


def in_utc(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return each timestamp as YYYY-MM-DDTHH:MM:SS.ssssssZ, or null if it is invalid.

    A timestamp without a zone is read as UTC, and a date alone as its midnight.

    Args:
        values: Texts, such as the cells of dateLastModified.
    """
    import pandas as pd

    # Each distinct text is parsed once: exports give many rows the same time.
    distinct = values.cast(pa.string()).dictionary_encode()
    if isinstance(distinct, pa.ChunkedArray):
        distinct = distinct.combine_chunks()
    texts = distinct.dictionary
    # pandas also reads a year or a month alone, as its first day.
    texts = pc.if_else(pc.match_substring_regex(texts, _DATED), texts, None)
    read = pd.to_datetime(texts.to_pandas(), format="ISO8601", utc=True, errors="coerce")
    # Nanoseconds are cut; a safe cast would raise for a time that has them.
    moments = pa.array(read.dt.tz_localize(None)).cast(pa.timestamp("us"), safe=False)
    # %S has the fraction of the timestamp's unit in Arrow; a null stays null and is no "Z".
    written = pc.binary_join_element_wise(
        pc.strftime(moments, format="%Y-%m-%dT%H:%M:%S"), "Z", "", null_handling="emit_null"
    )
    return written.take(distinct.indices)
