"""``make simulate``: how often the deployed methods are right, over a grid of worlds whose truth is known.

Every method is reached as ``harness.compare`` reaches it (a ``Pair`` of two columns), so that what is shown here is what the gate
uses. Independent right-or-wrong items are enumerated, without any Monte-Carlo error; all other worlds are simulated from a seed.
"""
