"""The readers that the demonstration invents: enough for a curve, and only on a fresh record."""

from __future__ import annotations

from pathlib import Path

from consentgate.service.administrators import Administrator
from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.testing import SECRET, run
from examples.news_site import crowd
from examples.news_site.main import POLICIES


def test_a_fresh_record_has_readers_of_three_weeks_and_no_other_gets_any(tmp_path: Path) -> None:
    """The curve has a point for nearly every day, grows to the number of those who accepted, and they come once."""
    settings = Settings(
        database=f"sqlite:///{tmp_path / 'courier.db'}", secrets=(SECRET.encode(),), policies=POLICIES,
        origin="courier.example/terms",
    )  # fmt: skip
    sizes = []
    for _ in range(2):
        run(crowd.gather(settings))
        terms = Terms(settings)
        run(terms.start())
        (numbers,) = run(terms.admin.statistics(Administrator("olga", frozenset({"owner"})), "terms-of-use"))
        sizes.append(run(terms.ledger_state()).size)
        run(terms.stop())
    assert sizes[0] == sizes[1] > crowd.READERS
    assert numbers.curve is not None
    assert len(numbers.curve.points) > 15
    assert numbers.curve.points[-1].total == numbers.accepted == crowd.READERS - crowd.READERS // crowd.EVERY
    assert numbers.refused == crowd.READERS // crowd.EVERY
