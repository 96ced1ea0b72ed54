// Random frames for tests: headers that make sense, more or less, and damage to them.

#ifndef TESTS_DATAPATH_RANDOM_FRAMES_H_
#define TESTS_DATAPATH_RANDOM_FRAMES_H_

#include <cstdint>
#include <random>
#include <vector>

namespace vswitch::test {

using Frame = std::vector<std::uint8_t>;
using Random = std::mt19937_64;

// A number below `count`.
std::size_t Below(Random& random, std::size_t count);

// A frame of tags, ARP, IP, extension headers, TCP, UDP, ICMP, neighbour discovery, quoted packets,
// with lengths that are right; addresses and ports come from a few, so that packets belong
// together. Checksums are right if `has_checksums`.
Frame RandomFrame(Random& random, bool has_checksums);

// The same, cut, flipped, padded or doubled in places.
Frame DamagedFrame(Random& random);

}  // namespace vswitch::test

#endif  // TESTS_DATAPATH_RANDOM_FRAMES_H_
