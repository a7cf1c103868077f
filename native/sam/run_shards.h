#pragma once
#include <cstddef>
#include <functional>

namespace steppe::sam {

// Calls job(j, thread) for j from 0 to count − 1 on at most `threads` threads; lower j begin first. Waits for all of them. The
// threads are those of this thread's kernels: they watch for work between kernels anyway, and others beside them would be more
// than there are processors. Within a job each kernel has one thread, so that its numbers do not depend on how many there are.
void run_shards(size_t count, size_t threads, const std::function<void(size_t j, size_t thread)>& job);

}  // namespace steppe::sam
