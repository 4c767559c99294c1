"""Arrow's memory, looked at without copying it."""

import pyarrow as pa


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
