# Makes small models of Hugging Face's with random weights, saves them, and runs them: what parity.ts compares with.
#
# inputs: {"folder", "support", "cases": [{name, model, config, inputs, labels?, seed}]}. Of each case the folder FOLDER/NAME holds what
# save_pretrained writes, and reference.safetensors: outputs "float32.eval/logits", gradients "float64.train/grad/NAME".
import os

sys.path.insert(0, inputs["support"])
import libraries  # noqa: F401
import transformers
from safetensors.torch import save_file

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def exact_losses(model):
    """Hugging Face computes some losses and norms in float32 whatever the model's dtype: here they keep float64."""
    for module in model.modules():
        if type(module).__name__ in ("T5LayerNorm", "MT5LayerNorm"):
            module.forward = lambda x, m=module: m.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + m.variance_epsilon))
    if "CausalLM" in str(getattr(model, "loss_type", "")) or type(model).__name__ == "GPT2LMHeadModel":
        model.loss_function = lambda logits, labels, vocab_size, **_: F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def exact_attention(module, query, key, value, mask, scaling=None, dropout=0.0, **_):
    """ViT's attention step by step takes its softmax in float32 whatever the model's dtype: here it keeps float64."""
    weights = F.dropout((query @ key.transpose(2, 3) * scaling).softmax(-1), p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2), weights


transformers.models.vit.modeling_vit.eager_attention_forward = exact_attention


def save(model, case, folder):
    model.save_pretrained(folder)
    if case.get("untie"):  # as the files of T5 1.1 and mT5 are: tied no more, whatever the class does
        model.lm_head.weight = nn.Parameter(model.lm_head.weight + 0.1 * torch.randn_like(model.lm_head.weight))
        state = {name: t for name, t in model.state_dict().items() if "embed_tokens" not in name}
        save_file({name: t.clone() for name, t in state.items()}, os.path.join(folder, "model.safetensors"), {"format": "pt"})


def make(case):
    torch.manual_seed(case["seed"])
    config = getattr(transformers, case["config_class"])(**case["config"])
    if case.get("eager"):
        config._attn_implementation = "eager"
    model = getattr(transformers, case["model"])(config)
    with torch.no_grad():  # fresh biases are 0 and fresh norms 1: what is left out would not be seen
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def flat(name, value):
    if value is None:
        return {}
    if isinstance(value, torch.Tensor):
        return {name: value}
    if isinstance(value, (tuple, list)):
        return {key: t for i, v in enumerate(value) for key, t in flat(f"{name}.{i}", v).items()}
    return {}


def cast(value, dtype):
    return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def reference(case, folder):
    model = make(case)
    save(model, case, folder)
    given = {key: unpack(v) if isinstance(v, dict) else v for key, v in case["inputs"].items()}
    found = {}
    for dtype in (torch.float32, torch.float64):
        model.to(dtype)
        exact_losses(model)
        for mode in ("eval", "train"):
            model.train(mode == "train")
            model.zero_grad()
            torch.manual_seed(11)  # dropout draws the same in both
            output = model(**{key: cast(value, dtype) for key, value in given.items()})
            results = {key: t for name, value in output.items() for key, t in flat(name, value).items()}
            if output.get("loss") is not None:
                output.loss.backward()
            else:
                sum((r * torch.arange(r.numel(), dtype=dtype).cos().reshape(r.shape)).sum() for r in results.values()).backward()
            where = f"{str(dtype).removeprefix('torch.')}.{mode}"
            found.update({f"{where}/{name}": t.detach().clone().contiguous() for name, t in results.items()})
            found.update({f"{where}/grad/{n}": p.grad.clone().contiguous() for n, p in model.named_parameters() if p.grad is not None})
    save_file(found, os.path.join(folder, "reference.safetensors"))
    return {"names": sorted(model.state_dict()), "parameters": [name for name, _ in model.named_parameters()]}


def references():
    return {case["name"]: reference(case, os.path.join(inputs["folder"], case["name"])) for case in inputs["cases"]}
