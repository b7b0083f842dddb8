// `Block` on the host; see block.h.
#pragma once

#include "launch_shape.h"

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#define YOLACT_DEVICE inline
#define YOLACT_BOTH inline
#define YOLACT_UNROLL

namespace yolact {

enum class Order : int { kForward = 0, kReversed = 1, kShuffled = 2 };

class Block {
public:
    Block(int x, int y, int z, int threads, unsigned char* shared, Order order)
        : x_(x), y_(y), z_(z), threads_(threads), shared_(shared), order_(order) {}

    int x() const { return x_; }
    int y() const { return y_; }
    int z() const { return z_; }
    int threads() const { return threads_; }

    template <class T>
    T* shared() const {
        return reinterpret_cast<T*>(shared_);
    }

    template <class Step>
    void each(int n, Step step) {
        if (order_ == Order::kForward) {
            for (int i = 0; i < n; ++i) step(i);
        } else if (order_ == Order::kReversed) {
            for (int i = n - 1; i >= 0; --i) step(i);
        } else if (n > 0) {
            each_shuffled(n, step);
        }
    }

    template <int kInFlight, class Load, class Use>
    void each_loaded(int n, Load load, Use use) {
        each(n, [&](int i) { use(i, load(i)); });
    }

    template <class T>
    T read(T const& value) const {
        return value;
    }

private:
    // Every i of [0, n) once: multiples of a number without a common factor, from a random start.
    template <class Step>
    void each_shuffled(int n, Step step) {
        std::int64_t const start = random() % n;
        std::int64_t stride = 1 + random() % n;
        while (std::gcd(stride, static_cast<std::int64_t>(n)) != 1) ++stride;
        for (std::int64_t k = 0; k < n; ++k) step(static_cast<int>((start + k * stride) % n));
    }

    std::int64_t random() {  // xorshift32
        static thread_local std::uint32_t state = 2463534242U;
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return state;
    }

    int x_, y_, z_, threads_;
    unsigned char* shared_;
    Order order_;
};

// Run a kernel's blocks one after another, in the order that is asked for within blocks too. Shared memory holds
// garbage at first, as on a GPU: here bytes that make every float a NaN and every index absurd.
template <class Kernel>
void run_blocks(LaunchShape const& shape, Order order, Kernel kernel) {
    auto const shared_bytes = static_cast<std::size_t>(shape.shared_bytes);
    std::vector<std::uint64_t> memory((shared_bytes + 15) / 8 + 1);  // 16-byte aligned by the allocator
    auto* shared = reinterpret_cast<unsigned char*>(memory.data());
    Block all(0, 0, 0, shape.threads, shared, order);
    all.each(shape.x * shape.y * shape.z, [&](int index) {
        std::memset(shared, 0xFF, shared_bytes);
        Block block(
            index % shape.x, index / shape.x % shape.y, index / (shape.x * shape.y), shape.threads, shared, order);
        kernel(block);
    });
}

}  // namespace yolact
