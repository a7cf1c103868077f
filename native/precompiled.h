// What nearly every file of the addon includes, compiled once.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <napi.h>

#include <string>
#include <vector>
