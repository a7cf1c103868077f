# The SAM family in plain PyTorch, pass by pass, to compare with: written from the papers' rules, with nothing of the library.
# Runs behind the prelude of test/support/python.ts: `inputs` is a list of cases, `outputs` their trajectories.
from copy import deepcopy
from math import ceil, sqrt


class NonFinite(Exception):
    pass


# Vectors are lists with one tensor per parameter; None where a parameter has no gradient.


def each(f, *vectors):
    """f of every parameter's tensors: zero where one of several is missing, missing where all are."""
    result = []
    for tensors in zip(*vectors):
        there = [t for t in tensors if t is not None]
        result.append(f(*[torch.zeros_like(there[0]) if t is None else t for t in tensors]) if there else None)
    return result


def dot(a, b):
    return sum(float((x * y).sum()) for x, y in zip(a, b) if x is not None and y is not None)


def norm(v):
    return sqrt(dot(v, v))


def scaled(factor, v):
    return each(lambda x: factor * x, v)


def unit(v):
    length = norm(v)
    return each(lambda x: x / length if length > 0 else torch.zeros_like(x), v)


def minus(a, b):
    return each(lambda x, y: x - y, a, b)


def first(batch, count):
    return [t[:count] for t in batch]


class Last(nn.Module):
    def forward(self, output):
        return output[0][:, -1]


class Net(nn.Sequential):
    def __init__(self, case):
        layers = []
        self_unused = []
        for spec in case["model"]:
            spec = dict(spec)
            kind = spec.pop("type")
            self_unused.append(spec.pop("unused", False))
            layers.append(Last() if kind == "Last" else getattr(nn, kind)(**spec))
        super().__init__(*layers)
        self.unused = self_unused
        for name, source in case.get("tied", []):
            self.get_submodule(name.rpartition(".")[0]).weight = self.get_submodule(source.rpartition(".")[0]).weight
        self.to(getattr(torch, case["dtype"]))
        self.load_state_dict({name: unpack(p) for name, p in case["initial"].items()})
        for name in case.get("frozen", []):
            self.get_parameter(name).requires_grad_(False)
        self.train(case.get("train", True))

    def forward(self, x):
        for layer, unused in zip(self, self.unused):
            if not unused:
                x = layer(x)
        return x


BASES = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adafactor": torch.optim.Adafactor,
         "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad, "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam,
         "adamax": torch.optim.Adamax, "adadelta": torch.optim.Adadelta}
NAMES = {"weightDecay": "weight_decay", "beta2Decay": "beta2_decay"}
SCALE_NAMES = {"initial": "init_scale", "growth": "growth_factor", "backoff": "backoff_factor", "interval": "growth_interval"}
NORMALIZATION = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def base_options(options):
    return {NAMES.get(name, name): tuple(value) if isinstance(value, list) else value for name, value in options.items() if name != "name"}


class Run:
    """One optimizer under way: the net, the base optimizer, and what the method keeps between steps."""

    def __init__(self, case):
        self.case, self.options = case, case["options"]
        self.net = Net(case)
        named = list(self.net.named_parameters())
        groups = case.get("groups") or [{"parameters": [name for name, _ in named]}]
        grouped = {name for group in groups for name in group["parameters"]}
        named = [(name, parameter) for name, parameter in named if name in grouped]  # in the model's order, whatever the groups'
        self.names, self.w = [name for name, _ in named], [w for _, w in named]
        group_of = {name: g for g, group in enumerate(groups) for name in group["parameters"]}
        self.group_of = [group_of[name] for name in self.names]
        self.radii = [group.get("rho", self.options.get("rho", DEFAULT_RHO.get(self.options["method"], 0.05))) for group in groups]
        normalizing = {id(p) for m in self.net.modules() if isinstance(m, NORMALIZATION) for p in m.parameters()}
        self.perturbed = [self.options["method"] == "none" or groups[g].get("perturb", True) and (self.options["method"] != "norm-only" or id(w) in normalizing)
                          for g, w in zip(self.group_of, self.w)]
        mine = ("parameters", "rho", "perturb")
        self.base = BASES[self.options["base"]["name"]](
            [{"params": [self.net.get_parameter(name) for name in group["parameters"]], **base_options({k: v for k, v in group.items() if k not in mine})} for group in groups],
            **base_options(self.options["base"]), foreach=False)
        self.taken, self.own_taken, self.state = 0, 0, {}
        self.autocast = torch.autocast("cpu", getattr(torch, case.get("autocast") or "bfloat16"), enabled=case.get("autocast") is not None)
        scale = self.options.get("lossScale")
        self.scaler = torch.amp.GradScaler("cpu", enabled=scale is not None, **{SCALE_NAMES[name]: value for name, value in (scale or {}).items()})
        self.sensor = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0)

    def option(self, name, default):
        return self.options.get(name, default)

    def lr(self, k):
        return self.base.param_groups[self.group_of[k]]["lr"]

    # What a method is written with.

    def climbing(self, v):
        """The perturbed parameters' part: the norms run over those."""
        return [x if perturbed else None for x, perturbed in zip(v, self.perturbed)]

    def norm(self, v):
        """The norm of all rules: over the perturbed parameters."""
        return norm(self.climbing(v))

    def unit(self, v):
        length = self.norm(v)
        return each(lambda x: x / length if length > 0 else torch.zeros_like(x), v)

    def mean(self, mean, g, share):
        """A running mean, which begins with a parameter's first gradient and stands still in steps that give it none."""
        mean = mean or [None] * len(g)
        return [a if x is None else x if a is None else (1 - share) * a + share * x for a, x in zip(mean, g)]

    def rejection(self, v, onto):
        """What of v is orthogonal to `onto`."""
        u = self.unit(onto)
        along = dot(self.climbing(v), self.climbing(u))
        return each(lambda x, y: x - along * y, v, u)

    def by_radius(self, direction):
        return [None if x is None else self.radii[g] * x for x, g in zip(self.climbing(direction), self.group_of)]

    def take_pass(self, shift, batch, moves_buffers, value):
        """A forward pass at w + shift, and a backward one if `value` gives something to differentiate."""
        if self.option("sameNoise", True):
            torch.set_rng_state(self.noise)
        weights = [w.detach().clone() for w in self.w]
        buffers = [b.clone() for b in self.net.buffers()]
        with torch.no_grad():
            for w, x in zip(self.w, shift):
                if x is not None:
                    w.add_(x)
        try:
            with self.autocast:
                seen, objective = value(self.net(batch[0]), batch[1])
            if objective is None:
                return seen, None
            wanted = [w for w in self.w if w.requires_grad]
            found = dict(zip(map(id, wanted), torch.autograd.grad(self.scaler.scale(objective), wanted, allow_unused=True)))
            gradient = [found.get(id(w)) for w in self.w]
            if not all(bool(x.isfinite().all()) for x in gradient if x is not None):
                raise NonFinite
            return seen, scaled(1 / self.scaler.get_scale(), gradient)
        finally:
            with torch.no_grad():
                for w, old in zip(self.w, weights):
                    w.copy_(old)
                if not moves_buffers:
                    for b, old in zip(self.net.buffers(), buffers):
                        b.copy_(old)

    def losses(self, output, target):
        if self.case["loss"] == "cross_entropy":
            return F.cross_entropy(output, target, reduction="none")
        return F.mse_loss(output, target, reduction="none").flatten(1).mean(1)

    def mean_loss(self, output, target):
        loss = self.losses(output, target).mean()
        return float(loss), loss

    def at_w(self, batch=None, value=None):
        """The gradient at w; the pass that reports and moves the buffers."""
        loss, g = self.take_pass([None] * len(self.w), self.batch if batch is None else batch, True, value or self.mean_loss)
        self.report |= {"loss": loss, "gradNorm": self.norm(g)}
        return g

    def at(self, shift, batch=None, reports=True, value=None):
        """The gradient at w + shift."""
        loss, g = self.take_pass(shift, self.batch if batch is None else batch, False, value or self.mean_loss)
        if reports:
            self.report["perturbedLoss"] = loss
        return g

    def only_pass_at(self, shift):
        """For methods with one pass, taken away from w."""
        loss, g = self.take_pass(shift, self.batch, True, self.mean_loss)
        self.report |= {"loss": loss, "perturbedLoss": loss, "gradNorm": self.norm(g)}
        return g

    # A step.

    def hand_to_base(self, d):
        value, most = self.option("maxGradValue", None), self.option("maxGradNorm", None)
        if value is not None:
            d = each(lambda x: x.clamp(-value, value), d)
        if most is not None:
            d = scaled(min(1, most / (norm(d) + 1e-6)), d)
        for w, x in zip(self.w, d):
            w.grad = None if x is None else x.clone()
        self.base.step()

    def step(self, batch):
        self.batch, self.noise, self.report, self.afterwards = batch, torch.get_rng_state(), {"skipped": False}, None
        kept = deepcopy(self.state), [b.clone() for b in self.net.buffers()]
        by_base = self.options["method"] == "none" or self.taken < self.option("startStep", 0) or all(rho == 0 for rho in self.current_radii())
        chosen = by_base or self.own_taken % self.option("every", 1) == 0
        if not by_base and 0 < self.option("probability", 1) < 1:
            chosen = float(torch.rand([], dtype=torch.float64)) < self.option("probability", 1)
            self.noise = torch.get_rng_state()
        try:
            d = METHODS[self.options["method"]](self) if chosen and not by_base else self.at_w()
            if self.options["method"] == "async" and not by_base:
                self.state["d"] = d
        except NonFinite:
            self.state = kept[0]
            for b, old in zip(self.net.buffers(), kept[1]):
                b.copy_(old)
            self.report["skipped"] = True
            self.update_scale(math.inf)
            return
        self.hand_to_base(d)
        if self.afterwards is not None:
            with torch.no_grad():
                self.afterwards()
        self.taken += 1
        self.own_taken += 0 if by_base else 1
        self.update_scale(0)

    def update_scale(self, seen):
        """Shows the scaler an optimizer of its own that holds an infinity, or none: a step has several passes."""
        self.scaler.scale(torch.zeros(1))
        self.sensor.param_groups[0]["params"][0].grad = torch.tensor([float(seen)])
        self.scaler.step(self.sensor)
        self.scaler.update()
        self.report["lossScale"] = self.scaler.get_scale()

    def current_radii(self):
        if self.options["method"] == "gsam" and "rhoMin" in self.options:
            o = self.options
            span = o["lrMax"] - o["lrMin"]
            self.radii = [o["rhoMax"] if span == 0 else o["rhoMin"] + (o["rhoMax"] - o["rhoMin"]) * (group["lr"] - o["lrMin"]) / span for group in self.base.param_groups]
        return self.radii


DEFAULT_RHO = {"asam": 0.5, "momentum": 3, "norm-only": 0.5, "fisher": 0.1, "gam": 0.02}


def sam(run):
    size = len(run.batch[0])
    g = run.at_w(first(run.batch, ceil(run.option("ascentFraction", 1) * size - 1e-9)))
    return run.at(run.by_radius(unit(run.climbing(g))))


def msam(run):
    size = len(run.batch[0])
    m = min(run.options["shards"], size)
    start, d, totals = 0, [None] * len(run.w), {"loss": 0, "perturbedLoss": 0, "gradNorm": 0}
    for j in range(m):
        length = size // m + (1 if j < size % m else 0)
        shard = [t[start:start + length] for t in run.batch]
        start += length
        run.noise = torch.get_rng_state()
        g = run.at_w(shard)
        g_p = run.at(run.by_radius(unit(run.climbing(g))), shard)
        d = each(lambda x, y: x + length / size * y, d, g_p)
        totals = {name: total + length / size * run.report[name] for name, total in totals.items()}
    run.report |= totals
    return d


def gasam(run):
    alpha, beta, gamma, steps = (run.options[name] for name in ("alpha", "beta", "gamma", "steps"))
    g = run.at_w()
    there = [k for k, x in enumerate(run.climbing(g)) if x is not None]
    n = {k: run.w[k].numel() for k in there}
    kept = run.state.setdefault("strength", {})
    for k in there:
        m, t = kept.get(k, (0, 0))
        kept[k] = beta * m + (1 - beta) * float(g[k].norm()) / sqrt(n[k]), t + 1
    m_hat = {k: kept[k][0] / (1 - beta ** kept[k][1]) for k in there}
    overall = sqrt(sum(n[k] * m_hat[k] ** 2 for k in there) / sum(n.values()))
    run.state["most"] = max(run.state.get("most", 0), overall)
    share = sqrt(sum(n[k] * m_hat[k] ** (2 * alpha) for k in there))
    r = {k: run.radii[run.group_of[k]] * sqrt(n[k]) * m_hat[k] ** alpha / share * (overall / run.state["most"]) ** gamma if overall > 0 else 0 for k in there}
    delta = [None if k not in r else torch.zeros_like(w) for k, w in enumerate(run.w)]
    for i in range(steps):
        climb = g if i == 0 else run.at(delta, reports=False)
        for k in there:
            moved = delta[k] + (r[k] * min(1, 2.5 / steps) * unit([climb[k]])[0] if climb[k] is not None else 0)
            beyond = float((moved / r[k]).norm()) if r[k] > 0 else 1
            delta[k] = moved / beyond if beyond > 1 else moved
    return run.at(delta)


def asam(run):
    eta = run.option("eta", 0.01)
    g = run.at_w()
    T = [w.detach().abs() + eta if "weight" in name.rpartition(".")[2] else torch.ones_like(w) for name, w in zip(run.names, run.w)]
    Tg = [None if x is None else t * x for t, x in zip(T, run.climbing(g))]
    return run.at(run.by_radius([None if x is None else t * x for t, x in zip(T, unit(Tg))]))


def gsam(run):
    alpha = run.option("alpha", 0.4)
    g = run.at_w()
    g_p = run.at(run.by_radius(unit(run.climbing(g))))
    return minus(g_p, scaled(alpha, run.rejection(g, g_p)))


def friendly(run):
    sigma, lam = run.option("sigma", 1), run.option("lambda", 0.9)
    g = run.at_w()
    m = run.state.get("m")
    v = g if m is None else minus(g, scaled(sigma, [None if x is None else a for a, x in zip(m, g)]))
    run.state["m"] = run.mean(m, g, 1 - lam)
    return run.at(run.by_radius(unit(run.climbing(v))))


def vasso(run):
    theta = run.option("theta", 0.9)
    g = run.at_w()
    e = run.state["e"] = run.mean(run.state.get("e"), g, theta)
    return run.at(run.by_radius(unit(run.climbing([None if x is None else a for a, x in zip(e, g)]))))


def look(run):
    alpha = run.option("alpha", 0.2)
    g = run.at_w()
    if run.own_taken % run.option("k", 5) != 0:
        v = [None if a is None else b for a, b in zip(g, run.state["v"])]  # without a gradient in its one pass a parameter is left out
        return each(lambda a, b: a + alpha * run.norm(g) * b, g, v)
    g_p = run.at(run.by_radius(unit(run.climbing(g))))
    run.state["v"] = run.unit(run.rejection(g_p, g))
    return g_p


def momentum(run):
    name = "momentum_buffer" if run.options["base"]["name"] == "sgd" else "exp_avg"
    v = [run.base.state[w].get(name) if w in run.base.state else None for w in run.w]
    if all(x is None for x in v):
        return run.at_w()
    return run.only_pass_at(scaled(-1, run.by_radius(unit(run.climbing(v)))))


def weighted(run):
    gamma = run.option("gamma", 0.9)
    g = run.at_w()
    g_p = run.at(run.by_radius(unit(run.climbing(g))))

    def afterwards():
        for k, x in enumerate(minus(g_p, g)):
            if x is not None:
                run.w[k].sub_(run.lr(k) * gamma / (1 - gamma) * x)
    run.afterwards = afterwards
    return g


def masked(run, keep, refresh, accumulates):
    g = run.at_w()
    climbing = run.climbing(g)
    squares = each(lambda x: x * x, climbing)
    if accumulates:
        sums = run.state.get("sum", [None] * len(squares))
        squares = [x if a is None or x is None else a + x for a, x in zip(sums, squares)]
        run.state["sum"] = [a if x is None else x for a, x in zip(sums, squares)]
    period = run.own_taken // refresh
    if run.state.get("period") != period:
        run.state["period"] = period
        scores = torch.cat([x.flatten() for x in squares if x is not None]).tolist()
        best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:ceil(keep * len(scores) - 1e-9)]
        flat = torch.zeros(len(scores), dtype=run.w[0].dtype)
        flat[best] = 1
        parts = iter(flat.split([x.numel() for x in squares if x is not None]))
        run.state["mask"] = each(lambda x: next(parts).reshape(x.shape), squares)
    return run.at(run.by_radius([None if x is None or m is None else x * m for x, m in zip(unit(climbing), run.state["mask"])]))


def sparse(run):
    return masked(run, run.option("keep", 0.5), run.option("refresh", 100), True)


def fisher_mask(run):
    return masked(run, run.option("keep", 0.1), run.option("refresh", 100), False)


def fisher(run):
    eta = run.option("eta", 1)
    g = run.at_w()
    climbing = run.climbing(g)
    scaled_g = each(lambda x: x / (1 + eta * x * x), climbing)
    length = sqrt(dot(climbing, scaled_g))
    return run.at(run.by_radius(each(lambda x: x / length if length > 0 else torch.zeros_like(x), scaled_g)))


def stable(run):
    g = run.at_w()
    g_p = run.at(run.by_radius(unit(run.climbing(g))))
    return scaled(run.norm(g), run.unit(g_p))


def curvature(run):
    gamma, beta = run.option("gamma", 0.1), run.option("beta", 0.01)
    g = run.at_w()
    e = run.by_radius(unit(run.climbing(g)))
    up = run.at(e)
    down = run.at(scaled(-1, e), reports=False)
    return each(lambda u, v, x: u + gamma * (u + v - 2 * x) + beta * (u - v), up, down, g)


def asynchronous(run):
    last = run.state.get("d")
    d = run.state["d"] = run.at_w() if last is None else run.only_pass_at(run.by_radius(unit(run.climbing(last))))
    return d


def adaptive_schedule(run):
    delta, l1, l2 = run.option("delta", 0.9), run.option("lambda1", -1), run.option("lambda2", 1)
    g = run.at_w()
    square = run.norm(g) ** 2
    mu = run.state["mu"] = delta * run.state.get("mu", 0) + (1 - delta) * square
    variance = run.state["variance"] = delta * run.state.get("variance", 0) + (1 - delta) * (square - mu) ** 2
    tau = min(run.own_taken / run.options["totalSteps"], 1)
    if square < mu + (tau * l1 + (1 - tau) * l2) * sqrt(variance):
        return g
    return run.at(run.by_radius(unit(run.climbing(g))))


def k_sam(run):
    size = len(run.batch[0])
    k = min(run.option("k", ceil(size / 2)), size)
    nothing = [None] * len(run.w)
    losses, _ = run.take_pass(nothing, run.batch, True, lambda output, target: (run.losses(output, target).detach(), None))
    chosen = sorted(sorted(range(size), key=lambda i: (-float(losses[i]), i))[:k])
    subset = [t[chosen] for t in run.batch]
    _, g = run.take_pass(nothing, subset, False, run.mean_loss)
    run.report |= {"loss": float(losses.mean()), "gradNorm": run.norm(g)}
    return run.at(run.by_radius(unit(run.climbing(g))), subset)


def gam(run):
    b1, b2, b3, gamma, r2 = (run.option(name, default) for name, default in (("beta1", 1), ("beta2", 1), ("beta3", 1), ("gamma", 0.03), ("normRho", 0.2)))
    g = run.at_w()
    g_r = run.at(run.by_radius(unit(run.climbing(g))))
    h = minus(g_r, g)
    e1 = scaled(r2, unit(run.climbing(h)))
    g2 = run.at(e1, reports=False)
    g3 = run.at(each(lambda a, b: a + b, e1, run.by_radius(unit(run.climbing(g2)))), reports=False)
    P = each(lambda a, b: a + b2 * b, g, g2)
    G = each(lambda a, b: b1 * a + b3 * b, g_r, g3)
    return minus(G, scaled(gamma, run.rejection(P, G)))


def parallel(run):
    lam = run.option("lambda", 0.2)
    before = run.state.get("before")
    if before is None:
        g = run.at_w()
        run.state["before"] = g, [t.clone() for t in run.batch], run.net.unused
        return g
    g_y, batch, unused = before
    run.net.unused, present = unused, run.net.unused
    climbed = run.at(run.by_radius(unit(run.climbing(g_y))), batch)
    run.net.unused = present
    ahead = [None if x is None else -run.lr(k) * x for k, x in enumerate(g_y)]
    loss, g = run.take_pass(ahead, run.batch, True, run.mean_loss)
    run.report |= {"loss": loss, "gradNorm": run.norm(g)}
    run.state["before"] = g, [t.clone() for t in run.batch], run.net.unused
    return each(lambda a, b: (1 - lam) * a + lam * b, climbed, g)


def bilevel(run):
    mu = run.option("mu", 10)

    def with_ascent(logits, target):
        margins = logits - logits.gather(1, target[:, None])
        ascent = torch.logsumexp(mu * torch.tanh(0.1 * margins), 1).mean() / mu
        return float(run.losses(logits, target).mean()), ascent
    g = run.at_w(value=with_ascent)
    return run.at(run.by_radius(unit(run.climbing(g))))


# Methods that draw random numbers of their own: before the first pass, parameter by parameter.


def efficient(run):
    beta, gamma, size = run.option("beta", 0.6), run.option("gamma", 0.5), len(run.batch[0])
    keep = [(torch.rand_like(w) < beta if beta < 1 else torch.ones_like(w)) if perturbed and w.requires_grad else None for w, perturbed in zip(run.w, run.perturbed)]
    run.noise = torch.get_rng_state()

    def both(output, target):
        losses = run.losses(output, target)
        return losses.detach(), losses.mean()
    before, g = run.take_pass([None] * len(run.w), run.batch, True, both)
    run.report |= {"loss": float(before.mean()), "gradNorm": run.norm(g)}
    e = run.by_radius(each(lambda x, m: x / beta * m, unit(run.climbing(g)), keep))
    k = ceil(gamma * size - 1e-9)
    if k == size:
        return run.at(e)
    after, _ = run.take_pass(e, run.batch, False, lambda output, target: (run.losses(output, target).detach(), None))
    rise = after - before
    chosen = sorted(sorted(range(size), key=lambda i: (-float(rise[i]), i))[:k])
    return run.at(e, [t[chosen] for t in run.batch])


def random(run):
    sigma, lam = run.option("sigma", 5e-4), run.option("lambda", 2)
    z = []
    for w, perturbed in zip(run.w, run.perturbed):
        if not w.requires_grad or not perturbed:
            z.append(None)
            continue
        filters = w.detach().flatten(1) if w.dim() > 1 else w.detach()[None]
        lengths = filters.norm(dim=1).reshape([-1] + [1] * (w.dim() - 1))
        z.append(torch.randn_like(w) * lengths * sigma)
    run.noise = torch.get_rng_state()
    loss, g = run.take_pass(z, run.batch, True, run.mean_loss)
    run.report |= {"loss": loss, "gradNorm": run.norm(g)}
    v = [None if x is None else lam * x + y for x, y in zip(run.climbing(g), z)]
    return run.at(run.by_radius(unit(v)))


def randomized(run):
    p = run.option("p", 0.5)
    perturbs = p >= 1 or (p > 0 and float(torch.rand([], dtype=torch.float64)) < p)
    run.noise = torch.get_rng_state()
    g = run.at_w()
    return run.at(run.by_radius(unit(run.climbing(g)))) if perturbs else g


def bayesian(run):
    o = run.options
    beta1, beta2, zeta = run.option("beta1", 0.9), run.option("beta2", 0.999), run.option("zeta", 0.1)
    m = run.state.get("m") or [torch.zeros_like(w) for w in run.w]
    s = run.state.get("s") or [torch.full_like(w, o.get("initialPrecision", 1)) for w in run.w]
    z = [torch.randn_like(w) / (o["dataSize"] * x).sqrt() if w.requires_grad and perturbed else None for w, x, perturbed in zip(run.w, s, run.perturbed)]
    run.noise = torch.get_rng_state()
    loss, g_s = run.take_pass(z, run.batch, True, run.mean_loss)
    run.report |= {"loss": loss, "gradNorm": run.norm(g_s)}
    g_e = run.at(run.by_radius([None if x is None else x / y for x, y in zip(g_s, s)]))
    there = [k for k, x in enumerate(g_e) if x is not None]
    new_m, new_s = list(m), list(s)
    for k in there:
        decay = run.base.param_groups[run.group_of[k]]["weight_decay"]
        new_m[k] = beta1 * m[k] + (1 - beta1) * (g_e[k] + decay * run.w[k].detach())
        new_s[k] = beta2 * s[k] + (1 - beta2) * (s[k].sqrt() * g_s[k].abs() + zeta + decay)
    run.state |= {"m": new_m, "s": new_s}

    def afterwards():
        for k in there:
            run.w[k].sub_(run.lr(k) * new_m[k] / s[k])
    run.afterwards = afterwards
    return [None] * len(run.w)


METHODS = {"sam": sam, "msam": msam, "gasam": gasam, "asam": asam, "gsam": gsam, "friendly": friendly, "vasso": vasso, "look": look,
           "momentum": momentum, "weighted": weighted, "norm-only": sam, "sparse": sparse, "fisher-mask": fisher_mask, "fisher": fisher,
           "stable": stable, "curvature": curvature, "async": asynchronous, "adaptive-schedule": adaptive_schedule, "k-sam": k_sam,
           "gam": gam, "parallel": parallel, "bilevel": bilevel,
           "efficient": efficient, "random": random, "randomized": randomized, "bayesian": bayesian}


def trajectory(case):
    run = Run(case)
    after = []
    for s, batch in enumerate(case["batches"]):
        for name, value in case.get("changes", {}).get(str(s), {}).items():
            if name == "rho":
                run.radii = [value] * len(run.radii)
            else:
                for group in run.base.param_groups:
                    group[NAMES.get(name, name)] = value
        run.net.unused = [i in case["unusedAt"][s] for i in range(len(run.net))] if case.get("unusedAt") else run.net.unused
        torch.manual_seed(case["seed"] + s)
        x, y = [unpack(t) for t in batch]
        run.step([x * math.nan if s in case["spoiled"] else x, y])
        report = {name: value if isinstance(value, bool) or math.isfinite(value) else None for name, value in run.report.items()}
        after.append({"report": report, "state": {name: pack(t) for name, t in run.net.state_dict().items()}})
    return after


outputs = [trajectory(case) for case in inputs]
