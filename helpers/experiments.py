"""Hyper-parameter experiments: the same training with one option changed, once for each seed."""

from helpers import evaluate, results, runtime


def run(questions, defaults, train, seeds, metric="validation_accuracy"):
    """Train every arm of every question for each seed, and say what came out of each, with its minutes.

    Args:
        questions: `{"batch size": [{"batch_size": 32}, {}], ...}`, question -> its arms; an arm is the dict of options
            that it changes, `{}` the arm that changes none.
        defaults: dict of all options. Arms that come to the same options are trained once.
        train: function `(changes, seed)` -> history, a list of dicts, one an epoch, with `metric` and `seconds`.
        seeds: iterable of int.
        metric: what of the last epoch to compare.

    Returns:
        dict, question -> {arm, as text: {"mean", "sd", "n", "minutes"}}; minutes are those of all seeds together.
    """
    found, finished = {}, {}
    for question, arms in questions.items():
        found[question] = {}
        for changes in arms:
            arm = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changes.items()) or "default"
            options = repr(sorted((defaults | changes).items()))
            if options not in finished:
                histories = [train(changes, seed) for seed in seeds]
                spread = evaluate.mean_and_spread([history[-1][metric] for history in histories])
                seconds = sum(epoch["seconds"] for history in histories for epoch in history)
                finished[options] = spread | {"minutes": seconds / 60}
            found[question][arm] = result = finished[options]
            runtime.say(f"{question:<28} {arm:<36} {results.format_metric(result):<22} {result['minutes']:5.1f} min")
    return found
