// The order in which threads, and blocks, get their turns: CUDA_ON_CPU_ORDER is forward, reverse or random:SEED.
// A correct kernel's result does not depend on it.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace cuda_on_cpu {

class Order {
public:
    static Order from_environment() {
        const char *text = getenv("CUDA_ON_CPU_ORDER");
        const std::string order = text ? text : "forward", random = "random:";
        if (order == "forward") return Order(Kind::forward, 0);
        if (order == "reverse") return Order(Kind::reverse, 0);
        if (order.rfind(random, 0) == 0 && order.find_first_not_of("0123456789", random.size()) == std::string::npos)
            return Order(Kind::random, std::strtoull(order.c_str() + random.size(), nullptr, 10));
        throw std::invalid_argument("CUDA_ON_CPU_ORDER is " + order + ", not forward, reverse or random:SEED");
    }

    bool is_random() const { return kind_ == Kind::random; }

    // 0 … n-1 in turn; every call for a random order gives another permutation.
    void arrange(std::vector<unsigned> &turns, unsigned n) {
        turns.resize(n);
        std::iota(turns.begin(), turns.end(), 0u);
        if (kind_ == Kind::reverse) std::reverse(turns.begin(), turns.end());
        if (kind_ == Kind::random) std::shuffle(turns.begin(), turns.end(), random_);
    }

private:
    enum class Kind { forward, reverse, random };
    Order(Kind kind, unsigned long long seed) : kind_(kind), random_(seed) {}

    Kind kind_;
    std::mt19937_64 random_;
};

}  // namespace cuda_on_cpu
