"""Small things that Arrow does not do by itself: its memory looked at without a copy, and a few values of many mended."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc


def whole(chunked: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece."""
    if isinstance(chunked, pa.Array):
        return chunked
    return (
        chunked.chunk(0)
        if chunked.num_chunks == 1
        else pa.concat_arrays(chunked.chunks)
        if chunked.num_chunks
        else chunked.combine_chunks()
    )


def payload(array: pa.Array) -> memoryview:
    """The bytes of all values of a string or binary array behind one another; those under a NULL are none."""
    if len(array) == 0 or array.buffers()[2] is None:
        return memoryview(b"")
    offsets = memoryview(array.buffers()[1]).cast("i")
    return memoryview(array.buffers()[2])[offsets[array.offset] : offsets[array.offset + len(array)]]


def mended(text: pa.Array, mask: pa.Array, mend: Callable[[str], str]) -> pa.Array:
    """The texts, with those under the mask mended one by one."""
    mask = pc.fill_null(mask, False)
    if not pc.any(mask, min_count=0).as_py():
        return text
    texts = [mend(each) for each in pc.filter(text, mask).to_pylist()]
    return pc.replace_with_mask(text, mask, pa.array(texts, pa.string()))
