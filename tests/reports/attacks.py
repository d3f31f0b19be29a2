"""What a model, a data set, a config, a rater or a store may say: everything that has ever been taken for something else than text.

``window.hacked`` is what an attack sets when it runs, 127.0.0.1:9 is whom it calls. A page is unharmed when neither happened, when
its policy had nothing to stop, and when its elements are those of the same page with harmless texts.
"""

from __future__ import annotations

ATTACKS: dict[str, str] = {
    "script": "<script>window.hacked=1</script>",
    "script by case and space": "<ScRiPt\t>window.hacked=1</sCrIpT\n>",
    "script ended": "</script><script>window.hacked=1</script>",
    "script ended within a string": "\"';</script ><img src=x onerror=window.hacked=1>",
    "script state of a comment": "<!--<script>window.hacked=1</script>-->",
    "script state never left": "<!-- <script> <!--",
    "comment ended": "--><img src=x onerror=window.hacked=1><!--",
    "comment ended twice": "--!><img src=x onerror=window.hacked=1>",
    "title, style, textarea ended": "</title></style></textarea></noscript></template><img src=x onerror=window.hacked=1>",
    "cdata": "]]><img src=x onerror=window.hacked=1><![CDATA[",
    "instruction and type": "<?xml-stylesheet href='http://127.0.0.1:9/x.xsl'?><!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'>",
    "handler": '<img src=x onerror="window.hacked=1">',
    "handler without space": "<svg/onload=window.hacked=1>",
    "handler that opens by itself": "<details open ontoggle=window.hacked=1><summary>x</summary></details>",
    "handler by focus": '<input autofocus onfocus="window.hacked=1"><x tabindex=0 autofocus onfocusin=window.hacked=1>',
    "handler by animation": "<style>@keyframes x{}</style><xss style='animation-name:x' onanimationstart='window.hacked=1'></xss>",
    "attribute ended": '" autofocus onfocus="window.hacked=1" x="',
    "attribute ended by an apostrophe": "' autofocus onfocus='window.hacked=1' x='",
    "attribute without quotes": "x autofocus onfocus=window.hacked=1 ",
    "attribute ended by a backtick": "` onmouseover=window.hacked=1 `",
    "element ended": '"></td></table></section></main><iframe srcdoc="<script>parent.window.hacked=1</script>"></iframe>',
    "link": '<a href="javascript:window.hacked=1" autofocus>x</a>',
    "link written plainly": "javascript:window.hacked=1//",
    "link with entities": "<a href='&#106;avascript&colon;window.hacked=1'>x</a>&lt;img src=x onerror=window.hacked=1&gt;",
    "link of data": "<a href='data:text/html,<script>window.hacked=1</script>'>x</a>data:text/html,x",
    "markdown": "[click](javascript:window.hacked=1) ![x](http://127.0.0.1:9/p.png) <http://127.0.0.1:9/>",
    "svg": '<svg onload=window.hacked=1><a xlink:href="javascript:window.hacked=1"><text>x</text></a></svg>',
    "svg use": "<svg><use href='data:image/svg+xml,<svg id=x onload=window.hacked=1>#x'/><script href='http://127.0.0.1:9/x.js'/></svg>",
    "svg in math": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=window.hacked=1&gt;'>",
    "css import": "<style>@import 'http://127.0.0.1:9/x.css'; *{display:none !important}</style>",
    "css by attribute": "<b style='background:url(http://127.0.0.1:9/b.png);position:fixed;inset:0;z-index:99'>x</b>",
    "css by itself": "}*{display:none}x{background:url(http://127.0.0.1:9/c.png);x:expression(window.hacked=1)",
    "base and form": "<base href=http://127.0.0.1:9/><form action=http://127.0.0.1:9/><button autofocus>x</button></form>",
    "refresh": "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'><link rel=prefetch href=http://127.0.0.1:9/>",
    "clobbering": "<form id=data><input name=textContent></form><a id=list name=list></a><img name=body><img name=getElementById>",
    "prototypes": "__proto__",
    "prototypes' makers": "constructor",
    "template": "{{ 7*7 }} {% raw %} {# x #} ${window.hacked=1} `${window.hacked=1}` <%= 7*7 %> #{7*7} {0} {1} {x} %(x)s",
    "json": '\\"}],"x":{"\\u003cscript\\u003e":1}}\\',
    "line ends": "\u2028window.hacked=1;\u2029\u0085\v\f\r\n\rwindow.hacked=1//",
    "bidi": "\u202eesrever\u202c \u2066isolate \u2067never ended \u202d\u202b\u200f",
    "joined": "Z\u0351\u036b\u0343\u0344" + "\u0301" * 60 + "\u200d\u200b\ufeff\u00ad\u2060",
    "controls": "\x00\x01\x07\x08\x0b\x0c\x1b[31m\x1b]8;;http://127.0.0.1:9/\x07x\x7f\x80\x9f\ufffe\uffff\U000e0001",
    "a pair and more": "\U0001f600\U00010000\U0010ffff",
    "formula": '=HYPERLINK("http://127.0.0.1:9","x")',
    "formula in full width": "＝cmd|' /C calc'!A0",
    "formula after a space": "\t+1+cmd|' /C calc'!A0",
    "commands of a log": "::error file=app.py,line=1::hacked\n::set-output name=x::y\n##vso[task.setvariable]",
    "mentions": "@everyone #1 | a | b |\n|---|---|\n```\n</details>",
    "path": "../../../../etc/passwd%00.html",
    "address": "?old=x&new=y#item=%5B%22x%22%5D&tab=__proto__",
    "numbers": "NaN Infinity -0 1e999 0x41",
    "long without a break": "W" * 5_000,
}  # fmt: skip
"""By what they are after."""

HALVES = "a\ud800b\udc00"
"""Halves of pairs, which no UTF-8 can hold: json.loads makes them, msgspec refuses them."""

NAME = '"\'`> autofocus onfocus=window.hacked=1 x="<img src=x onerror=window.hacked=1><!--\u202e{{7*7}}\x00\x1b[31m\u2028&lt;'
"""One for every place at once, for names: no slash, which would make two of one."""

PROSE = f"{NAME} </script></title></style></textarea>]]>--><script>window.hacked=1</script><svg/onload=window.hacked=1>"
"""One for every place at once, for texts."""
