"""What executors said last that never became a rank."""

from __future__ import annotations

from pathlib import Path

from gpuq_daemon.backends.executor_logs import last_words


def test_only_those_that_are_no_rank_are_told_of_and_no_link_is_followed(tmp_path: Path) -> None:
    for name in ("0", "1", "2", "odd"):
        (tmp_path / "app" / name).mkdir(parents=True)
        (tmp_path / "app" / name / "stderr").write_text(f"{name} begins\n\n{name} has no disk\n")
    (tmp_path / "app" / "2" / "stderr").unlink()
    (tmp_path / "app" / "2" / "stderr").symlink_to(tmp_path / "app" / "0" / "stderr")

    said = last_words(tmp_path, ("app",), {"0"}, " on embedded-2")

    assert said == ("executor 1 on embedded-2: 1 begins", "executor 1 on embedded-2: 1 has no disk")


def test_an_application_that_was_never_there_says_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path, ("app",), (), "") == ()
