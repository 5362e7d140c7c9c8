"""Shared fixtures; ``--no-skips`` turns a skipped test into a failure, for runs where nothing is missing."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail if any test is skipped")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = []


SKIPPED: pytest.StashKey[list[str]] = pytest.StashKey()


class _Skips:
    """Collects what was skipped, tests and whole modules alike."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        # An expected failure ran, and is reported as skipped all the same.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.config.stash[SKIPPED].append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(_Skips(session.config))


def pytest_sessionfinish(session: pytest.Session) -> None:
    skipped = session.config.stash[SKIPPED]
    if skipped and session.config.getoption("--no-skips"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = config.stash[SKIPPED]
    if skipped and config.getoption("--no-skips"):
        terminalreporter.write_line(f"--no-skips: skipped {', '.join(skipped)}", red=True)
