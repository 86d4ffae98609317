"""Tell when transactions of the other server began, by their numbers: see ``rows``."""

from psycopg import sql

from webhooks.sources.kinds.postgres.connect import Database

MAX_OBSERVED = 200  # moments with the number of the next transaction

_SEES_ALL = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER')"
_OLDEST_START = """
    SELECT least(min(xact_start), statement_timestamp())::text, statement_timestamp()::text
      FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SNAPSHOT = "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() s"


class Transactions:
    """The transactions of a server that run, and the numbers that they had at moments of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sees_all = bool(database.rows(_SEES_ALL)[0][0])
        self.now = ""  # of the server, when the oldest start was read
        self._observed: list[tuple[int, str]] = []  # number of the next transaction, at this moment

    def oldest_start(self) -> str:
        """Return the start of the oldest transaction that runs, as far as the role may see them, and set ``now``."""
        [(oldest, now)] = self._database.rows(_OLDEST_START)
        self.now = bytes(now).decode()
        return bytes(oldest).decode()

    def snapshot(self) -> tuple[int, int]:
        """Return the lowest number of a transaction that runs, and the number of the next one."""
        [(horizon, following)] = self._database.rows(_SNAPSHOT)
        return horizon, following

    def observe(self, following: int, moment: str) -> None:
        """Note that at this moment ``following`` was the number of the next transaction."""
        if not self._observed or self._observed[-1][0] < following:
            self._observed.append((following, moment))
            del self._observed[:-MAX_OBSERVED]

    def no_number_above(self, horizon: int, former: str) -> str:
        """Return the last moment known at which no transaction at or above the horizon had its number."""
        return max((moment for following, moment in self._observed if following <= horizon), default=former)


def full_number(xid: int, near: int) -> int:
    """Return the 64-bit number of a transaction of which the last 32 bits are known, next to another number."""
    return near + (xid - near + 2**31) % 2**32 - 2**31


def full_number_of_row(following: int) -> sql.Composable:
    """Return the 64-bit number of the transaction that wrote a row: at most that of the next transaction."""
    return sql.SQL(
        "({0}::bigint - ((({0}::bigint - t.xmin::text::bigint) % 4294967296) + 4294967296) % 4294967296)"
    ).format(sql.Literal(following))
