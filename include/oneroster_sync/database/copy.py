"""Copy Arrow tables to and from PostgreSQL with COPY."""

from __future__ import annotations

import contextlib
import io
import selectors
from typing import TYPE_CHECKING, cast

import psycopg
import pyarrow as pa
import pyarrow.csv as pacsv
import sqlalchemy as sa
from psycopg import sql
from psycopg.pq import ExecStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Connection as Driver
    from psycopg.pq.abc import PGresult
    from sqlalchemy.engine import Connection


def copy_out(connection: Connection, query: str, site: str, schema: pa.Schema) -> pa.Table:
    """Return the rows of a query as an Arrow table, read by COPY as CSV.

    Args:
        connection: An open connection; the query runs in its transaction.
        query: SQL with `{site}` in place of the site's name.
        site: The site, inserted as a literal since COPY takes no parameters.
        schema: Columns of the query, in order.
    """
    statement = sql.SQL("copy ({}) to stdout (format csv)").format(
        sql.SQL(query).format(site=sql.Literal(site))
    )
    # One growing buffer: a list of the rows, and then their sum, would be the data three times.
    data = bytearray()
    for row in _received(_driver(connection), statement):
        data += row
    if not data:
        return schema.empty_table()
    return pacsv.read_csv(
        pa.BufferReader(data),
        pacsv.ReadOptions(column_names=schema.names, block_size=max(1 << 20, len(data) // 4)),
        # Hand-made titles may hold line breaks; Arrow would take each for the end of a row.
        pacsv.ParseOptions(newlines_in_values=True),
        pacsv.ConvertOptions(
            column_types=schema,
            # COPY writes null as an empty field, an empty text as `""`, and booleans as t and f.
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _received(driver: Driver, statement: sql.Composable) -> Iterator[memoryview]:
    """Yield the rows that COPY sends, reading from libpq directly.

    psycopg's own loop waits on the socket for each row, which takes five times as long as reading
    the row. A row is valid until the next one is requested.
    """
    server = driver.pgconn
    _must_be(ExecStatus.COPY_OUT, server.exec_(statement.as_bytes(driver)), driver)
    with selectors.DefaultSelector() as arrivals:
        arrivals.register(server.socket, selectors.EVENT_READ)
        # 1 is asynchronous: the call returns 0 when no row has arrived, instead of blocking the
        # process.
        while (row := server.get_copy_data(1))[0] >= 0:
            if row[0]:
                yield row[1]
            else:
                arrivals.select()
                server.consume_input()
    while (result := server.get_result()) is not None:
        _must_be(ExecStatus.COMMAND_OK, result, driver)


def _must_be(status: ExecStatus, result: PGresult, driver: Driver) -> None:
    if result.status != status:
        raise psycopg.errors.error_from_result(result, driver.info.encoding)


def copy_in(connection: Connection, name: str, table: pa.Table) -> None:
    """Append the rows of an Arrow table to the database table `name`, matching column names."""
    if not table.num_rows:
        return
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    )
    with (
        _errors_of_sqlalchemy(),
        _driver(connection).cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        for piece in as_csv(table):
            copy.write(piece)


@contextlib.contextmanager
def _errors_of_sqlalchemy() -> Iterator[None]:
    """Raise errors of psycopg as SQLAlchemy raises them for its own statements.

    Callers distinguish a deadlock from a refused row by SQLAlchemy's classes, and `hide_parameters`
    keeps values out of logs.
    """
    try:
        yield
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance(
            "copy", None, error, psycopg.Error, hide_parameters=True
        ) from error


def as_csv(table: pa.Table) -> Iterable[bytes]:
    """Yield a table as CSV without a header; null is an empty field, an empty text is `""`."""
    options = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
    # In pieces, so that the text of a large table is never in memory as a whole.
    for batch in table.to_batches(max_chunksize=100_000):
        buffer = io.BytesIO()
        pacsv.write_csv(pa.Table.from_batches([batch]), buffer, options)
        yield buffer.getvalue()


def stage(connection: Connection, name: str, table: pa.Table) -> None:
    """Create the temporary table `name` from an Arrow table, dropped when the transaction ends."""
    table = _without_nulls(table)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(f.name), sql.SQL(_TYPES[str(f.type)]))
        for f in table.schema
    )
    with _driver(connection).cursor() as cursor:
        cursor.execute(
            sql.SQL("create temporary table {} ({}) on commit drop").format(
                sql.Identifier(name), columns
            )
        )
    copy_in(connection, name, table)
    with _driver(connection).cursor() as cursor:
        # Autovacuum can't see temporary tables, so without this the planner guesses their size.
        cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(name)))


def _without_nulls(table: pa.Table) -> pa.Table:
    """Cast columns of Arrow's null type, which PostgreSQL has no counterpart for, to string."""
    fields = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


_TYPES = {"string": "text", "int64": "bigint", "bool": "boolean"}


def _driver(connection: Connection) -> Driver:
    driver = connection.connection.driver_connection
    return cast("Driver", driver)
