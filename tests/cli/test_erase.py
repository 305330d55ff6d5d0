"""`consentgate erase`, `hold` and `purge`: on record, never by accident."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consentgate.service.settings import Settings
from consentgate.service.terms import Terms
from consentgate.terms.subject import Subject
from consentgate.testing import SECRET, run
from tests.cli.conftest import Command, Project

WHY = ("--basis", "asked for, ticket 4711", "--yes")


def test_erase_says_what_was_done_and_the_ledger_stays_sound(decided: Project, command: Command) -> None:
    """Two decisions of Ben's; then there is nothing more."""
    before = decided.entries
    done = command("erase", "user:ben", *WHY, "--by", "dpo")

    assert done.code == 0, done.err
    assert "2 entries: personal fields erased, on record in 1 entry." in done.out
    assert "Nothing of it is left in the files of the database." in done.out
    assert "Copies may still be in:\n  backups, and exports and receipts that left – until they are deleted" in done.out
    assert decided.entries == before + 1
    assert b'"ben"' not in b"".join(path.read_bytes() for path in decided.root.glob("consentgate.db*"))
    assert command("verify").code == 0
    assert command("verify", "--json").json["erased"] == 2
    assert "nothing to erase" in command("erase", "ben", *WHY).out


def test_erase_as_json_and_of_single_fields(decided: Project, command: Command) -> None:
    """Numbers and ids for machines; pseudonyms and fields are told apart."""
    done = command("erase", "user:ben", "user:ada", "--pseudonymise", *WHY, "--json").json
    assert (done["entries"], done["gone"], done["records"][0]["mode"]) == (3, True, "pseudonymise")
    assert [one["where"] for one in done["left"]] == ["copies"]
    assert command("erase", "cy", "--field", "subject_kind", *WHY, "--json").json["entries"] == 1
    assert command("erase", "--field", "subject", "--older-than", "0", *WHY, "--json").json["entries"] == 1
    assert command("erase", "--field", "subject", "--older-than", "0", *WHY, "--json").json["entries"] == 0
    assert command("verify").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "erase whom?"),
        (("ben", "--reapply"), "erase whom?"),
        (("ben", "--older-than", "3", *WHY), "erase whom?"),
        (("--older-than", "3", *WHY), "--older-than goes with --field"),
        (("ben", "--yes"), "--basis is missing"),
        (("ben", "--basis", "x"), "nobody can be asked"),
    ],
    ids=str,
)
def test_what_is_unclear_is_refused_before_anything_is_touched(
    decided: Project, command: Command, words: tuple[str, ...], said: str
) -> None:
    """Exit code 2, a hint, and not one entry more."""
    before = decided.entries
    done = command("erase", *words)

    assert (done.code, said in done.err, "hint:" in done.err) == (2, True, True)
    assert decided.entries == before


def test_a_field_that_is_misspelt_is_refused(decided: Project, command: Command) -> None:
    """What does not exist cannot have been erased."""
    done = command("erase", "ben", "--field", "subjekt", *WHY)

    assert (done.code, "no entry has a field" in done.err) == (1, True)


def test_a_hold_stops_erasing_until_it_is_released(decided: Project, command: Command) -> None:
    """Listed meanwhile, with whom and why."""
    assert "Nobody is under a legal hold." in command("hold").out
    assert command("hold", "user:ben", "--basis", "case 12").code == 0
    assert command("hold", "--json").json[0]["subject"] == "user:ben"
    assert "case 12" in command("hold").out
    refused = command("erase", "ben", *WHY, "--json")
    assert (refused.code, json.loads(refused.out)["type"].rpartition("/")[2]) == (1, "held")
    assert "released" in command("hold", "ben", "--release", "--basis", "settled").out
    assert command("erase", "ben", *WHY).code == 0
    assert command("hold", "ben").code == 2


def test_a_purge_counts_first_and_takes_what_is_due(decided: Project, command: Command) -> None:
    """Ada's and Ben's first acceptances were replaced long ago."""
    (decided.policy / "policy.toml").write_text('title = "Terms of Use"\nretain_days = 30\n')
    assert command("publish").code == 0
    assert command("purge", "--dry-run").out == "Nothing is due.\n"

    async def later() -> int:
        from consentgate.service.engine import now

        clock = lambda: now() + 60 * 86_400_000_000
        async with Terms(Settings(f"sqlite:///{decided.database}", (SECRET.encode(),)), clock=clock) as terms:
            return (await terms.purge(dry_run=True)).entries

    assert run(later()) >= 1
    assert command("purge", "--yes", "--json").json["entries"] == 0


def test_passes_of_users_end_with_the_secret_at_hand(
    decided: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the command says so; with it, again, the passes are no evidence any more."""

    async def revoked() -> bool:
        async with Terms(Settings(f"sqlite:///{decided.database}", (SECRET.encode(),))) as terms:
            return terms.engine.sealer.bindings(Subject("ben"))[0] in terms.revoked

    assert "the sealing secret is not at hand" in command("erase", "ben", *WHY).err
    assert not run(revoked())
    monkeypatch.setenv("CONSENTGATE_SECRET", SECRET)
    assert command("erase", "ben", *WHY).err == ""
    assert run(revoked())


def test_what_a_backup_brought_back_is_erased_again(decided: Project, command: Command, tmp_path: Path) -> None:
    """The doctor says so, a new epoch does it by itself; once more it is nothing."""
    copy = decided.database.read_bytes()
    assert command("erase", "ben", *WHY).code == 0
    for path in tmp_path.glob("consentgate.db-*"):
        path.unlink()
    decided.database.write_bytes(copy)
    doctor = command("doctor")
    assert doctor.code == 1
    assert "an old backup was restored" in doctor.out
    assert "a backup brought back what was erased" in doctor.out
    assert command("status").code == 1

    done = command("epoch", "--yes", "--json").json
    assert (done["origin"], done["before"], done["lost"]) == ("example.com/terms/2", "example.com/terms", 1)
    assert b'"ben"' not in b"".join(path.read_bytes() for path in tmp_path.glob("consentgate.db*"))
    assert command("verify").code == 0
    assert command("doctor").code == 0
    assert "nothing to erase" in command("erase", "--reapply").out


def test_an_epoch_says_the_key_to_publish(decided: Project, command: Command) -> None:
    """Nothing is lost here, so it must be forced."""
    refused = command("epoch", "--yes")
    assert (refused.code, "nothing seems to be lost" in refused.err) == (2, True)
    done = command("epoch", "--yes", "--force", "--origin", "example.com/terms/b")

    assert "The ledger goes on as example.com/terms/b." in done.out
    assert done.out.strip().splitlines()[-1].startswith("example.com/terms/b+")
    assert command("key", "show").out.splitlines()[0] == done.out.strip().splitlines()[-1]


def test_the_doctor_finds_nothing_wrong_with_a_fresh_ledger(published: Project, command: Command) -> None:
    """Exit code 0, levels and hints as JSON."""
    done = command("doctor", "--json")

    assert done.code == 0
    assert {one["level"] for one in done.json} <= {"ok", "note"}
    assert command("doctor", "--database", "missing.db").code == 0
