"""SAM in PyTorch, as it is usually written and as fast as it can be written."""

import torch

from nets import loss_of


def freeze_statistics(model, frozen):
    """Batch norm's running statistics take the update of the pass at w only."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            if frozen:
                module.kept_momentum, module.momentum = module.momentum, 0.0
            else:
                module.momentum = module.kept_momentum


class Textbook:
    """The usual two-step class: a loop over the parameters, each kept aside while it is perturbed."""

    def __init__(self, model, settings):
        self.model = self.net = model
        self.rho = settings["rho"]
        self.mixed = settings.get("mixed", False)
        self.parameters = list(model.parameters())
        self.has_statistics = any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules())
        self.base = torch.optim.SGD(self.parameters, **self.base_options(settings))

    def base_options(self, settings):
        return {"lr": settings["lr"], "momentum": settings["momentum"], "weight_decay": settings["weightDecay"]}

    def loss(self, x, y):
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed):
            return loss_of(self.net, x, y)

    def step(self, x, y):
        self.base.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        kept = self.perturb()
        self.base.zero_grad()
        if self.has_statistics:
            freeze_statistics(self.model, True)
        self.loss(x, y).backward()
        if self.has_statistics:
            freeze_statistics(self.model, False)
        self.restore(kept)
        self.base.step()
        return loss.detach()

    @torch.no_grad()
    def perturb(self):
        norm = torch.norm(torch.stack([p.grad.norm(2) for p in self.parameters]), 2)
        scale = self.rho / (norm + 1e-12)
        kept = []
        for p in self.parameters:
            kept.append(p.data.clone())
            p.add_(p.grad * scale)
        return kept

    @torch.no_grad()
    def restore(self, kept):
        for p, value in zip(self.parameters, kept):
            p.data = value


class Foreach(Textbook):
    """Foreach kernels for norm, perturbation and restoring, buffers that are kept, the fused base optimizer."""

    def __init__(self, model, settings):
        super().__init__(model, settings)
        self.kept = [torch.empty_like(p) for p in self.parameters]

    def base_options(self, settings):
        return {**super().base_options(settings), "fused": True}

    @torch.no_grad()
    def perturb(self):
        gradients = [p.grad for p in self.parameters]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients, 2)))
        torch._foreach_copy_(self.kept, self.parameters)
        torch._foreach_add_(self.parameters, gradients, alpha=self.rho / (norm.item() + 1e-12))
        return self.kept

    @torch.no_grad()
    def restore(self, kept):
        torch._foreach_copy_(self.parameters, kept)


class Compiled(Foreach):
    """The same around a net that torch.compile made."""

    def __init__(self, model, settings):
        super().__init__(model, settings)
        self.net = torch.compile(model)


class Graphs(Foreach):
    """The same around a net that torch.compile made and captures in CUDA graphs."""

    def __init__(self, model, settings):
        super().__init__(model, settings)
        self.net = torch.compile(model, mode="reduce-overhead")


contenders = {"textbook": Textbook, "foreach": Foreach, "compiled": Compiled, "graphs": Graphs}
