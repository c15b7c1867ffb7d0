"""Frames of a simulation as files, each row and each file labeled synthetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mse.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["csv_text", "write_parquet"]

#: First column of every file. A comment above the header would say it too, but break readers of CSV.
LABEL = "synthetic"
METADATA = {LABEL: "yes", "note": "SYNTHETIC DATA, made up by mse.simulate: not about any person"}


def labeled(frame: pd.DataFrame) -> pd.DataFrame:
    """Put a column in front that says "yes, synthetic" in every row."""
    marked = frame.copy()
    marked.insert(0, LABEL, "yes")
    return marked


def csv_text(frame: pd.DataFrame) -> str:
    """Write a frame as CSV with a column ``synthetic``; what is not known stays empty."""
    return labeled(frame).to_csv(index=False, lineterminator="\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame to a Parquet file with a column ``synthetic``, which its metadata repeat."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(labeled(frame), preserve_index=False)
    metadata = {**(table.schema.metadata or {}), **METADATA}
    try:
        pq.write_table(table.replace_schema_metadata(metadata), path)
    except OSError as error:
        msg = f"{path} cannot be written: {error}. Choose another file."
        raise ModelError(msg) from error
