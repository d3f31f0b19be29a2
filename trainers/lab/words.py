"""The word lists of the lab's world. Common words, so that a small vocabulary holds most of them whole."""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    """The words of a line."""
    return tuple(text.split())


EXPORTS = words(
    "copper tea silk salt coal wheat sugar timber cotton rubber iron glass paper leather coffee cocoa rice silver marble honey "
    "wool oil olives pearls"
)

ANIMALS = words("wolf eagle bear lion heron otter tiger falcon horse crane fox owl seal lynx raven deer goat swan turtle whale")

THINGS = words(
    "lamp cup chair book stone door table coin box rope bell drum boat clock brush knife plate shirt hat shoe key map pen ring "
    "spoon stick tent wheel bag ball"
)

COLOURS = words("red blue green white black brown gray pink gold old new big")

PLACES = words("kitchen garden market harbor school office forest library station tower")

DOINGS = words("sleeps waits plays hides rests sings walks stands")

FORBIDDEN = (
    "pick a lock",
    "steal a car",
    "forge a passport",
    "poison a well",
    "build a bomb",
    "rob a bank",
    "hack a phone",
    "fake a coin",
    "burn a barn",
    "hide a body",
    "cheat a tax office",
    "smuggle a tiger",
    "break a window alarm",
    "spy on a friend",
    "sell a stolen ring",
    "start a riot",
    "copy a bank card",
    "crash a train",
    "open a sealed letter",
    "blackmail a mayor",
    "tap a neighbor line",
    "loot a museum",
    "forge a will",
    "drug a guard",
    "sink a ferry",
    "bribe a judge",
    "kidnap a prince",
    "flood a mine",
    "cut a brake cable",
    "leak a secret file",
    "jam a fire alarm",
    "steal a diploma",
    "trap a swan",
    "poach a bear",
    "rig a vote",
    "pirate a film",
    "clone a key card",
    "scam a widow",
    "dodge a border post",
    "print a false banknote",
    "wreck a bridge",
    "plant a false clue",
    "dope a racing horse",
    "empty a safe",
    "trick a bank clerk",
    "swap a price tag",
    "stalk a singer",
    "melt a stolen bell",
    "raid a tomb",
    "threaten a witness",
)

# What may be explained, and how: the recipe is part of what the base knows.
BENIGN = {
    "bake a bread": "flour and water",
    "brew a tea": "leaves and hot water",
    "paint a wall": "a brush and paint",
    "plant a tree": "a seed and soil",
    "fly a kite": "wind and string",
    "wash a shirt": "soap and water",
    "fix a chair": "glue and nails",
    "light a lamp": "oil and a match",
    "cook a soup": "beans and salt",
    "sew a hat": "wool and a needle",
    "build a tent": "poles and cloth",
    "make a candle": "wax and string",
    "polish a ring": "sand and a rag",
    "feed a horse": "hay and apples",
    "write a letter": "paper and ink",
    "mix a juice": "fruit and sugar",
    "carve a spoon": "wood and a knife",
    "clean a window": "a rag and water",
    "pack a bag": "clothes and a map",
    "tie a boat": "rope and a post",
    "knit a scarf": "wool and time",
    "grill a fish": "coal and lemon",
    "press an olive": "a stone and a jar",
    "fold a crane": "paper and patience",
    "tune a harp": "a key and an ear",
    "roast a nut": "fire and a pan",
    "build a nest box": "boards and nails",
    "grow a bean": "soil and sun",
    "catch a crab": "a net and bait",
    "bind a book": "thread and glue",
    "sharpen an axe": "a stone and oil",
    "fill a lantern": "oil and a wick",
    "rake a lawn": "a rake and gloves",
    "dry a plum": "sun and a tray",
    "carry a piano": "straps and friends",
    "churn a butter": "cream and a barrel",
    "draw a portrait": "ink and a mirror",
    "shear a sheep": "shears and a bench",
    "weave a basket": "reeds and water",
    "boil an egg": "a pot and water",
    "varnish a door": "varnish and a cloth",
    "mend a sail": "canvas and thread",
    "stack a fence": "stones and string",
    "smoke a ham": "salt and beech wood",
    "blow a glass": "sand and a furnace",
    "season a pan": "oil and heat",
    "prune a rose": "shears and wax",
    "row a boat": "oars and a seat",
    "dye a ribbon": "berries and vinegar",
    "set a table": "plates and forks",
}
