"""Which mistake a gap comes from: hypotheses that are remedies, tried one after the other.

``examine`` asks them in turn. From the numbers of a leaf alone: ``diagnose`` over ``patterns``, ``rearranged``,
``located`` and their kind. From the function called with other inputs: ``fed``. From two modules: ``localize``. From
the calls that the JAX function makes: ``called``. From the JAX program itself, a constant or a step changed at a time:
``remedies`` over ``tuned``, ``swaps``, ``axes``, ``rewired`` and their kind, run by ``traced`` and ``screen``. A remedy
is named only if it closes the whole gap.
"""
