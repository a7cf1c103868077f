#pragma once
#include "../layouts.h"

namespace steppe {

// Batch norm in training, ReLU and max pooling each read and write whole images, forward and backward, and a step of a small
// convolutional network spends a third of its time on that. Where a program has them in a row, they are one instruction here, and
// one backward: the images between are never written, nor is which pixel passed the ReLU, since its sign is cheaper computed again.
//
//   batch norm                      alone, too: LibTorch's passes over channels that lie last are slow
//   batch norm, ReLU
//   batch norm, ReLU, max pooling   with windows side by side, as `nn.MaxPool2d(2)` has them
//
// For float32 images with the channels last, a multiple of eight of them, weight and bias, and programs whose backward is
// recorded. Statistics are summed more exactly than LibTorch's; results agree up to rounding. `layouts`: by register.
void replace_batch_norms(Program& program, const Layouts& layouts);

}  // namespace steppe
