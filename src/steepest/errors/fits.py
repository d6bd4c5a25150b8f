"""Messages about options, gradients, and fits that rows or columns do not determine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .words import SteepestError, counted, listed, nearest


class OptionError(SteepestError, ValueError):
    """An argument outside its range."""

    @classmethod
    def outside(cls, name: str, value: object, wanted: str, hint: str) -> OptionError:
        return cls(f"{name}={value!r} is not {wanted}.", "", hint)

    @classmethod
    def unknown(cls, name: str, value: object, known: Sequence[str]) -> OptionError:
        meant = nearest(str(value), known)
        return cls(
            f"{name}={value!r} is not known.",
            f"Known are {listed(known)}.",
            f"did you mean '{meant}'?" if meant else f"choose {listed(known, 'or')}.",
        )

    @classmethod
    def beside(cls, name: str, others: str) -> OptionError:
        return cls(
            f"{name} is given, and {others} too.",
            "Both say which columns are meant.",
            f"give {name} alone, or leave it out.",
        )

    @classmethod
    def missing(cls, name: str, hint: str) -> OptionError:
        return cls(f"{name} is not given.", "A fit explains a column.", f"name it: {hint}")

    @classmethod
    def pathless(cls, method: str) -> OptionError:
        return cls(
            f"a fit by {method} has no path.",
            "Its limit is found by coordinate descent, not by steps along the gradient.",
            "fit with l2 alone, or ask for model.coefficients.",
        )

    @classmethod
    def limit_only(cls, name: str) -> OptionError:
        return cls(
            f"{name} is given, and a rule, a rate or a start, but no epochs.",
            "At its limit such a fit is found by coordinate descent, which needs none of them.",
            "say how many epochs: epochs=1000",
        )

    @classmethod
    def nothing_to_scale(cls, name: str, needed: str) -> OptionError:
        return cls(
            f"{name} is given, and no {needed}.",
            f"It says how much of {needed} each coefficient bears, so that alone it does nothing.",
            f"give {needed.partition(' ')[0]} too, or leave {name} out.",
        )

    @classmethod
    def other_weights(cls, asked: str, found: str) -> OptionError:
        has = f"weights '{found}'" if found else "no weights"
        return cls(
            f"weights='{asked}' is asked for, and the moments were scanned with {has}.",
            "A weight enters every sum, so it is chosen before the scan.",
            f"scan again: steepest.scan(table, weights='{asked}')",
        )

    @classmethod
    def other_condition(cls, asked: str, found: str) -> OptionError:
        has = f"where {found}" if found else "without a condition"
        return cls(
            f"where='{asked}' is asked for, and the moments were scanned {has}.",
            "Which rows are taken is decided row by row, in the scan.",
            f'scan again: steepest.scan(table, where="{asked}")',
        )

    @classmethod
    def other_precision(cls, asked: str, found: str) -> OptionError:
        return cls(
            f"precision='{asked}' is asked for, and the moments are {found} sums.",
            "How sums are made is chosen before the scan.",
            f"scan the table again with precision='{asked}', or leave precision unset.",
        )

    @classmethod
    def mixed(cls, names: Sequence[str], beside: Sequence[str]) -> OptionError:
        one, other = len(names) == 1, len(beside) == 1
        return cls(
            f"{' and '.join(names)} {'is a tensor' if one else 'are tensors'} of PyTorch, but "
            f"{' and '.join(beside)} {'is' if other else 'are'} not.",
            "The two kinds of numbers are not computed with together.",
            f"{beside[0]} = torch.as_tensor({beside[0]})",
        )

    @classmethod
    def libraries(cls, torch: Sequence[str], jax: Sequence[str]) -> OptionError:
        return cls(
            f"{' and '.join(torch)} {'is' if len(torch) == 1 else 'are'} of PyTorch, and "
            f"{' and '.join(jax)} of JAX.",
            "The two libraries do not compute with each other's numbers.",
            f"{torch[0]} = jax.numpy.asarray({torch[0]}.detach().numpy())",
        )

    @classmethod
    def devices(cls, places: Mapping[str, str]) -> OptionError:
        stands = [f"{name} is on '{place}'" for name, place in places.items()]
        last = list(places)[-1]
        return cls(
            f"{', '.join(stands)}.",
            "PyTorch computes with tensors of one device only.",
            f"{last} = {last}.to('{next(iter(places.values()))}')",
        )

    @classmethod
    def own_rate(cls, rate: float) -> OptionError:
        return cls(
            f"learning_rate={rate!r} is given, and an optimiser as rule too.",
            "An optimiser that is handed in has a rate of its own.",
            "leave learning_rate out.",
        )

    @classmethod
    def endless(cls, rule: str) -> OptionError:
        return cls(
            f"epochs is not given, and {rule} has no closed form.",
            "Its steps are made one by one, and end where they are told to.",
            "epochs=1000",
        )

    @classmethod
    def no_closed_form(cls, what: str, rule: str) -> OptionError:
        return cls(
            f"{what} are asked for, and {rule} has no closed form here.",
            "They follow from steps that are linear in the data, at a rate that stays.",
            "rule='gradient-descent', without a schedule or l1",
        )

    @classmethod
    def forgotten(cls, rule: str) -> OptionError:
        return cls(
            f"the path of this model was made by {rule}.",
            "A model file keeps the name of a rule that is not steepest's, and none of its code.",
            "fit again, with the rule at hand.",
        )

    @classmethod
    def no_budget(cls) -> OptionError:
        return cls(
            "learning_rate='budget' is given, and no number of epochs.",
            "The best rate for a budget depends on how many epochs there are.",
            "epochs=1000",
        )

    @classmethod
    def without_momentum(cls, momentum: float | str, rule: str) -> OptionError:
        return cls(
            f"momentum={momentum!r} is given, and {rule} as rule.",
            "That rule has no momentum to set.",
            "rule='momentum', or rule='nesterov'",
        )

    @classmethod
    def rateless(cls, name: str, rule: str) -> OptionError:
        return cls(
            f"{name} is given, and {rule} as rule.",
            "What has no learning rate of ours has none to change.",
            f"leave {name} out, or name a rule: rule='gradient-descent'",
        )

    @classmethod
    def not_proximal(cls, rule: str, name: str = "l1") -> OptionError:
        return cls(
            f"{name} is given, and {rule} as rule.",
            "Proximal steps are those of gradient descent: others end elsewhere.",
            "leave the rule out, or use l2." if name == "l1" else f"leave the rule out, or {name}.",
        )

    @classmethod
    def searched_rate(cls, rate: float | str, rule: str) -> OptionError:
        return cls(
            f"learning_rate={rate!r} is given, and {rule} as rule.",
            "It finds the length of each step by a search along its line.",
            "leave learning_rate out.",
        )

    @classmethod
    def other_library(cls, type_name: str, wanted: str, kind: str) -> OptionError:
        names = {"torch": "PyTorch", "jax": "JAX", "numpy": "NumPy"}
        return cls(
            f"rule is a {type_name}, which steps weights of {names[wanted]}; these are of "
            f"{names[kind]}.",
            "An optimiser steps the weights of its own library.",
            "name a rule, which steps them all: rule='adam', learning_rate=0.001",
        )

    @classmethod
    def strangers(cls, count: int, total: int) -> OptionError:
        return cls(
            f"{count:,} of the {counted(total, 'tensor')} that the optimiser steps "
            f"{'is' if count == 1 else 'are'} not in w.",
            "The descent trains a copy of w, and the optimiser with it.",
            "make it over w: torch.optim.SGD([w], lr=0.1), or of module.parameters().",
        )

    @classmethod
    def tied(cls, first: str, second: str) -> OptionError:
        return cls(
            f"{first} and {second} of w are one tensor.",
            "Each place of w is stepped on its own, so that the two would come apart.",
            "name it once in w and use it twice in forward, or give each place its own: t.clone()",
        )


class GradientError(SteepestError, ValueError):
    """A gradient that is missing, or is not one number per weight."""

    @classmethod
    def shape(cls, got: tuple[int, ...], wanted: tuple[int, ...]) -> GradientError:
        weights = "w is a single number" if wanted == () else f"w has shape {wanted}"
        return cls(
            f"gradient returned shape {got}, but {weights}.",
            "A gradient has one number for each weight.",
            "end it in .mean()" if wanted == () else "average over the rows only: .mean(axis=0)",
        )

    @classmethod
    def structure(cls, name: str) -> GradientError:
        return cls(
            f"gradient and w differ in structure at {name}.",
            "A gradient has the branches of w, with one number for each weight.",
            "return a tree with the keys of w.",
        )

    @classmethod
    def leaf_shape(cls, name: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> GradientError:
        return cls(
            f"gradient has shape {got} at {name}, but w has shape {wanted} there.",
            "A gradient has one number for each weight.",
            "average over the rows only: .mean(axis=0)",
        )

    @classmethod
    def untraceable(cls, reason: str) -> GradientError:
        return cls(
            f"JAX cannot follow forward and loss: {reason}.",
            "Somewhere its numbers are handed to NumPy, float() or .item(), which ends the trace.",
            "compute with jax.numpy: jnp.exp(x) instead of np.exp(x).",
        )

    @classmethod
    def severed(cls) -> GradientError:
        return cls(
            "the loss does not depend on w as far as JAX can see.",
            "Somewhere in forward or loss w is left out, or behind jax.lax.stop_gradient.",
            "use w all the way to the loss.",
        )

    @classmethod
    def untrained(cls, name: str) -> GradientError:
        return cls(
            f"no parameter of {name} requires grad.",
            "Autograd follows only tensors that say so.",
            "module.requires_grad_()",
        )

    @classmethod
    def missing(cls) -> GradientError:
        return cls(
            "no gradient was given, and the data are not tensors.",
            "NumPy cannot differentiate forward and loss.",
            "pass gradient=..., or make x, y and w tensors of PyTorch or arrays of JAX.",
        )

    @classmethod
    def nothing(cls, name: str) -> GradientError:
        return cls(
            f"{name} returned nothing.",
            "A function without a return statement gives nothing back.",
            f"end {name} in: return ...",
        )

    @classmethod
    def not_required(cls, w: str, hint: str | None = None) -> GradientError:
        return cls(
            f"w is {w}, and it does not require grad.",
            "Autograd follows only tensors that say so.",
            hint or "w = torch.tensor(0.0, requires_grad=True)",
        )

    @classmethod
    def not_reached(cls) -> GradientError:
        return cls(
            "the loss does not depend on w as far as autograd can see.",
            "Somewhere in forward or loss the way back was cut: .detach(), .item(), .numpy() or "
            "torch.no_grad().",
            "keep tensors all the way from w to the loss.",
        )

    @classmethod
    def edited(cls) -> GradientError:
        return cls(
            "forward, loss or gradient edited one of its arguments in place.",
            "The next epoch would start from other data.",
            "make a new tensor: x - 1 instead of x -= 1 or x.sub_(1).",
        )

    @classmethod
    def faulty(cls, name: str, found: str, cure: str) -> GradientError:
        return cls(f"{name}: {found}", "", cure)

    @classmethod
    def loss_shape(cls, got: tuple[int, ...]) -> GradientError:
        return cls(
            f"loss returned shape {got}, not a single number.",
            "Descent goes down one number.",
            "end the loss in .mean()",
        )


class TooFewRowsError(SteepestError, ValueError):
    """Fewer rows than coefficients, with nothing to choose between the solutions."""

    @classmethod
    def of(cls, rows: int, coefficients: int) -> TooFewRowsError:
        return cls(
            f"{counted(rows, 'row')} cannot determine {counted(coefficients, 'coefficient')}.",
            "Without a penalty or a number of epochs, countless solutions fit them perfectly.",
            "add a penalty, l2=0.01, or stop after some epochs, epochs=100, or use fewer features.",
        )


class CollinearError(SteepestError, ValueError):
    """Columns that are sums of each other, where that was to be refused."""

    @classmethod
    def of(cls, relations: Sequence[str]) -> CollinearError:
        return cls(
            f"the features are collinear: {'; '.join(relations)}.",
            "Many sets of coefficients fit equally well.",
            f"leave out '{relations[0].split(' = ')[0]}', or allow it with collinear='shortest'.",
        )
