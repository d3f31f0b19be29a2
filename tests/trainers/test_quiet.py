"""Libraries say nothing of their own on the terminal."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.tinychat import byte_tokenizer, chat, load_rows, write_rows
from trainers.data.masks import Template
from trainers.loop import train

pytestmark = pytest.mark.models


def test_a_row_beyond_the_tokenizers_length_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.model_max_length = 8
    path = write_rows(tmp_path / "rows.jsonl", [chat("a long question", "and a long answer")])
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        load_rows([str(path)], Template(tokenizer), max_length=1000)
    finally:
        logger.removeHandler(caplog.handler)
    assert not [record for record in caplog.records if "indexing errors" in record.getMessage()]


@pytest.mark.parametrize("settings", [{}, {"averaging__alphas": [0.5]}])
def test_no_bar_is_drawn_but_our_own(
    configure: Any, tiny_base: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any]
) -> None:
    from transformers.utils import logging

    logging.enable_progress_bar()
    train(configure(tiny_base, optimizer__steps=1, **settings))
    assert "it/s" not in capsys.readouterr().err
    assert logging.is_progress_bar_enabled(), "as it was"
