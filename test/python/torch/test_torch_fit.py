"""abt.fit: Algorithm 1 and its relatives, resuming, and what it refuses."""

import csv

import pytest

torch = pytest.importorskip("torch")

import anybit.torch as abt
from networks_for_tests import ResNet, Small, batches, pictures

CANDIDATES = ["w8a8", "w4a4", "w2a2", "w1a1"]
TRAIN = batches(*pictures(320, 1), 32)
VAL = batches(*pictures(240, 2), 120)


def state(net):
    return {key: value.clone() for key, value in net.state_dict().items() if isinstance(value, torch.Tensor)}


def differing(a, b):
    return [key for key in a if not torch.equal(a[key], b[key])]


def test_algorithm_1_learns_at_every_width(tmp_path):
    net = abt.switchable(Small(), CANDIDATES)
    history = abt.fit(net, TRAIN, VAL, epochs=5, warmup_batches=4, log=tmp_path / "log.csv", learning_rate=0.1)
    accuracy = {name: score.accuracy for name, score in history.scores.items()}
    assert accuracy["w8a8"] > 0.8 and accuracy["w4a4"] > 0.8 and accuracy["w2a2"] > 0.7 and accuracy["w1a1"] > 0.4
    rows = list(csv.DictReader(open(tmp_path / "log.csv", encoding="utf-8")))
    assert {row["candidate"] for row in rows} == set(CANDIDATES) and {row["split"] for row in rows} == {"train", "val"}
    assert history.steps == 5 * len(TRAIN)


def test_warm_up_moves_theta_alone():
    net = abt.switchable(ResNet(), CANDIDATES)
    before = [p.detach().clone() for p in net.shared_parameters()]
    theta = state(net)
    abt.fit(net, TRAIN, epochs=0, warmup_batches=3)
    assert all(torch.equal(a, b) for a, b in zip(before, net.shared_parameters()))
    changed = differing(theta, state(net))
    assert any("running_mean" in key for key in changed) and any("factors" in key for key in changed)
    assert any("quantizers" in key for key in changed)
    assert all(p.requires_grad for p in net.parameters())


def test_one_step_moves_one_candidate():
    net = abt.switchable(ResNet(), CANDIDATES)
    abt.fit(net, TRAIN, epochs=0, warmup_batches=1)
    before = state(net)
    abt.fit(net, TRAIN[:1], epochs=1, warmup_batches=0, probabilities={"w2a2": 1.0})
    index = net.candidate_index("w2a2")
    changed = differing(before, state(net))
    per_candidate = [key for key in changed if any(part in key for part in (".sets.", "quantizers.", "factors."))]
    assert per_candidate and all(f".{index}." in key for key in per_candidate)


def test_steps_of_weights_move_slowly():
    """Steps alone: not clips, not the step as a clip that widths share, not those of activations."""
    net = abt.switchable(ResNet(), ["w8a8", "w2a2", "f32"], weight=abt.LSQ(), activation=abt.LSQ())
    groups = abt.parameter_groups(net, theta_scale=0.5, learning_rate=0.2, step_scale=0.01)
    assert sorted(group["lr"] for group in groups) == pytest.approx([0.2 * 0.5 * 0.01, 0.2 * 0.5, 0.2, 0.2])
    slow = {id(p) for p in min(groups, key=lambda group: group["lr"])["params"]}
    steps = {id(layer.theta.quantizers[i].parameter) for layer in net.layers().values() for i in (0, 1)}
    assert slow == steps
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))
    for weight in (abt.LSQ(shared=("step",)), abt.PACT(), abt.MeanAbs()):
        assert not abt.switchable(ResNet(), ["w1a1"], weight=weight, first_last=None).weight_steps()


def test_a_subset_leaves_the_others_alone():
    net = abt.switchable(ResNet(), CANDIDATES)
    abt.fit(net, TRAIN, epochs=0, warmup_batches=1)
    frozen = [p.detach().clone() for p in net.candidate_parameters("w1a1")]
    abt.fit(net, TRAIN[:4], epochs=1, warmup_batches=1, candidates=["w8a8", "w2a2"])
    assert all(torch.equal(a, b) for a, b in zip(frozen, net.candidate_parameters("w1a1")))


def test_probabilities_are_followed():
    net = abt.switchable(Small(), CANDIDATES)
    counts = dict.fromkeys(CANDIDATES, 0)

    class Counting(abt.OneCandidate):
        def step(self, s, x, y):
            (index,) = s.draw()
            counts[s.net.names[index]] += 1
            return {index: torch.zeros(())}

    abt.fit(net, TRAIN[:1] * 400, epochs=1, warmup_batches=0, probabilities=[0, 1, 3, 0], strategy=Counting())
    assert counts["w8a8"] == counts["w1a1"] == 0 and 240 < counts["w2a2"] < 350


class Interrupted(Exception):
    pass


class Loader:
    """Stops after a number of batches, as a killed process does."""

    def __init__(self, stop):
        self.data, self.left = TRAIN[:6], stop

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        for batch in self.data:
            self.left -= 1
            if self.left < 0:
                raise Interrupted
            yield batch[0] + 0.1 * torch.randn_like(batch[0]), batch[1]


@pytest.mark.parametrize("stop", [4, 8 + 2, 8 + 6 + 5])
def test_resuming_is_exact(stop, tmp_path):
    """Killed in the warm-up, at the first step, and within an epoch; with random augmentation."""
    options = dict(epochs=3, warmup_batches=2, checkpoint_steps=2)
    base = Small()
    whole = abt.switchable(base, CANDIDATES)
    abt.fit(whole, Loader(10 ** 6), **options)
    path = tmp_path / "c.pt"
    with pytest.raises(Interrupted):
        abt.fit(abt.switchable(base, CANDIDATES), Loader(stop), checkpoint=path, **options)
    resumed = abt.switchable(base, CANDIDATES)
    abt.fit(resumed, Loader(10 ** 6), checkpoint=path, **options)
    assert differing(state(whole), state(resumed)) == []


@pytest.mark.parametrize("strategy", [abt.Sandwich(), abt.AllCandidates(), abt.OneCandidate(widest=True),
                                      abt.BlockSwapping(), abt.ArbitraryWidths()], ids=lambda s: type(s).__name__)
def test_strategies_learn(strategy):
    net = abt.switchable(Small(), CANDIDATES)
    history = abt.fit(net, TRAIN, VAL, epochs=3, warmup_batches=4, strategy=strategy, learning_rate=0.1)
    assert history.scores["w8a8"].accuracy > 0.5, history.scores
    assert net.candidate in CANDIDATES


def test_a_teacher_and_distillation_loss():
    from anybit.torch.strategies import divergence
    outputs, wanted = torch.randn(4, 6), torch.randn(4, 6)
    p = torch.softmax(wanted / 2, 1)
    by_hand = (p * (p.log() - torch.log_softmax(outputs / 2, 1))).sum(1).mean() * 4
    torch.testing.assert_close(divergence(outputs, wanted, 2.0), by_hand)
    teacher = ResNet()
    net = abt.switchable(teacher, CANDIDATES[:2])
    abt.fit(net, TRAIN[:4], epochs=1, warmup_batches=1, teacher=teacher, distillation=abt.Distillation(1.0, 2.0))


def test_kure():
    from anybit.torch.strategies import kurtosis
    assert abs(kurtosis(torch.rand(100000)).item() - 1.8) < 0.02 and abs(kurtosis(torch.randn(100000)).item() - 3) < 0.1
    net = abt.switchable(Small(), ["w8a8"])
    before = abt.KURE()(net).item()
    abt.fit(net, TRAIN, epochs=5, warmup_batches=1, regularizers=[abt.KURE(1.0)])
    assert abt.KURE()(net).item() < 0.7 * before


def test_gradient_l1():
    """The penalty's gradient, by finite differences on a float candidate."""
    net = abt.switchable(torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)), ["f32"],
                         residual=None).double()
    x, y = torch.randn(6, 4).double(), torch.randint(0, 3, (6,))
    layer = net.net.get_submodule("0")

    def total():
        loss = torch.nn.functional.cross_entropy(net(x), y)
        weights = [module.weight for module in net.layers().values()]
        return loss + 0.3 * sum(g.abs().sum() for g in torch.autograd.grad(loss, weights, create_graph=True))

    from anybit.torch.strategies import Step
    step = Step(net, net, torch.nn.functional.cross_entropy, [0], torch.ones(1), torch.Generator())
    abt.GradientL1(0.3, 0.0).step(step, x, y)
    got = layer.weight.grad[1, 2].item()
    with torch.no_grad():
        layer.weight[1, 2] += 1e-6
    above = total().item()
    with torch.no_grad():
        layer.weight[1, 2] -= 2e-6
    assert abs((above - total().item()) / 2e-6 - got) < 1e-5 * max(1, abs(got)) + 1e-5


def test_gradient_l1_through_quantizers():
    net = abt.switchable(ResNet(), ["w8a8", "w4a4"])
    abt.fit(net, TRAIN[:3], epochs=1, warmup_batches=1, strategy=abt.GradientL1(0.01, 0.01), learning_rate=0.01)
    assert all(torch.isfinite(p).all() for p in net.parameters())


@pytest.mark.parametrize("per_layer", [False, True])
def test_adaptive_widths_fall_with_their_cost_and_end_in_a_candidate(per_layer):
    net = abt.switchable(Small(), ["w5a5", "w4a4", "w3a3", "w2a2"])
    abt.fit(net, TRAIN, epochs=0, warmup_batches=2)
    strategy = abt.AdaptiveWidths(cost=20.0, rate=0.5, per_layer=per_layer)
    abt.fit(net, TRAIN * 3, epochs=1, warmup_batches=0, strategy=strategy)
    assert net.names[-1] == "adaptive" and len(net.candidates) == 5
    bits = [net.candidates[-1].widths(name).weights for name in net.layers()]
    assert min(bits[1:-1]) < 5
    net.set_candidate("adaptive")
    net.eval()(TRAIN[0][0])


def test_loss_aware_bases_delete_what_the_loss_feels_least():
    """f = -g alpha + h alpha^2 / 2 by hand, of a first round after two steps; deleted coefficients stay 0."""
    net = abt.switchable(Small(), ["w3a3"], weight=abt.MultiBase(), wavelet=None, first_last=None)
    strategy = abt.LossAwareBases(keep=2 / 3, rounds=1, until=0.6, rate=0.01)
    weights = [layer.theta.quantizers[0] for layer in net.layers().values()]
    slopes, moments = [], []

    class Looking(torch.optim.SGD):
        def step(self, closure=None):
            slopes.append([quantizer.alphas.grad.clone() for quantizer in weights])
            moments.append([layer.weight.grad.square() for layer in net.layers().values()])

    groups = abt.parameter_groups(net, learning_rate=0.0)
    abt.fit(net, TRAIN[:3], epochs=1, warmup_batches=0, strategy=strategy, optimizer=Looking(groups, 0.0))
    rises = []
    for i, quantizer in enumerate(weights):
        first, second = moments[0][i], 0.999 * moments[0][i] + moments[1][i]
        curvature = torch.maximum(first, second / 1.999).sqrt().flatten(1).sum(1) / 0.01
        alphas = quantizer.alphas.detach()
        rise = curvature * alphas.square() / 2 - (slopes[0][i] + slopes[1][i]) / 2 * alphas
        rise = torch.where(alphas == alphas.max(0).values, torch.inf, rise)  # one of each channel stays
        rises.append((rise / torch.Size(quantizer.site.shape[1:]).numel()).flatten())
    rises, kept = torch.cat(rises), torch.cat([quantizer.kept.flatten() for quantizer in weights])
    gone, left = rises[kept == 0].max(), rises[kept == 1].min()
    assert gone <= left + 1e-4 * abs(left)
    assert 1.99 < strategy.mean_bits(net, "w3a3") < 2.1
    gone = [quantizer.coefficients()[quantizer.kept == 0] for quantizer in weights]
    assert all(torch.equal(values, torch.zeros_like(values)) for values in gone)


def test_loss_aware_bases_learn(tmp_path):
    """Half of the bits are gone, and a finished run goes on with what it knew."""
    options = dict(epochs=4, warmup_batches=2, learning_rate=0.1, checkpoint=tmp_path / "c.pt")
    net = abt.switchable(Small(), ["w4a8"], weight=abt.MultiBase(), wavelet=None, first_last=None)
    strategy = abt.LossAwareBases(keep=0.5, rounds=4)
    history = abt.fit(net, TRAIN, VAL, strategy=strategy, **options)
    assert history.scores["w4a8"].accuracy > 0.6 and 2 <= strategy.mean_bits(net, 0) < 2.1
    again, resumed = abt.LossAwareBases(keep=0.5, rounds=4), abt.switchable(Small(), ["w4a8"], weight=abt.MultiBase(),
                                                                            wavelet=None, first_last=None)
    abt.fit(resumed, TRAIN, VAL, strategy=again, **options)
    assert again.done == 4 and again.estimates.keys() == strategy.estimates.keys()
    assert differing(state(net), state(resumed)) == []


def test_label_free_distillation():
    teacher = Small()
    optimizer = torch.optim.SGD(teacher.parameters(), 0.1, momentum=0.9)
    for _ in range(6):
        for x, y in TRAIN:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(teacher(x), y).backward()
            optimizer.step()
    teacher.eval()
    net = abt.switchable(teacher, ["w3a3", "w2a2"], own_weights=True)
    images = torch.cat([x for x, _ in TRAIN])[:256]
    losses = abt.distill(net, teacher, images, steps=60, batch=32, learning_rate=2e-3, theta_rate=2e-3)
    assert set(losses) == {"w3a3", "w2a2"}
    scores = abt.evaluate_all(net, VAL)
    wanted = abt.evaluate(teacher, VAL).accuracy
    assert scores["w3a3"].accuracy > wanted - 0.1 and scores["w2a2"].accuracy > wanted - 0.25
    with pytest.raises(ValueError, match="own_weights=True"):
        abt.distill(abt.switchable(teacher, ["w3a3", "w2a2"]), teacher, images)


def mean_inputs(net, norm, data):
    """Per channel, of a norm whose network is in evaluation mode."""
    means = []
    hook = norm.register_forward_pre_hook(lambda _, given: means.append(given[0].detach().mean((0, 2, 3))))
    with torch.no_grad():
        net.eval()
        for x, _ in data:
            net(x)
    hook.remove()
    return torch.stack(means).mean(0)


def test_batch_norm_reestimation():
    net = abt.switchable(ResNet(), CANDIDATES)
    abt.fit(net, TRAIN, epochs=0, warmup_batches=1)
    net.set_candidate("w2a2")
    norm = net.net.bn1.sets[net.index]
    norm.running_mean.fill_(7.)
    others = net.net.bn1.sets[0].running_mean.clone()
    abt.reestimate_batch_norm(net, TRAIN, 4, ["w2a2"])
    torch.testing.assert_close(norm.running_mean, mean_inputs(net, norm, TRAIN[:4]))
    assert torch.equal(others, net.net.bn1.sets[0].running_mean) and norm.momentum == 0.1


def test_fit_ends_with_the_statistics_of_the_last_weights():
    net = abt.switchable(ResNet(), CANDIDATES)
    abt.fit(net, TRAIN, epochs=0, warmup_batches=1)
    before = state(net)
    abt.fit(net, TRAIN, epochs=1, warmup_batches=0, probabilities=[1, 1, 0, 1], reestimate_batches=4)
    net.round_masters()
    for name in ("w8a8", "w1a1"):
        net.set_candidate(name)
        norm = net.net.bn1.sets[net.index]
        torch.testing.assert_close(norm.running_mean, mean_inputs(net, norm, TRAIN[:4]))
    idle = f".sets.{net.candidate_index('w2a2')}."
    assert not [key for key in differing(before, state(net)) if idle in key]


def test_the_last_evaluation_is_of_weights_as_a_file_has_them():
    net = abt.switchable(ResNet(), CANDIDATES)
    history = abt.fit(net, TRAIN, VAL, epochs=1, warmup_batches=1, learning_rate=0.01)
    plain = abt.evaluate_all(net, VAL)
    net.round_masters()
    assert abt.evaluate_all(net, VAL) == history.scores != plain


def test_shared_batch_norms_fit_all_candidates():
    net = abt.switchable(ResNet(), CANDIDATES[:2], batch_norm="shared")
    abt.fit(net, TRAIN, epochs=1, warmup_batches=1, reestimate_batches=4)
    net.round_masters()
    found = []
    for name in net.names:
        net.set_candidate(name)
        found.append(mean_inputs(net, net.net.bn1, TRAIN[:4]))
    torch.testing.assert_close(net.net.bn1.running_mean, (found[0] + found[1]) / 2)


def test_a_loss_that_is_not_finite_stops_with_step_and_layer(tmp_path):
    path = tmp_path / "c.pt"
    net = abt.switchable(ResNet(), CANDIDATES)
    abt.fit(net, TRAIN[:2], epochs=1, warmup_batches=1, checkpoint=path)
    kept = path.read_bytes()
    bad = [TRAIN[0], (TRAIN[1][0] * float("nan"), TRAIN[1][1])]
    with pytest.raises(abt.Diverged, match="step 3.*'inputs'.*c.pt") as error:
        abt.fit(net, bad, epochs=2, warmup_batches=1, checkpoint=path, resume=True)
    assert error.value.layer == "inputs" and path.read_bytes() == kept
    net = abt.switchable(ResNet(), ["w8a8"])
    net.net.get_submodule("stages.1.bn1").sets[0].weight.data.fill_(float("inf"))
    with pytest.raises(abt.Diverged, match="stages.1.bn1"):
        abt.fit(net, TRAIN[:2], epochs=1, warmup_batches=0)


def test_wrong_checkpoints(tmp_path):
    path = tmp_path / "c.pt"
    abt.fit(abt.switchable(ResNet(), CANDIDATES), TRAIN[:2], epochs=1, warmup_batches=0, checkpoint=path)
    other = abt.switchable(ResNet(6), CANDIDATES)
    before = state(other)
    with pytest.raises(ValueError, match="another network:\n.*conv1.weight"):
        abt.fit(other, TRAIN[:2], epochs=1, checkpoint=path)
    assert differing(before, state(other)) == []
    with pytest.raises(ValueError, match="candidates w8a8, w4a4"):
        abt.fit(abt.switchable(ResNet(), ["w8a8"]), TRAIN[:2], epochs=1, checkpoint=path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no checkpoint"):
        abt.fit(abt.switchable(ResNet(), CANDIDATES), TRAIN[:2], epochs=1, checkpoint=path)


@pytest.mark.parametrize("train,text", [([], "is empty"), (iter(TRAIN), "has no length")])
def test_wrong_loaders(train, text):
    with pytest.raises(ValueError, match=text):
        abt.fit(abt.switchable(Small(), CANDIDATES), train)


@pytest.mark.parametrize("options,text", [
    (dict(epochs=-1), "epochs is -1"), (dict(reestimate_batches=-1), "reestimate_batches is -1"),
    (dict(candidates=[]), "candidates is empty"), (dict(strategy=abt.LossAwareBases()), "the network has none"),
    (dict(candidates=["w7a7"]), "'w7a7' is unknown"), (dict(probabilities=[1, 2]), "expected 4 numbers"),
    (dict(probabilities={"w9a9": 1.0}), "given for w9a9"), (dict(probabilities=[-1, 2, 0, 0]), "none negative")])
def test_wrong_arguments(options, text):
    with pytest.raises(ValueError, match=text):
        abt.fit(abt.switchable(Small(), CANDIDATES), TRAIN, **options)
