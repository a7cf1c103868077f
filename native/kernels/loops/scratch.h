#pragma once
#include <cstdint>

namespace steppe {

// Memory for a kernel's intermediate results that this thread keeps from call to call, and finds in its own caches: what comes out of a
// step's memory was written by any thread. A few megabytes: more belongs into the step's. Of so many floats, at a multiple of 64 bytes, until the thread asks again.
float* own_scratch(int64_t floats);
// The same, for what a kernel's threads share: asked for by the thread that begins the work.
float* shared_scratch(int64_t floats);

}  // namespace steppe
