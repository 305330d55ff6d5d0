"""Parquet: the rows of the CSV with types, for those who compute with them.

Room: service; the only importer of pyarrow, which is the extra ``parquet``. Arrow's own reader takes the entries apart
(it gives dates and numbers their types on the way), so that no value ever becomes a Python object. A row group is
written as soon as it is full; memory holds one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from consentgate.errors import InputError
from consentgate.service.export_forms import COLUMNS, DECISION, PUBLISH, Digesting
from consentgate.service.selection import Selection
from consentgate.store.lines import Line, Lines

ROWS = 32_768
"""Rows in a group: some 40 MB while it is in the making."""

_BLOCK = 1 << 25
"""Arrow reads JSON in blocks, and a line has to fit into one."""

_MOMENTS = ("at", "expires", "announced", "effective", "enforced")


class Parquet(Digesting):
    """A Parquet file with the columns of the CSV; checkpoint and selection are in its metadata.

    Args:
        where: what is exported.

    Raises:
        InputError: pyarrow is not installed.
    """

    def __init__(self, where: Selection) -> None:
        super().__init__()
        try:
            import pyarrow as pa
            import pyarrow.json
            import pyarrow.parquet
        except ImportError as error:
            raise InputError(
                "Parquet needs pyarrow, which is not installed",
                hint="pip install 'consentgate[parquet]', or export CSV",
            ) from error
        self._arrow: Any = pa
        self._where, self._narrowed = where, where.narrowed
        self._rows: list[Line] = []
        self._sink = _Sink()
        self._schema = self._arrow.schema([(name, self._type(name)) for name in COLUMNS])
        self._file = pa.parquet.ParquetWriter(pa.PythonFile(self._sink, mode="w"), self._schema, compression="zstd")

    def begin(self) -> bytes:
        """The first bytes."""
        return self._taken()

    def rows(self, rows: Sequence[Line], lines: Lines) -> bytes:
        """The row groups that became full."""
        del lines
        self._rows += [row for row in rows if self._wanted(row[1])]
        while len(self._rows) >= ROWS:
            self._write(self._rows[:ROWS])
            del self._rows[:ROWS]
        return self._taken()

    def end(self, size: int, note: str) -> bytes:
        """The last row group, and the footer with what the checkpoint and the selection are."""
        if self._rows:
            self._write(self._rows)
        self._file.add_key_value_metadata(
            {
                "consentgate.checkpoint": note,
                "consentgate.size": str(size),
                "consentgate.filter": json.dumps(self._where.record(), ensure_ascii=False),
            }
        )
        self._file.close()
        return self._taken()

    def _wanted(self, leaf: bytes) -> bool:
        if DECISION not in leaf and PUBLISH not in leaf:
            return False
        if not self._narrowed and leaf.count(b'"type":"') == 1:
            return True
        record = json.loads(leaf)
        return record["type"] in ("decision", "publish") and self._where.matches(record)

    def _type(self, name: str) -> Any:
        if name in _MOMENTS:
            return self._arrow.timestamp("us", "UTC")
        if name in ("index", "serial"):
            return self._arrow.int64()
        return self._arrow.bool_() if name == "test" else self._arrow.string()

    def _write(self, rows: Sequence[Line]) -> None:
        arrow = self._arrow
        entries = self._read([leaf for _, leaf, _ in rows], [(name, self._type(name)) for name in COLUMNS[1:-2]])
        pair = arrow.list_(arrow.string())
        opened = self._read(
            [(openings if openings and self._where.openings else "{}").encode() for _, _, openings in rows],
            [(name, pair) for name in COLUMNS[-2:]],
        )
        columns = [arrow.array([index for index, _, _ in rows], arrow.int64()), *entries.columns]
        columns += [self._second(column) for column in opened.columns]
        self._file.write_table(arrow.table(columns, schema=self._schema))

    def _read(self, lines: list[bytes], fields: list[tuple[str, Any]]) -> Any:
        reader = self._arrow.json
        return reader.read_json(
            io.BytesIO(b"\n".join(lines)),
            read_options=reader.ReadOptions(use_threads=False, block_size=_BLOCK),
            parse_options=reader.ParseOptions(
                explicit_schema=self._arrow.schema(fields), unexpected_field_behavior="ignore"
            ),
        )

    def _second(self, column: Any) -> Any:
        """The value of each opening, which stands behind its salt."""
        import pyarrow.compute

        return pyarrow.compute.list_element(column, 1)

    def _taken(self) -> bytes:
        return self.count(self._sink.take())


class _Sink(io.RawIOBase):
    """What Arrow writes to: it is taken away piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """Whether it takes bytes."""
        return True

    def tell(self) -> int:
        """How many bytes were written."""
        return self._at

    def write(self, data: Any, /) -> int:
        """Take bytes."""
        self._parts.append(bytes(data))
        self._at += len(self._parts[-1])
        return len(self._parts[-1])

    def take(self) -> bytes:
        """What was written since."""
        taken, self._parts = b"".join(self._parts), []
        return taken
