"""What the interface of a review says, in the languages that raters read."""

from __future__ import annotations

from typing import Literal

from reports.blind.cleaning import MASK
from reports.blind.form import Choice, Language

CHOICE_WORDS: dict[Language, dict[Choice, str]] = {
    "en": {
        "left_much": "Answer 1 is much better",
        "left": "Answer 1 is better",
        "tie": "Tie",
        "right": "Answer 2 is better",
        "right_much": "Answer 2 is much better",
        "both_bad": "Both bad",
    },
    "zh": {
        "left_much": "回答 1 好得多",
        "left": "回答 1 更好",
        "tie": "不分上下",
        "right": "回答 2 更好",
        "right_much": "回答 2 好得多",
        "both_bad": "都不好",
    },
}

_BOTH: dict[str, tuple[str, str]] = {
    "title": ("Blind review", "盲评"),
    "skip": ("Skip to the question", "跳到问题"),
    "keys": ("Keys", "快捷键"),
    "save_votes": ("Save votes", "保存评判"),
    "pause": ("Pause", "暂停"),
    "paused": ("Paused", "已暂停"),
    "paused_text": (
        "The clock stands still. Your votes are kept in this browser; you may close the page and come back.",
        "计时已停止。评判保存在此浏览器中，可以关闭页面，以后再继续。",
    ),
    "go_on": ("Go on", "继续"),
    "voted": ("Items voted", "已评判的条目"),
    "no_script": ("This page needs JavaScript", "此页面需要 JavaScript"),
    "no_script_text": (
        "It works offline and sends nothing anywhere. If JavaScript is not allowed here:",
        "页面离线工作，不向任何地方发送数据。如果这里不允许使用 JavaScript：",
    ),
    "use_sheet": (
        "Fill in the column choice of {sheets} instead; INSTRUCTIONS.md says how.",
        "请改为填写 {sheets} 的 choice 列；做法见 INSTRUCTIONS.md。",
    ),
    "ask_for_sheet": (
        "Ask whoever gave you this package for a sheet to fill in instead (CSV or XLSX).",
        "请向提供此评审包的人索取可填写的表格（CSV 或 XLSX）。",
    ),
    "or": ("or", "或"),
    "lead_title": ("Which answer is better?", "哪个回答更好？"),
    "lead": (
        "Each shows one question and two answers, in random order. Where an answer comes from is hidden, and stays hidden until "
        "all votes are in.",
        "每个条目有一个问题和两个回答，顺序随机。回答的来源是隐藏的，直到所有评判交齐。",
    ),
    "default_guidance": (
        "Judge what the answer does for the person who asked: correct first, then complete, then clear.",
        "请判断回答对提问者有多大帮助：先看是否正确，再看是否完整，然后看是否清楚。",
    ),
    "tie_hint": (
        "Neither better? Say so: a tie is an answer. Neither usable? Both bad.",
        "难分上下？请选“不分上下”。都不能用？请选“都不好”。",
    ),
    "kept_hint": (
        "Every vote is kept in this browser at once. Close the page and come back as you like.",
        "每次评判都会立即保存在此浏览器中，可以随时关闭页面再回来。",
    ),
    "check_hint": ("A few items may only check that they are read with care.", "有少数条目可能只用来检查是否认真阅读。"),
    "mask_hint": (
        f"{MASK} stands for a name or a sign that might say where an answer comes from.",
        f"{MASK} 代替了可能透露回答来源的名称或符号。",
    ),
    "name": ("Your name or initials", "你的姓名或代号"),
    "start": ("Start", "开始"),
    "name_hint": ("Only used to tell raters apart.", "只用来区分评判人。"),
    "item": ("Item", "条目"),
    "question": ("Question", "问题"),
    "answer_1": ("Answer 1", "回答 1"),
    "answer_2": ("Answer 2", "回答 2"),
    "your_vote": ("Your vote", "你的评判"),
    "reasons": ("Reasons", "理由"),
    "ratings": ("Ratings, 1 to 5", "评分，1 到 5"),
    "back": ("Back", "上一条"),
    "next": ("Next", "下一条"),
    "comment": ("Comment", "备注"),
    "comment_hint": ("Comment (optional)", "备注（可选）"),
    "save_file": ("Save votes as a file", "把评判保存为文件"),
    "copy": ("Copy votes", "复制评判"),
    "back_to_items": ("Back to the items", "回到条目"),
    "send_hint": (
        "Send the file to the person who gave you this package. Nothing has left this computer.",
        "请把文件发给提供此评审包的人。没有任何数据离开这台电脑。",
    ),
    "another": ("Another rater", "换一位评判人"),
    "as_text": ("Votes as text", "评判的文本"),
    "close": ("Close", "关闭"),
    "key_back_next": ("Back, next", "上一条、下一条"),
    "key_unvoted": ("Next item without a vote", "下一个未评判的条目"),
    "key_comment": ("Write a comment; Enter or Esc to leave it", "写备注；按 Enter 或 Esc 离开"),
    "key_details": ("Reasons, ratings; Enter or Esc to leave them", "理由、评分；按 Enter 或 Esc 离开"),
    "key_pause": ("Pause, go on", "暂停、继续"),
    "nothing": ("(empty answer)", "（空回答）"),
    "where": ("Item {place} of {total} · {done} voted · {rater}", "第 {place} 条，共 {total} 条 · 已评 {done} 条 · {rater}"),
    "where_end": ("{done} of {total} voted · {rater}", "已评 {done} 条，共 {total} · {rater}"),
    "total_one": ("1 item", "1 条"),
    "total": ("{total} items", "{total} 条"),
    "count_one": ("One item.", "共一条。"),
    "count": ("{total} items.", "共 {total} 条。"),
    "done": ("All done. Thank you.", "全部完成，谢谢。"),
    "open_one": ("1 item has no vote yet", "还有 1 条没有评判"),
    "open": ("{open} items have no vote yet", "还有 {open} 条没有评判"),
    "done_text": ("Save your votes and send the file back.", "请保存评判，并把文件发回。"),
    "open_text": (
        "You can save what you have now, and go on later: items without a vote are left out.",
        "可以先保存已有的评判，以后再继续：没有评判的条目不会计入。",
    ),
    "over_again": ("Go over the items again", "再看一遍"),
    "to_first": ("Go to the first one", "去第一条未评判的"),
    "saved_as": ("Votes saved as {file}", "评判已保存为 {file}"),
    "copied": ("Copied", "已复制"),
    "press_copy": ("Press Ctrl+C to copy", "请按 Ctrl+C 复制"),
    "spoiled": ("Earlier votes in this browser could not be read.", "无法读取此浏览器中以前的评判。"),
    "not_kept": (
        "This browser does not keep votes between visits. Save them as a file before you close the page.",
        "此浏览器不会保留评判。关闭页面之前，请先保存为文件。",
    ),
    "other_tab": (
        "This review is open in another tab too. Nothing is lost, and of two votes on one item the last one counts; but close one.",
        "此评审也在另一个标签页中打开。评判不会丢失，同一条目以最后的评判为准；但请关闭其中一个。",
    ),
}  # fmt: skip

WORDS: dict[Language, dict[str, str]] = {
    "en": {name: english for name, (english, _) in _BOTH.items()},
    "zh": {name: chinese for name, (_, chinese) in _BOTH.items()},
}

Part = Literal["intro", "html", "sheet", "how"]

INSTRUCTIONS: dict[Language, dict[Part, str]] = {
    "en": {
        "intro": """# Blind review, package {package}

{count}. Each holds one question and two answers. Which side an answer stands on was drawn at random; who wrote it is hidden.
A few items may only check that they are read with care.
""",
        "html": """## In the browser
1. Open `review.html`. It works offline and sends nothing anywhere.
2. Enter your name or initials, then vote: {keys}.
   `←` `→` move, `C` writes a comment, `P` pauses, `?` shows all keys. Votes are kept in the browser; you may close the page and
   come back.
3. At the end (or with `S` at any time) save your votes as a file, and send it back.
""",
        "sheet": """## In a spreadsheet
Fill in the column `choice` of {sheets} with {spoken}, and the column `rater` with your name. Leave `choice` empty where you
have no opinion. Save the file as what it is, and send it back. (A `'` before a text keeps the spreadsheet from running it as a
formula.){more}
""",
        "how": """## How to judge
{guidance}
Vote alone: do not compare notes until everybody has handed in.
""",
    },
    "zh": {
        "intro": """# 盲评，评审包 {package}

{count}。每个条目有一个问题和两个回答。回答在哪一边是随机的；由谁写的是隐藏的。
有少数条目可能只用来检查是否认真阅读。
""",
        "html": """## 在浏览器中
1. 打开 `review.html`。页面离线工作，不向任何地方发送数据。
2. 输入姓名或代号，然后评判：{keys}。
   `←` `→` 翻页，`C` 写备注，`P` 暂停，`?` 显示所有快捷键。评判保存在浏览器中，可以关闭页面再回来。
3. 最后（或随时按 `S`）把评判保存为文件，并发回。
""",
        "sheet": """## 用表格
在 {sheets} 的 `choice` 列填 {spoken}，在 `rater` 列填你的姓名。没有意见时 `choice` 留空。按原来的格式保存，并发回。
（文字前的 `'` 使表格软件不会把它当作公式运行。）{more}
""",
        "how": """## 怎样评判
{guidance}
请独立评判：在所有人交齐之前不要讨论。
""",
    },
}
DETAILS: dict[Language, str] = {
    "en": " In `reasons`, separate several of these by `; `: {reasons}.",
    "zh": "`reasons` 列可填以下理由，多个之间用 `; ` 分开：{reasons}。",
}
RATE: dict[Language, str] = {
    "en": " In the columns `rate 1: …` and `rate 2: …`, rate answers 1 and 2 from 1 (worst) to 5 (best).",
    "zh": "在 `rate 1: …` 和 `rate 2: …` 列中，给回答 1 和 2 打分，从 1（最差）到 5（最好）。",
}
