"""All bad inputs of the catalogue, ordered by case."""

from __future__ import annotations

from catalogue import (
    archive_inputs,
    delta_inputs,
    file_inputs,
    mode_inputs,
    night_inputs,
    reference_inputs,
    row_inputs,
)

ALL = tuple(
    sorted(
        (
            *archive_inputs.INPUTS,
            *file_inputs.INPUTS,
            *row_inputs.INPUTS,
            *delta_inputs.INPUTS,
            *reference_inputs.INPUTS,
            *night_inputs.INPUTS,
            *mode_inputs.INPUTS,
        ),
        key=lambda bad: bad.case,
    )
)
