// Streams images into the accelerator and takes the results, as fast as Verilator goes.
// Arguments: file of images, words of an image, bytes of a word, images. Prints cycles, seconds and the results' sum.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "Vaccelerator.h"
#include "verilated.h"

namespace {

void half_cycle(Vaccelerator& top, int level) {
    top.clk = level;
    top.eval();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    std::ifstream file(argv[1], std::ios::binary);
    const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), {});
    const size_t words = std::strtoul(argv[2], nullptr, 10), width = std::strtoul(argv[3], nullptr, 10);
    const size_t images = std::strtoul(argv[4], nullptr, 10), offered = words * images;

    VerilatedContext context;
    const auto top = std::make_unique<Vaccelerator>(&context);
    top->rst = 1;
    for (int edge = 0; edge < 8; ++edge) half_cycle(*top, edge & 1);
    top->rst = 0;
    top->m_axis_tready = 1;
    top->s_axis_tkeep = (1u << width) - 1;

    uint64_t cycles = 0, sum = 0;
    size_t next = 0, done = 0;
    bool counting = false;
    const auto begin = std::chrono::steady_clock::now();
    while (done < images) {
        uint64_t word = 0;
        for (size_t byte = 0; byte < width && next < offered; ++byte)
            word |= uint64_t(bytes[next * width + byte]) << 8 * byte;
        top->s_axis_tdata = word;
        top->s_axis_tvalid = next < offered;
        top->s_axis_tlast = next % words == words - 1;
        half_cycle(*top, 0);
        counting |= top->s_axis_tvalid && top->s_axis_tready;
        cycles += counting;
        if (top->s_axis_tvalid && top->s_axis_tready) ++next;
        if (top->m_axis_tvalid) {
            sum = sum * 31 + top->m_axis_tdata;
            done += top->m_axis_tlast;
        }
        half_cycle(*top, 1);
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    std::printf("%llu %.6f %llu\n", (unsigned long long)cycles, taken.count(), (unsigned long long)sum);
    return 0;
}
