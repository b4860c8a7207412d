// A board in Verilator: bytes from standard input go to the pin rx bit by bit, those of tx to standard output.
// Argument: cycles of a bit. Ends with its input. Python puts a pseudo-terminal on both, so that a host finds a port.

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "Vboard.h"
#include "verilated.h"

namespace {

constexpr int kBits = 10;               // of a byte on the line: start, eight of data, stop
constexpr uint64_t kBurst = 2000;       // cycles between two looks at the input
constexpr uint64_t kPatience = 100000;  // cycles without a byte after which the board waits for one

void cycle(Vboard& top) {
    top.clk = 0;
    top.eval();
    top.clk = 1;
    top.eval();
}

class Wire {  // both directions of the line
public:
    Wire(Vboard& top, unsigned divisor) : top_(top), divisor_(divisor) { top_.rx = 1; }

    void push(uint8_t byte) { waiting_.push_back(byte); }
    bool sending() const { return bits_ || !waiting_.empty(); }

    // Whether a byte has come from the board in this cycle.
    bool step(uint8_t& byte) {
        drive();
        cycle(top_);
        return sample(byte);
    }

private:
    void drive() {
        if (hold_) {
            --hold_;
            return;
        }
        if (!bits_ && !waiting_.empty()) {
            frame_ = 1u << 9 | waiting_.front() << 1;
            waiting_.pop_front();
            bits_ = kBits;
        }
        if (!bits_) return;
        top_.rx = frame_ & 1;
        frame_ >>= 1;
        --bits_;
        hold_ = divisor_ - 1;
    }

    bool sample(uint8_t& byte) {
        if (!heard_) {
            if (top_.tx) return false;
            heard_ = kBits, next_ = divisor_ / 2, value_ = 0;
            return false;
        }
        if (next_--) return false;
        value_ = value_ >> 1 | (top_.tx ? 1u << 9 : 0);
        next_ = divisor_ - 1;
        if (--heard_) return false;
        byte = value_ >> 1;
        return true;
    }

    Vboard& top_;
    const unsigned divisor_;
    std::deque<uint8_t> waiting_;
    unsigned frame_ = 0, bits_ = 0, hold_ = 0, heard_ = 0, next_ = 0, value_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    VerilatedContext context;
    const auto top = std::make_unique<Vboard>(&context);
    Wire wire(*top, std::strtoul(argv[1], nullptr, 10));
    top->rst = 1;
    for (int i = 0; i < 4; ++i) cycle(*top);
    top->rst = 0;
    uint64_t quiet = 0;
    while (true) {
        pollfd input{0, POLLIN, 0};
        if (poll(&input, 1, quiet > kPatience ? 20 : 0) > 0) {
            uint8_t buffer[256];
            const ssize_t count = read(0, buffer, sizeof buffer);
            if (count <= 0) return 0;
            for (ssize_t i = 0; i < count; ++i) wire.push(buffer[i]);
            quiet = 0;
        }
        for (uint64_t i = 0; i < kBurst || wire.sending(); ++i, ++quiet) {
            uint8_t byte;
            if (wire.step(byte)) {
                if (write(1, &byte, 1) != 1) return 1;
                quiet = 0;
            }
        }
    }
}
