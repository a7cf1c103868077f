import type { optim } from "../../lib/index.js";
import { runPython, type Packed } from "../support/python.js";

// A base optimizer's trajectory by PyTorch: gradients go in, weights and state come out.

/** A base optimizer's options and those of a second parameter group. */
export interface Case {
  base: optim.BaseOptions;
  /** What the second group has of its own, in the names of `base`. */
  second?: Record<string, unknown>;
}

export interface Run extends Case {
  dtype: "float64" | "float32" | "bfloat16";
  weights: Packed[];
  /** Places of the weights that are in the second group. */
  secondGroup: number[];
  /** Per step and weight; null: no gradient. */
  gradients: (Packed | null)[][];
  /** Learning rates that hold from a step on, for both groups. */
  rates: Record<number, number>;
  /** PyTorch's own kernels: "fused" or "foreach" instead of its loop over tensors. */
  kernels?: "fused" | "foreach";
}

export interface Trajectory {
  /** After each step. */
  weights: Packed[][];
  /** After the last step, by name for each weight. */
  state: Record<string, Packed>[];
}

// Lion, LAMB and T5's Adafactor are not in torch.optim: their papers' (or Hugging Face's) formulae, written down plainly.
const script = `
import re

class Formula(torch.optim.Optimizer):
    def __init__(self, params, **options):
        super().__init__(params, {**self.defaults_, **options})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    g = -p.grad if group.get("maximize") else p.grad
                    state = self.state[p]
                    state["step"] = state.get("step", 0) + 1
                    self.rule(p, g, group, state, state["step"])

class Lion(Formula):
    defaults_ = dict(lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0)
    def rule(self, w, g, o, s, t):
        b1, b2 = o["betas"]
        m = s.get("exp_avg", torch.zeros_like(w))
        w.copy_(w - o["lr"] * (torch.sign(b1 * m + (1 - b1) * g) + o["weight_decay"] * w))
        s["exp_avg"] = b2 * m + (1 - b2) * g

class Lamb(Formula):
    defaults_ = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-2)
    def rule(self, w, g, o, s, t):
        b1, b2 = o["betas"]
        s["exp_avg"] = m = b1 * s.get("exp_avg", torch.zeros_like(w)) + (1 - b1) * g
        s["exp_avg_sq"] = v = b2 * s.get("exp_avg_sq", torch.zeros_like(w)) + (1 - b2) * g * g
        r = m / (1 - b1**t) / ((v / (1 - b2**t)).sqrt() + o["eps"]) + o["weight_decay"] * w
        ratio = w.norm() / r.norm() if w.norm() > 0 and r.norm() > 0 else 1.0
        w.copy_(w - o["lr"] * ratio * r)

class AdafactorT5(Formula):
    defaults_ = dict(lr=None, eps=(1e-30, 1e-3), clip_threshold=1.0, decay_rate=-0.8, beta1=None, weight_decay=0.0,
                     scale_parameter=True, relative_step=True, warmup_init=False)
    def rule(self, p, g, o, s, t):
        half = p.dtype in (torch.float16, torch.bfloat16)
        w, g = (p.float(), g.float()) if half else (p.clone(), g)
        rms = lambda x: (x.norm() / x.numel() ** 0.5).item()
        step = o["lr"]
        if o["relative_step"]:
            step = min(1e-6 * t if o["warmup_init"] else 1e-2, 1 / math.sqrt(t))
        if o["scale_parameter"]:
            step *= max(o["eps"][1], rms(w))
        b = 1 - t ** o["decay_rate"]
        mean = lambda name, x: s.__setitem__(name, b * s.get(name, 0) + (1 - b) * x) or s[name]
        square = g * g + o["eps"][0]
        if g.dim() >= 2:
            row, column = mean("exp_avg_sq_row", square.mean(-1)), mean("exp_avg_sq_col", square.mean(-2))
            v = (row / row.mean(-1, keepdim=True)).unsqueeze(-1) * column.unsqueeze(-2)
        else:
            v = mean("exp_avg_sq", square)
        u = g / v.sqrt()
        u = step * u / max(1.0, rms(u) / o["clip_threshold"])
        if o["beta1"] is not None:
            s["exp_avg"] = u = o["beta1"] * s.get("exp_avg", 0) + (1 - o["beta1"]) * u
        p.copy_(w - o["weight_decay"] * step * w - u)

classes = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "adafactor": "Adafactor", "adagrad": "Adagrad", "adadelta": "Adadelta",
           "adamax": "Adamax", "asgd": "ASGD", "nadam": "NAdam", "radam": "RAdam", "rmsprop": "RMSprop", "rprop": "Rprop"}
formulae = {"lion": Lion, "lamb": Lamb, "adafactor-t5": AdafactorT5}
snake = lambda options: {re.sub("([A-Z])", r"_\\1", key).lower(): tuple(value) if isinstance(value, list) else value
                         for key, value in options.items() if key != "name"}

outputs = []
for run in inputs:
    weights = [nn.Parameter(unpack(w)) for w in run["weights"]]
    groups = [{"params": [w for k, w in enumerate(weights) if (k in run["secondGroup"]) == second],
               **(snake(run.get("second") or {}) if second else {})} for second in (False, True)]
    name = run["base"]["name"]
    make = formulae.get(name) or getattr(torch.optim, classes[name])
    kernels = {run["kernels"]: True} if run.get("kernels") and name in classes else {}
    optimizer = make([g for g in groups if g["params"]], **snake(run["base"]), **kernels)
    trajectory = []
    for step, gradients in enumerate(run["gradients"]):
        if str(step) in run["rates"]:
            for group in optimizer.param_groups:
                group["lr"] = run["rates"][str(step)]
        for w, g in zip(weights, gradients):
            w.grad = None if g is None else unpack(g)
        optimizer.step()
        trajectory.append([pack(w) for w in weights])
    used = [any(step[k] is not None for step in run["gradients"]) for k in range(len(weights))]
    states = [{key: pack(torch.as_tensor(value)) for key, value in optimizer.state.get(w, {}).items() if value is not None and used[k]}
              for k, w in enumerate(weights)]
    if name == "lion":
        for state in states:
            state.pop("step", None)
    outputs.append({"weights": trajectory, "state": states})
`;

/** What PyTorch makes of these runs. */
export function reference(runs: Run[]): Trajectory[] {
  return runPython<Trajectory[]>(script, runs);
}
