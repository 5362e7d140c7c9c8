"""From a plan to CUDA: kernels in C++ and the PyCUDA module that launches them."""
