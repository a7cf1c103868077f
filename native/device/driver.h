#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace steppe::device {

// What NVIDIA's driver says of one GPU.
struct Gpu {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  uint64_t memory = 0;       // bytes
  int multiprocessors = 0, threads_per_multiprocessor = 0, warp_size = 0;
  uint64_t l2_cache = 0, shared_memory_per_block = 0;  // bytes
  bool integrated = false;
};

struct Driver {
  std::string problem;  // why there is none that can be used; empty if there is one
  int cuda = 0;         // the newest CUDA version that it runs, 13000 for 13.0; 0 where it can't be told
  std::vector<Gpu> gpus;
};

// Asks the driver's own library, libcuda, whose interface is stable: needs neither CUDA's headers nor a CUDA LibTorch.
// GPUs are numbered as LibTorch numbers them; CUDA_VISIBLE_DEVICES counts as it stood at the first call.
Driver ask_driver();

}  // namespace steppe::device
