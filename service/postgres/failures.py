"""What can go wrong with the server, each as one sentence that an operator can act on."""


class PostgresUnavailable(Exception):
    """No usable server, and why. The message is meant to be printed as it is."""


class PostgresBusy(PostgresUnavailable):
    """Another running process holds this data folder."""


class WrongMajorVersion(PostgresUnavailable):
    """The data folder was written by another major version of PostgreSQL."""
