# The same addon as CMakeLists.txt builds, for node-gyp: `npx node-gyp rebuild`, or npm where no prebuilt binary fits.
# LibTorch is found by the setup's own discovery: LIBTORCH, the caches, the torch of STEPPE_PYTHON or python3.
{
  "variables": {
    "libtorch": "<!(node scripts/gyp.js path)",
    "libtorch_version": "<!(node scripts/gyp.js version)",
    "libtorch_cuda": "<!(node scripts/gyp.js cuda)"
  },
  "targets": [
    {
      "target_name": "steppe",
      "sources": ["<!@(node scripts/gyp.js sources)"],
      "include_dirs": [
        "native",
        "<!(node -p \"require('node-addon-api').include_dir\")"
      ],
      "defines": [
        "NAPI_VERSION=9",
        "NODE_ADDON_API_CPP_EXCEPTIONS_ALL",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "_GLIBCXX_USE_CXX11_ABI=1",
        # As LibTorch itself was built: without it at::RecordFunction has a field more than LibTorch's own.
        "NDEBUG",
        "STEPPE_LIBTORCH_VERSION=\"<(libtorch_version)\"",
        "STEPPE_LIBTORCH_CUDA=\"<(libtorch_cuda)\""
      ],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": [
        "-std=c++20",
        "-O3",
        "-fexceptions",
        "-frtti",
        "-fvisibility=hidden",
        "-fvisibility-inlines-hidden",
        "-isystem", "<(libtorch)/include",
        "-isystem", "<(libtorch)/include/torch/csrc/api/include"
      ],
      "conditions": [
        ["OS=='linux'", {
          "ldflags": [
            "-L<(libtorch)/lib",
            "-Wl,-rpath,<(libtorch)/lib",
            "-Wl,-z,nodelete",
            "-Wl,--no-as-needed"
          ],
          "libraries": ["-ltorch", "-ltorch_cpu", "-lc10"],
          "conditions": [
            ["libtorch_cuda!=''", {
              "ldflags": ["<!@(node scripts/gyp.js nvidia-folders)"],
              "libraries": ["<!@(node scripts/gyp.js nvidia)", "-ltorch_cuda", "-lc10_cuda"]
            }]
          ]
        }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "GCC_ENABLE_CPP_RTTI": "YES",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "OTHER_CPLUSPLUSFLAGS": ["-isystem", "<(libtorch)/include", "-isystem", "<(libtorch)/include/torch/csrc/api/include"]
          },
          "libraries": ["-L<(libtorch)/lib", "-Wl,-rpath,<(libtorch)/lib", "-ltorch", "-ltorch_cpu", "-lc10"]
        }]
      ]
    },
    {
      "target_name": "description",
      "type": "none",
      "dependencies": ["steppe"],
      "actions": [
        {
          "action_name": "describe",
          "message": "Writing what the binary was built for",
          "inputs": ["<(PRODUCT_DIR)/steppe.node"],
          "outputs": ["<(PRODUCT_DIR)/steppe.json"],
          "action": ["node", "scripts/gyp.js", "describe", "<(PRODUCT_DIR)/steppe.json"]
        }
      ]
    }
  ]
}
