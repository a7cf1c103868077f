# The reference for test/models/vision.test.ts: `cases` is a dict of functions that make models. Networks that neither torchvision
# nor timm has are written here, after their papers.
import timm
import torchvision
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.models.vgg import VGG, cfgs, make_layers
from torchvision.models.vision_transformer import VisionTransformer


class CifarBlock(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.added, self.stride = b - a, stride

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        x = x[:, :, :: self.stride, :: self.stride]
        zeros = torch.zeros(x.shape[0], self.added // 2, *x.shape[2:], dtype=x.dtype)
        return F.relu(y + torch.cat([zeros, x, zeros], 1))


class CifarResNet(nn.Module):
    def __init__(self, n, classes):
        super().__init__()
        stage = lambda a, b, s: nn.Sequential(CifarBlock(a, b, s), *[CifarBlock(b, b, 1) for _ in range(n - 1)])
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = stage(16, 16, 1), stage(16, 32, 2), stage(32, 64, 2)
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class WideBlock(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(a), nn.Conv2d(a, b, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(b), nn.Conv2d(b, b, 3, 1, 1, bias=False)
        if a != b:
            self.convShortcut = nn.Conv2d(a, b, 1, stride, bias=False)

    def forward(self, x):
        active = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return y + (self.convShortcut(active) if hasattr(self, "convShortcut") else x)


class WideStage(nn.Module):
    def __init__(self, n, a, b, stride):
        super().__init__()
        self.layer = nn.Sequential(WideBlock(a, b, stride), *[WideBlock(b, b, 1) for _ in range(n - 1)])

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, n, k, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.block1, self.block2, self.block3 = WideStage(n, 16, 16 * k, 1), WideStage(n, 16 * k, 32 * k, 2), WideStage(n, 32 * k, 64 * k, 2)
        self.bn1, self.fc = nn.BatchNorm2d(64 * k), nn.Linear(64 * k, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.block3(self.block2(self.block1(self.conv1(x))))))
        return self.fc(F.avg_pool2d(x, x.shape[-1]).flatten(1))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2).flatten(1)
        return self.fc3(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(12, 9), nn.GELU(), nn.Linear(9, 7), nn.GELU(), nn.Linear(7, 4))

    def forward(self, x):
        return self.layers(x.flatten(1))


def vgg(letter, batch_norm, width, classes=4):
    """torchvision's, with a narrow classifier."""

    class Narrow(nn.Linear):
        def __init__(self, a, b):
            super().__init__(*(width if n == 4096 else n for n in (a, b)))

    import types

    whole = torchvision.models.vgg.nn
    torchvision.models.vgg.nn = types.SimpleNamespace(**{**vars(nn), "Linear": Narrow})
    try:
        return VGG(make_layers(cfgs[letter], batch_norm), num_classes=classes, dropout=0.0)
    finally:
        torchvision.models.vgg.nn = whole


def small_stem(model):
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return model


cases = {
    "MLP": MLP,
    "LeNet5": LeNet,
    "resnet18": lambda: torchvision.models.resnet18(num_classes=5),
    "resnet18 with a small stem": lambda: small_stem(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4)),
    "bottlenecks": lambda: ResNet(Bottleneck, [1, 1, 1, 1], num_classes=4),
    "ResNeXt": lambda: ResNet(Bottleneck, [1, 1, 1, 1], num_classes=4, groups=32, width_per_group=4),
    "CIFAR ResNet-14": lambda: CifarResNet(2, 10),
    "WRN-16-2": lambda: WideResNet(2, 2, 10),
    "vgg11": lambda: vgg("A", False, 32),
    "vgg13_bn": lambda: vgg("B", True, 32),
    "timm's ViT": lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, num_classes=4),
    "timm's ViT with mean pooling": lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, num_classes=4, global_pool="avg", qkv_bias=False),
    "torchvision's ViT": lambda: VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=128, num_classes=4),
}
