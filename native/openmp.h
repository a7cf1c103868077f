#pragma once

namespace steppe {

// Ends the OpenMP threads that wait for this thread's next kernel. Each thread that calls LibTorch has a pool of them. Where the
// pools together have more threads than the machine has processors, GNU's OpenMP lets waiting ones sleep at once instead of
// watching for a while, and every kernel pays for waking them: steps on two threads take two to three times as long. Where
// they are not more, waiting ones watch for milliseconds, on processors that others could use. Costs nothing where there is
// no pool.
void release_kernel_threads();

}  // namespace steppe
