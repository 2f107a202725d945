"""What parses what comes from outside: anything at all is a value or the error that is promised, nothing else."""

from __future__ import annotations

import contextlib
import json
import string
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuq import models, summaries
from gpuq.errors import UsageError
from gpuq.text import clean, clean_log
from gpuq.wire import decode
from gpuq_daemon.config import load
from tests.support.fake_daemon import a_job, as_json

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_KEYS = st.sampled_from(
    ["state_dir", "partition", "cluster_name", "socket", "scheduler", "max_pending_jobs", "kill_wait_s", "nonsense"]
)
_TABLES = st.sampled_from(["partition.a", "partition.b", "scheduler", "scheduler.weights", "scheduler.billing", "x"])
_VALUES = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=True).map(str),
    st.sampled_from(['"embedded"', '"/tmp/x"', "true", "[]", "{}", "1979-05-27", "nan", "inf"]),
    st.text(string.printable, max_size=20),
)
_LINES = st.lists(
    st.one_of(
        st.tuples(_KEYS, _VALUES).map(" = ".join),
        _TABLES.map("[{}]".format),
        st.sampled_from(['state_dir = "/tmp/x"', '[partition.a]\nengine = "embedded"']),
    ),
    max_size=12,
).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.one_of(st.binary(max_size=200), _LINES.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_a_configuration_is_understood_or_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "gpuqd.toml"
    file.write_bytes(content)
    with contextlib.suppress(UsageError):
        load(file)


@settings(deadline=None)
@given(_JSON, st.sampled_from([models.Job, models.Cluster, models.Why, summaries.Series, summaries.Curve, models.Rank]))
def test_json_that_is_no_model_is_a_type_or_value_error(value: Any, model: type[Any]) -> None:
    with contextlib.suppress(TypeError, ValueError):
        decode(model, value)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(as_json(a_job()))), _JSON, min_size=1, max_size=3))
def test_a_job_with_foreign_fields_is_a_job_or_a_type_or_value_error(changes: dict[str, Any]) -> None:
    row = json.loads(json.dumps({**as_json(a_job()), "unknown": 1, **changes}))
    with contextlib.suppress(TypeError, ValueError):
        assert isinstance(decode(models.Job, row), models.Job)


@given(st.text())
def test_cleaned_text_can_be_shown(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert not any(letter in clean(text) for letter in "\x1b\x07\x08\r\n\x9b")
    assert "\x1b" not in clean_log(text)
