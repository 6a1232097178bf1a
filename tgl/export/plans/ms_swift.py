"""Plans for ms-swift: arguments of `swift sft` and `swift pt` that freeze parameters by regular expressions.

ms-swift first freezes what `--freeze_parameters_regex` finds in a name with `re.search`, then trains again what
`--trainable_parameters_regex` finds.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from tgl.export.plans.parameters import Export, check_same, pattern, prefixes, trained
from tgl.models.sublayers import Sublayer
from tgl.plans.plan import Plan


def ms_swift(plan: Plan, units: Sequence[Sublayer]) -> Export:
    """Return the arguments of ms-swift's command line, quoted for a shell.

    Raises:
        TglError: The plan has multipliers other than 0 and 1, or ms-swift cannot name its parameters.
    """
    wanted = trained(plan, units, "ms-swift")
    names = [name for unit in units for name in unit.parameters]
    chosen = pattern(prefixes(wanted, names))
    check_same(plan, "ms-swift", {name for name in names if re.search(chosen, name)}, expected=wanted)
    arguments = {
        "tuner_type": "full",
        "freeze_parameters_regex": ".*",
        "trainable_parameters_regex": chosen,
    }
    lines = [f"--{key} {shlex.quote(value)}" for key, value in arguments.items()]
    return Export(
        " \\\n".join(lines) + "\n",
        ("The arguments are those of ms-swift 4.",),
    )
