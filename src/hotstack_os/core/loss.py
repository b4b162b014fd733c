"""What a plan would destroy, and that it does so only where somebody has named it.

Whoever knows the world says what an action would destroy (`Loss`); the core sees to it that no such action is begun
without its ref being named: neither one of the plan, nor one that is decided on while the plan is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from hotstack_os.core.model import Ledger
from hotstack_os.core.plan import Action, Named, Plan
from hotstack_os.errors import HotstackError

Loss = Callable[[Action, Ledger], str]
"""What would be lost by an action for good, as words that follow "destroys"; empty: nothing."""


def nothing(action: Action, ledger: Ledger) -> str:  # noqa: ARG001 (the form of all such rules)
    """The rule of a world in which nothing of worth is kept."""
    return ""


class _Everything:
    def __contains__(self, _: object, /) -> bool:
        return True


EVERYTHING: Named = _Everything()
"""Named by whoever wants all of it gone."""


class UnnamedLoss(HotstackError):
    """Something would be destroyed that nobody has named; nothing was touched."""

    def __init__(self, losses: Sequence[Action], hint: str = "") -> None:
        said = "\n".join(f"  {each.verb} {each.ref} destroys {each.destroys}" for each in losses)
        names = " ".join(f"--destroy {each.ref}" for each in losses)
        super().__init__(
            "a plan that destroys nothing but what was named",
            f"\n{said}",
            f"Nothing was changed. {hint or 'Correct the settings if it shall stay.'}\n  If it shall go: {names}",
        )
        self.losses = tuple(losses)


def marked(plan: Plan, loss: Loss, ledger: Ledger) -> Plan:
    """The plan with each action saying what it destroys. What is still to be decided counts as what it may become."""
    return replace(plan, actions=tuple(mark(each, loss, ledger) for each in plan.actions))


def mark(action: Action, loss: Loss, ledger: Ledger) -> Action:
    """The action, saying what it destroys."""
    end = action
    if action.verb == "decide" and action.wanted:
        end = replace(action, verb="update")
    elif action.verb == "decide":
        owned = ledger.get(action.ref)
        end = replace(action, verb="restore" if owned and owned.before is not None else "remove")
    return replace(action, destroys=loss(end, ledger))


def require_named(actions: Collection[Action], named: Named) -> None:
    """Refuse actions that destroy what was not named."""
    if unnamed := [each for each in actions if each.destroys and not each.named_in(named)]:
        raise UnnamedLoss(unnamed)
